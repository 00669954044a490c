"""Several processes are one run, and learn of each other what they must."""

import json
import os
from pathlib import Path
import random
import re
import signal
import socket
import subprocess
import sys
import time

import jax
import pytest

from gan_jax import cli, runners
from gan_jax.cli import flags
from gan_jax.errors import UserError
from gan_jax.processes import cluster
from gan_jax.records import checkpoints
from gan_jax.use import trained
from tests import cluster_worker, fleets, trainer_test

pytestmark = pytest.mark.slow  # two processes that each compile


@pytest.fixture(scope='module')
def fleet(tmp_path_factory):
    """A folder with the runs of two processes, and what each of them found."""
    folder = tmp_path_factory.mktemp('fleet')
    for name in ('alone0', 'alone1'):
        (folder / name).mkdir()
    ends = fleets.finish(fleets.start(['-m', 'tests.cluster_worker', str(folder)], devices=2))
    assert [code for code, _, _ in ends] == [0, 0], '\n\n'.join(errors for _, _, errors in ends)
    return folder, [json.loads(output.splitlines()[-1]) for _, output, _ in ends]


@pytest.fixture(scope='module')
def alone(tmp_path_factory):
    """The same run in one process with two devices."""
    workdir = tmp_path_factory.mktemp('alone') / 'run'
    trainer_test.train(cluster_worker.tiny(devices=2), workdir)
    return workdir


@pytest.mark.newest
def test_two_processes_with_a_device_each_are_one_with_two_devices(fleet, alone):
    """Each reads its own share of the images, where the one reads all."""
    folder, _ = fleet
    assert trainer_test.digest(folder / 'narrow') == trainer_test.digest(alone)


def test_the_records_are_those_of_one_process(fleet, alone):
    folder, _ = fleet
    assert trainer_test.lines(folder / 'narrow') == trainer_test.lines(alone)
    for grid in (alone / 'samples').iterdir():
        assert (folder / 'narrow' / 'samples' / grid.name).read_bytes() == grid.read_bytes()
    assert not list(folder.rglob('.shared'))


@pytest.mark.newest
@pytest.mark.parametrize(('runner', 'devices'), [('pmap', 1), ('shard_map', 2), ('vmap', 8)])
def test_a_checkpoint_of_two_processes_is_the_same_in_one(runner, devices, fleet):
    """Written by four devices in two processes."""
    folder, _ = fleet
    run = trained.load(folder / 'wide')
    like = runners.make(runner, devices).abstract(jax.eval_shape(run.task.init))
    saved = checkpoints.Checkpoints(folder / 'wide' / 'checkpoints', keep=1)
    state, _ = saved.restore(2, like)
    meta = json.loads((folder / 'wide' / 'checkpoints' / '2' / 'meta.json').read_text())
    assert checkpoints.digest(state) == checkpoints.digest(run.state) == meta['digest']


def test_it_goes_on_in_one_process(fleet, tmp_path):
    folder, _ = fleet
    os.rename(folder / 'wide', tmp_path / 'run')
    trainer_test.train(cluster_worker.tiny(steps=3, devices=8, runner='vmap'), tmp_path / 'run')
    assert int(trained.load(tmp_path / 'run').state.step) == 3


REFUSED = {
    'refused by the first': 'only process 0 can know',
    'other config': 'config.batch_size is 8 in process 0 and 16 in process 1',
    'other field of a net': 'config.gen.net.hidden is [16] in process 0 and [17] in process 1',
    'indivisible': 'config.batch_size=9 does not divide among 2 devices: use 8',
    'pmap': 'config.runner=pmap is for one process',
    'too many devices': 'config.devices=3: there are 2',
    'apart': 'process 1 does not see what process 0 writes',
}


@pytest.mark.parametrize('case', REFUSED)
def test_is_refused_in_both(case, fleet):
    folder, found = fleet
    for answers in found:
        assert REFUSED[case] in answers[case]
    assert not (folder / 'no').exists() or not list((folder / 'no').iterdir())


def test_the_first_process_decides_for_all(fleet):
    _, found = fleet
    assert [answers['decided'] for answers in found] == [['by', 0]] * 2


