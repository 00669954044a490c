"""SIGTERM and Ctrl-C as a request that the training loop honours at the end of a step."""

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
