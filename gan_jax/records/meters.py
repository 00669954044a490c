"""Means and times between two log points."""

from collections.abc import Iterator, Mapping, Sequence
import contextlib
import time


class Means:
    """Running means by name, each over the steps that gave it."""

    def __init__(self, sums: Mapping[str, Sequence[float]]):
        """Goes on from what `sums` returned; {} for none."""
        self._sums = {name: list(entry) for name, entry in sums.items()}

    def add(self, values: Mapping[str, float]) -> None:
        """Takes in the values of one more step."""
        for name, value in values.items():
            entry = self._sums.setdefault(name, [0.0, 0])
            entry[0] += value
            entry[1] += 1

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
