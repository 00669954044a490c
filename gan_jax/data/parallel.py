"""Work on many files at once, in order, without holding them all."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
import itertools
import os
from typing import TypeVar

T = TypeVar('T')
U = TypeVar('U')


def ordered_map(work: Callable[[T], U], items: Iterable[T], ahead: int = 4) -> Iterator[U]:
    """`map` by a thread for each core; at most `ahead` results a thread wait in memory.

    Threads, because decoding and resizing release Python's lock. What `work` raises is raised
    at its place in the order.
    """
    items = iter(items)
    threads = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    with ThreadPoolExecutor(threads, 'map') as pool:
        waiting = deque(pool.submit(work, item) for item in itertools.islice(items, threads))
        try:
            while waiting:
                first = waiting.popleft()
                room = threads * ahead - len(waiting)
                waiting.extend(pool.submit(work, item) for item in itertools.islice(items, room))
                yield first.result()
        finally:
            for future in waiting:
                future.cancel()
