"""Injuries of a run. Each is a function of the trial and of random numbers.

It is called once the run has saved a step, with its processes running, and returns what they left
once they have ended. Whatever it broke of the machine, not of the run, it mends.
"""

from collections.abc import Callable
import os
from pathlib import Path
import random
import shutil
import signal
import time
from typing import NamedTuple

from tests.faults import trial as trials
from tests.faults.trial import Ended, Failure, Trial

Inflict = Callable[[Trial, random.Random], list[Ended]]


class Injury(NamedTuple):
    """One kind of fault.

    Attributes:
      inflict: see above.
      processes: that the run has when it happens.
      saves: whether the run must have saved the step at which it ended, and say so.
      breaks_steps: whether a saved step is damaged, so that an older one may be the newest.
      flags: on top of the run's command.
      heartbeat_s: after which a silent process is given up; while a step is being saved, a killed
        one is silent, since the others wait for it and not for what it sends.
      needs_disk: whether the run must be on a disk of its own.
    """

    inflict: Inflict
    processes: int = 1
    saves: bool = False
    breaks_steps: bool = False
    flags: tuple[str, ...] = ()
    heartbeat_s: int = trials.HEARTBEAT_S
    needs_disk: bool = False


def _later(rng: random.Random) -> None:
    time.sleep(rng.random() * 1.5)


def kill(trial: Trial, rng: random.Random) -> list[Ended]:
    """kill -9, at any moment."""
    _later(rng)
    trials.send(trial.processes[0].pid, signal.SIGKILL)
    return trial.end()


def kill_one(trial: Trial, rng: random.Random) -> list[Ended]:
    """kill -9 of one of two processes, the first or the other, or of what it supervises."""
    _later(rng)
    trials.send(rng.choice(trials.everyone(rng.choice(trial.processes))), signal.SIGKILL)
    return trial.end()


def kill_writer(trial: Trial, rng: random.Random) -> list[Ended]:
    """kill -9 while a step is being written."""
    _later(rng)
    trials.waited(lambda: any(trial.checkpoints.glob('*.tmp')), trials.START_S)
    time.sleep(rng.random() * 0.05)
    trials.send(rng.choice(trials.everyone(rng.choice(trial.processes))), signal.SIGKILL)
    return trial.end()


def fill_disk(trial: Trial, rng: random.Random) -> list[Ended]:
    """Nearly no space left, from one moment to the next."""
    _later(rng)
    filler = trial.workdir.parent / 'filler'
    try:
        _fill(filler, rng.randrange(100_000))
        return trial.end()
    finally:
        filler.unlink(missing_ok=True)


def _fill(filler: Path, rest: int) -> None:
    """Makes a file that leaves about `rest` bytes of its disk."""
    with filler.open('wb') as file:
        while True:
            disk = os.statvfs(filler)
            try:
                os.posix_fallocate(file.fileno(), 0, max(disk.f_bavail * disk.f_frsize - rest, 1))
                return
            except OSError:  # the run was faster
                rest += 100_000


def damage(trial: Trial, rng: random.Random) -> list[Ended]:
    """A byte of a file of the newest step is flipped, or the file is cut."""
    ends = stop(trial, rng)
    files = [
        path for path in (trial.checkpoints / str(trial.newest())).rglob('*') if path.is_file()
    ]
    file = rng.choice(sorted(file for file in files if file.stat().st_size))
    content = bytearray(file.read_bytes())
    place = rng.randrange(len(content))
    if rng.random() < 0.5:
        content[place] ^= 1 << rng.randrange(8)
    else:
        del content[place:]
    file.write_bytes(content)
    return ends


def hide_data(trial: Trial, rng: random.Random) -> list[Ended]:
    """The folder of the photos is gone, and what was prepared of it, while they are streamed.

    Whether the run goes on with the files that it has opened or ends, it cannot be started again
    until they are back, and says so.
    """
    hidden = [path for path in (trial.album, trial.folder / 'cache') if path.exists()]
    _later(rng)
    try:
        for path in hidden:
            path.rename(_aside(path))
        time.sleep(rng.random())
        for process in trial.processes:
            trials.send(process.pid, signal.SIGTERM)
        ends = trial.end()
        trial.start(1)
        (refused,) = trial.end()
        if refused.code != 2 or 'config.data.path' not in refused.last_line:
            raise Failure(f'started without its data: {refused.last_line}')
        return ends
    finally:
        for path in hidden:
            shutil.rmtree(path, ignore_errors=True)  # what was made in its absence
            _aside(path).rename(path)


def _aside(path: Path) -> Path:
    return path.with_name(f'{path.name} hidden')


def stop(trial: Trial, rng: random.Random) -> list[Ended]:
    """SIGTERM to each process, one after the other."""
    _later(rng)
    for process in trial.processes:
        trials.send(process.pid, signal.SIGTERM)
    return trial.end()


def stop_twice(trial: Trial, rng: random.Random) -> list[Ended]:
    """SIGTERM, and again before it has left."""
    _later(rng)
    process = rng.choice(trial.processes)
    trials.send(process.pid, signal.SIGTERM)
    time.sleep(rng.random() * 0.5)
    trials.send(process.pid, signal.SIGTERM)
    return trial.end()


def freeze_one(trial: Trial, rng: random.Random) -> list[Ended]:
    """SIGSTOP of one of two processes: the other leaves, and the frozen one when it thaws."""
    _later(rng)
    frozen = rng.choice(trial.processes)
    other = next(process for process in trial.processes if process is not frozen)
    for number in trials.everyone(frozen):
        trials.send(number, signal.SIGSTOP)
    left = trials.waited(lambda: other.poll() is not None, trials.PROMISED_S, [other])
    for number in trials.everyone(frozen):
        trials.send(number, signal.SIGCONT)
    ends = trial.end()
    if not left:
        raise Failure(f'waited more than {trials.PROMISED_S} s for a frozen process')
    return ends


def pause_one(trial: Trial, rng: random.Random) -> list[Ended]:
    """SIGSTOP of one of two processes for some seconds: the other waits for it."""
    _later(rng)
    frozen = rng.choice(trial.processes)
    for number in trials.everyone(frozen):
        trials.send(number, signal.SIGSTOP)
    time.sleep(rng.random() * 5)
    for number in trials.everyone(frozen):
        trials.send(number, signal.SIGCONT)
    return stop(trial, rng)


INJURIES: dict[str, Injury] = {
    'kill': Injury(kill),
    'kill_one': Injury(kill_one, processes=2),
    'kill_writer': Injury(kill_writer),
    'kill_writer_of_two': Injury(kill_writer, processes=2),
    'fill_disk': Injury(fill_disk, needs_disk=True),
    'fill_disk_of_two': Injury(fill_disk, processes=2, needs_disk=True),
    'damage': Injury(damage, saves=True, breaks_steps=True),
    'hide_data': Injury(hide_data, flags=('--config.data.feed=stream',)),
    'stop_twice': Injury(stop_twice, saves=True),
    'stop_twice_of_two': Injury(stop_twice, processes=2, saves=True, heartbeat_s=trials.PATIENT_S),
    'pause_one': Injury(pause_one, processes=2, saves=True, heartbeat_s=trials.PATIENT_S),
    'freeze_one': Injury(freeze_one, processes=2),
}
