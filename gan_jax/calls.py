"""Cuts the steps of a run into calls of the compiled program.

A call costs the host about a millisecond, as much as a step takes on a fast accelerator. So there
a call makes many steps: up to 100, as many as take a second, and never beyond a step after which
there is something to do. On a CPU it makes one, or as many as the config says.
"""

from collections.abc import Callable, Generator
import contextlib
import time
from typing import Any, NamedTuple

import jax

from gan_jax import runners
from gan_jax.data import feeds
from gan_jax.processes import cluster
from gan_jax.states import GanState, Rows

CALL_S = 1.0  # what a call may take, so that a signal is soon answered


class Part(NamedTuple):
    """The arguments of a call."""

    items: Any  # of its steps, and perhaps of others
    span: Any  # which of them are its own
    steps: int  # how many it makes
    wait_s: float  # seconds that were waited for the items


class Calls:
    """The calls of a run."""

    def __init__(
        self,
        feed: feeds.Feed,
        runner: runners.Runner,
        steps_per_call: int,
        is_due: Callable[[int], bool],
    ):
        """Starts nothing yet.

        Args:
          steps_per_call: how many steps each makes; 0: as the module says.
          is_due: (step) -> whether there is something to do after it. Only where calls may be of
            any length does one end there.
        """
        self._feed = feed
        self._runner = runner
        self._loops = runners.loops(runner.platform)
        self._size = steps_per_call or (0 if self._loops else 1)
        self._most = self._size  # steps in a call; 0 before one has been timed
        self._is_due = is_due

    def parts(self, step: int) -> Generator[Part, None, None]:
        """Yields what each call from `step` on takes, without end."""
        placed = feeds.placed(self._feed, step, self._size, self._runner.place)
        with contextlib.closing(placed):
            while True:
                asked = time.perf_counter()
                items = next(placed)
                wait_s, first = time.perf_counter() - asked, 0
                size = len(jax.tree.leaves(items)[0])
                while first < size:
                    count = self._count(step, size - first)
                    yield Part(items, self._runner.span(first, count), count, wait_s)
                    step, first, wait_s = step + count, first + count, 0.0

    def _count(self, step: int, left: int) -> int:
        if not self._loops:
            return left
        most = min(left, self._most or 1)
        return next((k for k in range(1, most) if self._is_due(step + k)), most)

    def make(
        self, program: Callable[..., tuple[GanState, Rows]], state: GanState, data: Any, part: Part
    ) -> tuple[GanState, Rows]:
        """Makes a call of a program that has run before; the first of all is timed."""
        if self._most:
            return program(state, data, part.items, part.span)
        asked = time.perf_counter()
        result = jax.block_until_ready(program(state, data, part.items, part.span))
        seconds = time.perf_counter() - asked
        # Of several processes all make calls of the same length.
        self._most = cluster.decide(lambda: max(1, int(min(CALL_S / seconds, feeds.MOST_STEPS))))
        return result
