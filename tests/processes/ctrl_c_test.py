"""Ctrl-C while Python calls no handlers."""

import signal
import subprocess
import sys

import pytest

from gan_jax.processes import ctrl_c

# Minutes in one call, which lets other threads run, as a compilation does.
DEAF = """
import hashlib, signal, sys
from gan_jax.processes import ctrl_c
signal.signal(signal.SIGINT, lambda *_: None)
with ctrl_c.answered():
    print('begun', file=sys.stderr, flush=True)
    hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)
"""


def test_the_first_is_answered_and_the_second_ends_what_hears_of_neither():
    with subprocess.Popen([sys.executable, '-c', DEAF], stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr.readline() == 'begun\n'
        child.send_signal(signal.SIGINT)
        assert child.stderr.readline() == '\n'
        assert 'Ctrl-C again to stop now' in child.stderr.readline()
        child.send_signal(signal.SIGINT)
        assert child.stderr.read() == 'interrupted\n'
    assert child.returncode == ctrl_c.CODE


def test_one_that_is_heard_says_nothing_more(capfd, request):
    # What a script starts in the background ignores Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with pytest.raises(KeyboardInterrupt), ctrl_c.answered():
        signal.raise_signal(signal.SIGINT)
    assert capfd.readouterr() == ('', '')
