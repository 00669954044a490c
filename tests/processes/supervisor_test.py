"""The last line is the supervisor's, however its child ends."""

import os
import signal
import subprocess
import sys
import time

import pytest

from gan_jax.processes.supervisor import AGAIN
from tests import fleets

PROGRAM = """
import os, signal, sys, time
from gan_jax.processes import supervisor
supervisor.attach()
if supervisor.is_needed(sys.argv[1:]):
    sys.exit(supervisor.run())
def send(number): os.kill(os.getpid(), number)
"""


def command(body: str) -> list[str]:
    return [sys.executable, '-c', PROGRAM + body, '--distributed']


ENDS = {
    'nothing to say': ('print("noise", file=sys.stderr)', 0, 'noise'),
    'its own words': ('supervisor.say("error: x"); sys.exit(2)', 2, 'error: x'),
    'aborted': ('supervisor.expect("y"); os.write(2, b"stack\\n"); os.abort()', 2, 'error: y'),
    'aborted after its words': (
        'supervisor.expect("y"); supervisor.say("error: x"); os.abort()', 2, 'error: x',
    ),
    'killed': (
        'supervisor.expect("y"); send(signal.SIGKILL)', 2,
        f'error: killed, perhaps for want of memory: {AGAIN}',
    ),
    'other signal': ('send(signal.SIGSEGV)', 2, f'error: ended by SIGSEGV: {AGAIN}'),
    'exception': ('raise KeyError("z")', 1, "KeyError: 'z'"),
}  # fmt: skip


@pytest.mark.parametrize('body, code, line', ENDS.values(), ids=ENDS)
def test_the_last_line_says_why(body, code, line):
    ended = subprocess.run(command(body), cwd=fleets.ROOT, capture_output=True, text=True)
    assert ended.returncode == code
    assert ended.stderr.splitlines()[-1] == line


def test_without_a_flag_for_it_there_is_no_child():
    body = 'print(os.getppid())'
    ended = subprocess.run(command(body)[:-1], cwd=fleets.ROOT, capture_output=True, text=True)
    assert int(ended.stdout) == os.getpid()


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_child_as_a_notice(number):
    body = """
signal.signal(signal.SIGTERM, lambda *_: (print("noticed"), sys.exit(0)))
print("ready", flush=True)
time.sleep(60)
"""
    with subprocess.Popen(command(body), cwd=fleets.ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b'ready\n'
        process.send_signal(number)
        assert process.stdout.readline() == b'noticed\n'
    assert process.returncode == 0


@pytest.mark.skipif(sys.platform != 'linux', reason='the kernel of Linux is asked to do it')
def test_the_child_ends_with_its_supervisor():
    body = 'print(os.getpid(), flush=True); time.sleep(60)'
    with subprocess.Popen(command(body), cwd=fleets.ROOT, stdout=subprocess.PIPE) as process:
        child = int(process.stdout.readline())
        process.kill()
        while os.path.exists(f'/proc/{child}') and not is_zombie(child):
            time.sleep(0.01)


def is_zombie(process: int) -> bool:
    """Whether it has ended, and nobody has asked how."""
    with open(f'/proc/{process}/stat', encoding='utf-8') as file:
        return file.read().rpartition(')')[2].split()[0] == 'Z'
