"""Work by threads and by processes: in order, and nothing outlives who asked for it."""

import itertools
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

from gan_jax import data
from gan_jax.data import from_files, parallel
from gan_jax.errors import UserError
from tests.data.photos import album

PID = '__import__("os").getpid()'
KILL = f'__import__("os").kill({PID}, 9)'


@pytest.fixture
def eager(monkeypatch):
    """Processes from the third item on, two of them, however little there is to do."""
    monkeypatch.setattr(parallel, 'cores', lambda: 2)
    monkeypatch.setattr(parallel, 'SHORT_S', float('inf'))
    monkeypatch.setattr(parallel, 'LONG_S', 0)


def evaluated(*items):
    """`eval`, as work that any process knows."""
    return list(parallel.portable_map(eval, items, len(items)))


def gone(pids, seconds=20):
    """Whether all processes have ended, at last."""
    end = time.monotonic() + seconds
    while any(Path(f'/proc/{pid}').exists() for pid in pids) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(Path(f'/proc/{pid}').exists() for pid in pids)


def test_threads_keep_the_order_and_take_no_more_than_they_need(monkeypatch):
    monkeypatch.setattr(parallel, 'cores', lambda: 3)
    taken = itertools.count()
    results = parallel.ordered_map(lambda number: -number, (next(taken) for _ in range(100)))
    assert [next(results) for _ in range(10)] == [-number for number in range(10)]
    assert next(taken) <= 10 + 3 * 4
    results.close()


@pytest.mark.newest
def test_processes_keep_the_order_and_import_no_jax(eager):
    heavy = "{'jax', 'flax', 'tensorflow_datasets'}"
    items = [f'{n}, {PID}, {heavy} & set(__import__("sys").modules)' for n in range(40)]
    numbers, pids, modules = zip(*evaluated(*items), strict=True)
    assert numbers == tuple(range(40))
    assert pids[:2] == (os.getpid(),) * 2 and os.getpid() not in pids[2:]
    assert 1 <= len(set(pids[2:])) <= 2 and not set().union(*modules[2:])


def test_what_work_raises_is_raised_at_its_place_and_what_it_prints_is_no_result(eager):
    bad = '__import__("gan_jax.errors").errors.UserError'
    items = ['1', '2', 'print("aside") or 3', f'(_ for _ in ()).throw({bad}("one line"))', '5']
    results = parallel.portable_map(eval, items, 5)
    assert list(itertools.islice(results, 3)) == [1, 2, 3]
    with pytest.raises(UserError) as caught:
        next(results)
    assert str(caught.value) == 'one line' and 'Traceback' in caught.value.__notes__[0]


@pytest.mark.parametrize('reason', ['little', 'long', 'one core'])
def test_no_process_is_started_that_would_not_pay(eager, monkeypatch, reason):
    name, value = {
        'little': ('LONG_S', 1.0), 'long': ('SHORT_S', 0.0), 'one core': ('cores', lambda: 1),
    }[reason]  # fmt: skip
    monkeypatch.setattr(parallel, name, value)
    assert evaluated(*[PID] * 5) == [os.getpid()] * 5


def test_closing_the_results_ends_the_processes(eager):
    results = parallel.portable_map(eval, [PID] * 100, 100)
    pids = set(itertools.islice(results, 2, 20))
    assert os.getpid() not in pids
    # Ctrl-C in a terminal goes to the program's own group, which then ends them.
    assert os.getpgrp() not in set(map(os.getpgid, pids))
    results.close()
    assert gone(pids, seconds=0)


def test_a_process_that_ends_is_an_error_and_not_a_hang(eager):
    with pytest.raises(parallel.Died, match='^SIGKILL$'):
        evaluated('1', '2', '3', KILL, '5')


PROGRAM = """
import itertools, time
from gan_jax import config, data
from gan_jax.data import parallel
parallel.cores, parallel.LONG_S, parallel.SHORT_S = lambda: 2, 0, 9
print('started', flush=True)
made = config.default().data
made.name, made.image_size, made.path = 'folder', 16, {path!r}
print(data.load(made).fingerprint)
results = parallel.portable_map(eval, [{pid!r}] * 40, 40)
print(*set(itertools.islice(results, 2, 39)), flush=True)
time.sleep(600)
"""


def test_a_script_without_a_guard_works_and_a_kill_of_it_leaves_no_process(
    make_config, own_cache, tmp_path
):
    folder = album(tmp_path / 'set', 150)
    script = tmp_path / 'script.py'
    script.write_text(PROGRAM.format(path=str(folder), pid=PID))
    environment = os.environ | {'PYTHONPATH': str(Path(data.__file__).parents[2])}
    environment['GAN_JAX_CACHE'] = str(tmp_path / 'its cache')
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as run:
        started, fingerprint, pids = (run.stdout.readline().split() for _ in range(3))
        assert started == ['started'] and pids
        assert all(Path(f'/proc/{pid}').exists() for pid in pids)
        os.kill(run.pid, signal.SIGKILL)
    assert gone(pids)
    own = make_config(name='folder', image_size=16, path=str(folder)).data
    assert fingerprint == [data.load(own).fingerprint]


def test_the_file_that_ends_a_process_is_named(eager, make_config, own_cache):
    count = 3 * from_files.CHUNK
    black = "(__import__('numpy').zeros((16, 16, 3), 'uint8'), 0)"
    with pytest.raises(UserError, match='^064.jpg to 095.jpg: the process .*SIGKILL') as caught:
        from_files.load(
            make_config(name='folder', image_size=16).data,
            state=(),
            names=[f'{number:03}.jpg' for number in range(count)],
            class_names=(),
            item=lambda index: black if index < 80 else KILL,
            make=eval,
        )
    assert '\n' not in str(caught.value)
    assert not list(own_cache.glob('*/*/incomplete.*'))
