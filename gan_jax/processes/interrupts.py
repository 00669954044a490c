"""SIGTERM and Ctrl-C, as a request for the end of a step, or as an exception."""

from collections.abc import Callable, Iterator
import contextlib
import itertools
import signal
import threading
from types import FrameType
from typing import Any, Self

from jax.experimental import multihost_utils

from gan_jax.processes import cluster

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
Handler = Callable[[int, FrameType | None], Any] | int | None  # as `signal.signal` gives them


class Interrupts:
    """While it is entered, the signals set `received` instead of ending the process.

    A second Ctrl-C ends it as it always does: what was saved before is whole.

    Outside the main thread Python allows no handlers, and nothing changes. With several processes
    it is JAX that listens, for SIGTERM, and tells all of them of the one that got it.
    """

    def __init__(self) -> None:
        self.received = ''
        self._previous: dict[int, Handler] = {}
        self._asked = itertools.count()

    def __enter__(self) -> Self:
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and not cluster.is_many():
            self._previous = {number: signal.signal(number, self._receive) for number in _SIGNALS}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def should_stop(self) -> bool:
        """Whether to stop before the next call; asked once a call, by every process."""
        # The engine picks a number that no process has asked yet, and says yes to it in all.
        if cluster.is_many() and multihost_utils.reached_preemption_sync_point(next(self._asked)):
            self.received = signal.SIGTERM.name
        return bool(self.received)

    def stop(self, why: str) -> None:
        """Asks for the end of a step, as a signal does."""
        self.received = why

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.received = signal.Signals(number).name
        if number == signal.SIGINT:
            signal.signal(number, self._previous[number])


class Stop(KeyboardInterrupt):
    """A signal asked for the end; the message is its name."""


@contextlib.contextmanager
def stopping() -> Iterator[None]:
    """While it is entered, the signals raise `Stop` in the main thread, wherever it is.

    For work that writes whole files only, so that it can end anywhere.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        raise Stop(signal.Signals(number).name)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
