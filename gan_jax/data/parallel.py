"""Work on many files at once, in order, without holding them all."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
import itertools
import os
from typing import TypeVar

T = TypeVar('T')
U = TypeVar('U')


def ordered_map(
    work: Callable[[T], U], items: Iterable[T], ahead: int = 4, threads: int = 0
) -> Generator[U, None, None]:
    """`map` by threads; at most `ahead` results a thread wait in memory.

    Threads, 0 for one for each core, because decoding and resizing release Python's lock. What
    `work` raises is raised at its place.
    """
    items, threads = iter(items), threads or cores()
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


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
