"""The run that the campaign does things to, as its user sees it: processes, files, lines."""

from collections.abc import Callable, Sequence
import contextlib
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from gan_jax.records.checkpoints import Checkpoints, verified
from tests import fleets
from tests.data import photos

TICK_S = 0.02
START_S = 300  # until a resumed run has saved a step
PROMISED_S = 60  # until it has ended, whatever happened to it
HEARTBEAT_S = 30  # the default
PATIENT_S = 600  # for a run that loses no process, on a machine that may suspend it
PHOTOS = 24


class Failure(Exception):
    """The run did not keep what is promised."""


def waited(
    until: Callable[[], bool],
    seconds: float,
    processes: Sequence[subprocess.Popen[bytes]] = (),
) -> bool:
    """Whether it came true in so much time.

    Time in which this process did not run is no time, nor is that which a thread of the run's
    `processes` spent in the queue for a core: another program may have them all.
    """
    elapsed, last, queued = 0.0, time.monotonic(), _queued(processes)
    while not until():
        if elapsed > seconds and elapsed - _grown(queued, _queued(processes)) > seconds:
            return False
        time.sleep(TICK_S)
        now = time.monotonic()
        elapsed += min(now - last, 10 * TICK_S)
        last = now
    return True


def _queued(processes: Sequence[subprocess.Popen[bytes]]) -> dict[Path, float]:
    """Seconds that each thread has been ready to run and did not (sched-stats(5))."""
    seconds = {}
    for number in (number for process in processes for number in everyone(process)):
        for thread in Path(f'/proc/{number}/task').glob('*/schedstat'):
            with contextlib.suppress(OSError):  # it has ended
                seconds[thread] = int(thread.read_text().split()[1]) / 1e9
    return seconds


def _grown(before: dict[Path, float], after: dict[Path, float]) -> float:
    """The growth for the thread that waited most."""
    return max((value - before.get(thread, 0.0) for thread, value in after.items()), default=0.0)


class Ended(NamedTuple):
    """A process that ended: its exit code, and its stderr."""

    code: int
    errors: str

    @property
    def last_line(self) -> str:
        """The last line of stderr."""
        return (self.errors.strip().splitlines() or [''])[-1]


class Trial:
    """The run in `folder`, and its processes while there are some."""

    def __init__(self, folder: Path):
        """Makes the photos that it trains on, unless they are there."""
        self.folder = folder
        self.album = folder / 'photos'
        self.workdir = folder / 'disk' / 'run'
        self.processes: list[subprocess.Popen[bytes]] = []
        self._errors: list[Path] = []
        if not self.album.exists():
            photos.album(self.album, PHOTOS, (20, 16))

    @property
    def checkpoints(self) -> Path:
        """Where its steps are."""
        return self.workdir / 'checkpoints'

    def steps(self) -> list[int]:
        """The steps that are saved now."""
        return Checkpoints(self.checkpoints, keep=1).steps()

    def newest(self) -> int:
        """The last one that is saved; 0 if none is."""
        return max(self.steps(), default=0)

    def digest(self, step: int) -> str:
        """The digest of a saved step, whose files are verified."""
        return verified(self.checkpoints / str(step))['digest']

    def command(self, *flags: str) -> list[str]:
        """The user's command."""
        return [
            'train.py',
            '--config=tests/faults/config.py',
            f'--config.data.path={self.album}',
            f'--workdir={self.workdir}',
            *flags,
        ]

    def start(self, count: int, *flags: str, heartbeat_s: int = PATIENT_S) -> None:
        """Starts it in one process with two devices, or in two with one each."""
        env = os.environ | {
            'JAX_NUM_CPU_DEVICES': str(2 // count),
            'JAX_PLATFORMS': 'cpu',
            'GAN_JAX_CACHE': str(self.folder / 'cache'),
            'GAN_JAX_HEARTBEAT_S': str(heartbeat_s),
        }
        port = fleets.free_port()
        self.processes, self._errors = [], []
        for number in range(count):
            place = [
                f'--coordinator=127.0.0.1:{port}',
                '--num_processes=2',
                f'--process_id={number}',
            ]
            descriptor, name = tempfile.mkstemp(dir=self.folder, suffix='.err')
            self._errors.append(Path(name))
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, *self.command(*flags), *(place if count > 1 else [])],
                    cwd=fleets.ROOT,
                    env=env,
                    stdout=subprocess.DEVNULL,
                    stderr=descriptor,
                )
            )
            os.close(descriptor)

    def is_over(self) -> bool:
        """Whether all its processes have ended."""
        return all(process.poll() is not None for process in self.processes)

    def step_on(self, beyond: int) -> None:
        """Returns when it has saved a step beyond this one.

        Raises:
          Failure: it ended instead, or did nothing.
        """
        saved = waited(lambda: self.newest() > beyond or self.is_over(), START_S, self.processes)
        if not saved:
            self.kill()
            raise Failure(f'did not resume from step {beyond} in {START_S} s')
        if self.newest() <= beyond:
            lines = '; '.join(ended.last_line for ended in self.end())
            raise Failure(f'ended at step {beyond} by itself: {lines}')

    def end(self) -> list[Ended]:
        """Waits until all processes have ended by themselves; what each left.

        Raises:
          Failure: one did not within the promised time.
        """
        in_time = waited(self.is_over, PROMISED_S, self.processes)
        self.kill()
        ends = [
            Ended(process.returncode, file.read_text(errors='replace'))
            for process, file in zip(self.processes, self._errors, strict=True)
        ]
        for file in self._errors:
            file.unlink()
        self.processes, self._errors = [], []
        if not in_time:
            lines = '; '.join(ended.last_line for ended in ends)
            raise Failure(f'did not end within {PROMISED_S} s: {lines}')
        return ends

    def kill(self) -> None:
        """Ends what is left of its processes."""
        for process in self.processes:
            for number in everyone(process):
                send(number, signal.SIGCONT)
                send(number, signal.SIGKILL)
            process.wait()

    def clear(self) -> None:
        """Deletes the run."""
        shutil.rmtree(self.workdir, ignore_errors=True)


def everyone(process: subprocess.Popen[bytes]) -> Sequence[int]:
    """A process and the one that it supervises, if it does."""
    children = Path(f'/proc/{process.pid}/task/{process.pid}/children')
    try:
        return [process.pid, *map(int, children.read_text(encoding='utf-8').split())]
    except OSError:
        return [process.pid]


def send(number: int, what: signal.Signals) -> None:
    """Sends a signal, if there still is such a process."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, what)
