"""Work on many files at once, in order, without holding them all."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
import contextlib
import fcntl
import itertools
import os
import pickle
import queue
import signal
import subprocess
import sys
import time
import traceback
from typing import Any, Self, TypeVar

T = TypeVar('T')
U = TypeVar('U')


SHORT_S = 0.05  # work for which threads wait for Python's lock: 32 small images take 0.01
LONG_S = 1.0  # work in all that is worth processes: they take a third of a second to start
MOST = 16  # processes: more would wait for who writes the images, at 0.08 ms each
PIPE_BYTES = 2**20  # a process goes on when its result is in the pipe, read or not


def ordered_map(work: Callable[[T], U], items: Iterable[T], ahead: int = 4) -> Iterator[U]:
    """`map` by threads; at most `ahead` results a thread wait in memory.

    Threads, one for each core, because decoding and resizing release Python's lock. What
    `work` raises is raised at its place.
    """
    items, threads = iter(items), cores()
    with ThreadPoolExecutor(threads, 'map') as pool:
        waiting = deque(pool.submit(work, item) for item in itertools.islice(items, threads))
        try:
            while waiting:
                head = waiting.popleft()
                room = threads * ahead - len(waiting)
                waiting.extend(pool.submit(work, item) for item in itertools.islice(items, room))
                yield head.result()
        finally:
            for future in waiting:
                future.cancel()


def portable_map(work: Callable[[T], U], items: Iterable[T], count: int) -> Iterator[U]:
    """`ordered_map` of work that may leave this process, and does if that is quicker.

    What Python does for a small file takes longer than its decoding, and only processes do
    that for two files at once. They get all but two items if the second takes less than
    `SHORT_S` and the others would take `LONG_S`. Otherwise threads do as well, and start at
    once: measured on two cores, processes need 0.6 of the time for images of 64x64, 0.9 for
    256x256, and as long as threads for larger ones.

    Args:
      work: it, the items and the results can be pickled, and need nothing from `__main__`.
      items: of which no more are taken than are needed.
      count: how many there are.

    Raises:
      Died: a process was ended from outside, or by a decoder.
    """
    items = iter(items)
    results = [work(item) for item in itertools.islice(items, 1)]  # imports, and fills caches
    started = time.perf_counter()
    results += [work(item) for item in itertools.islice(items, 1)]
    seconds = time.perf_counter() - started
    yield from results
    left = seconds * (count - len(results))
    if cores() > 1 and seconds < SHORT_S and left >= LONG_S:
        with Processes(work, min(cores(), MOST)) as processes:
            yield from ordered_map(processes, items)
    else:
        yield from ordered_map(work, items)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Died(Exception):
    """A process ended that should have worked; the message says how."""


class Processes:
    """Processes that do one kind of work, for as many threads; a context manager.

    Not those of `multiprocessing`: they run the program's `__main__` once more, which a script
    without a guard does not survive, and they outlive a program that is killed. These know
    nothing of `__main__`, and end when nobody can ask them any more.
    """

    def __init__(self, work: Callable[[Any], Any], count: int):
        """Takes the work, and how many processes are to do it."""
        self._work, self._count = work, count
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        """Starts them; nothing waits until they are ready."""
        with contextlib.ExitStack() as stack:
            for _ in range(self._count):
                process = stack.enter_context(contextlib.closing(_Process(self._work)))
                self._idle.put(process)
            self._started = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._started.close()

    def __call__(self, item: Any) -> Any:
        """The result of `work`, from the first process that has nothing to do.

        Raises:
          Died: the process ended.
        """
        process = self._idle.get()
        try:
            return process(item)
        finally:
            self._idle.put(process)


# What a process runs. It finds its modules where this one does, and not in the current folder.
_START = (
    'import pickle, sys; sys.path = pickle.load(sys.stdin.buffer);'
    f' from {__name__} import serve; serve()'
)


class _Process:
    """A process that answers each pickled item with a pickled result."""

    def __init__(self, work: Callable[[Any], Any]):
        self._popen = subprocess.Popen(
            [sys.executable, '-P', '-c', _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # Ctrl-C is the business of the one who waits for the results
            env=os.environ | {'OPENBLAS_NUM_THREADS': '1', 'OMP_NUM_THREADS': '1'},
        )
        assert self._popen.stdin and self._popen.stdout  # pipes, as asked for
        self._items, self._results = self._popen.stdin, self._popen.stdout
        with contextlib.suppress(AttributeError, OSError):  # Linux only, and not without limit
            fcntl.fcntl(self._results, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._send(sys.path)
        self._send(work)

    def __call__(self, item: Any) -> Any:
        self._send(item)
        try:
            result, error = pickle.load(self._results)
        except (EOFError, pickle.UnpicklingError) as cut:
            raise self._died() from cut
        if error is not None:
            raise error
        return result

    def _send(self, item: Any) -> None:
        try:
            _write(item, self._items)
        except BrokenPipeError as error:
            raise self._died() from error

    def _died(self) -> Died:
        status = self._popen.wait()
        return Died(signal.Signals(-status).name if status < 0 else f'exit code {status}')

    def close(self) -> None:
        self._popen.kill()
        with contextlib.suppress(BrokenPipeError):  # something was left that it did not read
            self._items.close()
        self._results.close()
        self._popen.wait()


def serve() -> None:
    """The life of a `_Process`: work from stdin, then items; results to stdout."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # ends with the reader, in silence
    results = os.fdopen(os.dup(1), 'wb')
    os.dup2(2, 1)  # what a decoder prints is no result
    try:
        work = pickle.load(sys.stdin.buffer)
        while True:
            _write(_attempt(work, pickle.load(sys.stdin.buffer)), results)
    except EOFError:
        pass


def _attempt(work: Callable[[Any], Any], item: Any) -> tuple[Any, Exception | None]:
    try:
        return work(item), None
    except Exception as error:
        error.add_note(traceback.format_exc())
        return None, error


def _write(value: Any, pipe: Any) -> None:
    pickle.dump(value, pipe, pickle.HIGHEST_PROTOCOL)
    pipe.flush()
