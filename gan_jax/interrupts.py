"""SIGTERM and Ctrl-C, as a request for the end of a step, or as an exception."""

from collections.abc import Iterator
import contextlib
import signal
import threading
from types import FrameType
from typing import Self

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupts:
    """While it is entered, the signals set `received` instead of ending the process.

    A second Ctrl-C ends it as it always does: what was saved before is whole.

    Outside the main thread Python allows no handlers, and nothing changes.
    """

    def __init__(self) -> None:
        self.received = ''
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._receive) for number in _SIGNALS}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

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
