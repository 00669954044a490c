"""Means and times between two log points."""

from collections.abc import Iterator, Mapping, Sequence
import contextlib
import functools
import itertools
import operator
import time


class Means:
    """Running means by name, each over the steps that gave it."""

    def __init__(self, sums: Mapping[str, Sequence[float]]):
        """Goes on from what `sums` returned; {} for none."""
        self._sums = {name: list(entry) for name, entry in sums.items()}

    def add(self, steps: Sequence[Mapping[str, float]]) -> None:
        """Takes in the values of some more steps."""
        for name in dict.fromkeys(itertools.chain.from_iterable(steps)):
            column = [float(values[name]) for values in steps if name in values]
            entry = self._sums.setdefault(name, [0.0, 0])
            # One after the other, so that the sum does not depend on how many come at once.
            entry[0] = functools.reduce(operator.add, column, entry[0])
            entry[1] += len(column)

    def means(self) -> dict[str, float]:
        """The mean of each name."""
        return {name: total / count for name, (total, count) in self._sums.items()}

    def sums(self) -> dict[str, list[float]]:
        """[sum, count] by name."""
        return {name: list(entry) for name, entry in self._sums.items()}


class Stopwatch:
    """Seconds that it ran; stops may nest."""

    def __init__(self, elapsed_s: float = 0.0):
        """Does not run yet."""
        self._elapsed = elapsed_s
        self._since: float | None = None

    def start(self) -> None:
        """Runs from now on; nothing happens if it already does."""
        if self._since is None:
            self._since = time.perf_counter()

    def restart(self) -> None:
        """Back to zero, running or not as before."""
        self._elapsed = 0.0
        if self._since is not None:
            self._since = time.perf_counter()

    def read(self) -> float:
        """Seconds so far."""
        running = 0.0 if self._since is None else time.perf_counter() - self._since
        return self._elapsed + running

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Does not count the time inside."""
        if self._since is None:
            yield
            return
        self._elapsed, self._since = self.read(), None
        try:
            yield
        finally:
            self.start()