def test_a_coordinator_that_does_not_answer_is_named_in_a_second():
    started = time.monotonic()
    with pytest.raises(UserError, match='nothing answers there after 1 s .* start process 0'):
        cluster.join(f'127.0.0.1:{fleets.free_port()}', 2, 1, wait_s=1)
    assert time.monotonic() - started < 10


def test_a_taken_port_is_named():
    with socket.socket() as taken:
        taken.bind(('', 0))
        taken.listen()
        address = f'127.0.0.1:{taken.getsockname()[1]}'
        with pytest.raises(UserError, match='cannot listen there .*choose another port'):
            cluster.join(address, 2, 0, wait_s=1)


@pytest.mark.parametrize(
    'address', ['here', 'here:', ':1', 'here:0', 'here:70000', 'here:x', '10.0..1:2']
)
def test_an_address_is_a_host_and_a_port(address):
    with pytest.raises(UserError, match='must be HOST:PORT'):
        cluster.join(address, 2, 1, wait_s=1)


@pytest.mark.parametrize('seconds', ['30s', '0', '-5', ''])
def test_a_heartbeat_is_a_number_of_seconds(seconds, monkeypatch):
    monkeypatch.setenv('GAN_JAX_HEARTBEAT_S', seconds)
    with pytest.raises(UserError, match=f'GAN_JAX_HEARTBEAT_S={seconds}: must be'):
        cluster.join('127.0.0.1:1', 2, 1, wait_s=1)


@pytest.mark.parametrize(
    'flag', ['--join_timeout=99999999999', '--num_processes=0', '--num_processes=99999999999']
)
def test_a_number_that_jax_cannot_take_is_refused_by_its_flag(flag):
    with pytest.raises(UserError, match=f'^flag {flag}: '):
        flags.parse(cli.module('train'), 'train', ['--coordinator=here:1', flag])


def test_nothing_to_find_is_one_line_from_the_supervisor():
    command = [sys.executable, 'train.py', '--distributed']
    ended = subprocess.run(command, cwd=fleets.ROOT, capture_output=True, text=True)
    assert ended.returncode == 2
    assert re.fullmatch(
        'error: --distributed: .* no Slurm, .* give --coordinator.*\n', ended.stderr
    )


def everyone(process):
    """A process and the one that it supervises."""
    children = Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text(encoding='utf-8')
    return [process.pid, *map(int, children.split())]


@pytest.fixture
def resume(tmp_path):
    """Starts the two processes of one run, and returns them when it has saved a step more."""

    def started(**env):
        flags = ['--config.devices=0', '--config.steps=100000', '--config.save_every=4']
        command = ['train.py', '--config=tests/tiny_config.py', f'--workdir={tmp_path}', *flags]
        before = trainer_test.newest(tmp_path)
        processes = fleets.start(command, **env)
        while trainer_test.newest(tmp_path) == before and processes[0].poll() is None:
            time.sleep(0.02)
        return processes

    return started


def last_lines(processes):
    """The exit code and the last line of each, once all have ended."""
    return [(code, errors.splitlines()[-1]) for code, _, errors in fleets.finish(processes)]


def test_a_run_that_lost_a_process_ends_goes_on_and_stops_with_what_it_would_have_been(
    resume, tmp_path
):
    """kill -9 of any process or of what it supervises; then SIGTERM, and again."""
    processes = resume(GAN_JAX_HEARTBEAT_S='30')
    reached = trainer_test.newest(tmp_path)
    os.kill(random.choice(everyone(random.choice(processes))), signal.SIGKILL)
    ends = last_lines(processes)
    assert all(code in (-9, 137) or (code and line.startswith('error: ')) for code, line in ends)
    assert any(line.startswith('error: ') for _, line in ends)
    assert trainer_test.newest(tmp_path) >= reached > 0
    processes = resume()
    for _ in range(2):
        processes[random.randrange(2)].send_signal(signal.SIGTERM)
        time.sleep(random.random() * 0.5)
    ends = last_lines(processes)
    step = trainer_test.newest(tmp_path)
    saved = f'SIGTERM: saved step {step}; go on with: '
    assert [(code, line[: len(saved)]) for code, line in ends] == [(0, saved)] * 2
    whole = tmp_path / 'whole'
    trainer_test.train(trainer_test.eventful(steps=step, devices=2, save_every=step), whole)
    assert trainer_test.digest(tmp_path) == trainer_test.digest(whole)
