"""Workers take turns: one answers, the others stand still."""

from pathlib import Path
import sys
import textwrap
import time

import pytest

from benchmarks.workers import Worker, WorkerError
from gan_jax.errors import UserError

ECHO = """
    import json, os, sys
    request = json.loads(sys.stdin.readline())
    facts = {'pid': os.getpid(), 'said': request, 'env': os.environ.get('WHO')}
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        print(line, end='', flush=True)
"""


def start(program, request=None, **env):
    return Worker([sys.executable, '-c', textwrap.dedent(program)], request or {}, env)


def state(pid):
    return Path(f'/proc/{pid}/stat').read_text(encoding='utf-8').rpartition(')')[2].split()[0]


def becomes_frozen(pid):
    deadline = time.monotonic() + 5
    while state(pid) != 'T' and time.monotonic() < deadline:
        time.sleep(0.01)
    return state(pid) == 'T'


def test_a_worker_stands_still_but_while_it_answers():
    with start(ECHO, {'x': 1}, WHO='me') as one, start(ECHO) as other:
        assert one.ready['said'] == {'x': 1} and one.ready['env'] == 'me'
        for _ in range(3):
            assert one.order('turn', calls=5) == {'do': 'turn', 'calls': 5}
            assert becomes_frozen(one.ready['pid']) and becomes_frozen(other.ready['pid'])
        pid = one.ready['pid']
    assert not Path(f'/proc/{pid}').exists()


def test_what_a_worker_has_to_say_to_the_user_is_said():
    with pytest.raises(UserError, match='no such thing'):
        start('print(\'{"error": "no such thing"}\')')


def test_a_worker_that_dies_is_an_error_with_its_last_words():
    with pytest.raises(WorkerError, match='ZeroDivisionError'):
        start('1 / 0')
