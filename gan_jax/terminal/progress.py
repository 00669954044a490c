"""How far a run is: a bar with the time left on a terminal, plain lines elsewhere."""

from collections.abc import Callable, Iterable, Iterator, Mapping
import contextlib
import sys
import threading
import time
from typing import Any, Self, TextIO, TypeVar

T = TypeVar('T')
LINE_INTERVAL_S = 10.0
WAIT_INTERVAL_S = {True: 1.0, False: LINE_INTERVAL_S}  # on a terminal, and elsewhere
ESTIMATE_S = 15.0  # of steps, after which it says once how long they all will take
WORTH_SAYING_S = 120.0  # and only if they take so long
METRICS = {'loss_g': 'loss G', 'loss_d': 'D', 'd_real': 'D(x)', 'd_fake': 'D(G(z))'}


class Progress:
    """Reports steps on stderr; a context manager.

    A bar would fill a log file with carriage returns, so anything but a terminal or a notebook
    gets at most one line per ten seconds.
    """

    def __init__(
        self,
        total: int,
        description: str = 'train',
        unit: str = 'step',
        *,
        messages_only: bool = False,
    ):
        """Starts the clock; with `messages_only` another process there shows the steps."""
        stream = sys.stderr
        self._display: _Messages | _Bar
        if messages_only:
            self._display = _Messages(stream)
        elif stream.isatty() or _is_notebook(stream):
            self._display = _Bar(stream, total, description, unit)
        else:
            self._display = _Lines(stream, total, description)
        self._total, self._unit = total, unit
        self._first: tuple[int, float] | None = None
        self._estimated = False

    def update(self, step: int, metrics: Mapping[str, Any] | None = None) -> None:
        """Shows that `step` steps are finished.

        Args:
          metrics: what to show beside it from now on, as `Recorder.record` returns it; of its
            entries `images_per_s`, the losses and D's means are shown, the rest is left out.
        """
        self._display.update(step, _describe(metrics) if metrics else None)
        if not self._estimated:
            self._estimate(step, time.monotonic())

    def _estimate(self, step: int, now: float) -> None:
        """Says how long the run will take, once there are enough steps to tell from."""
        if self._first is None or step < self._first[0]:
            self._first = step, now  # the step before it was compiled
        first, started = self._first
        if now - started < ESTIMATE_S or step == first:
            return
        self._estimated = True
        left = (now - started) / (step - first) * (self._total - step)
        if left > WORTH_SAYING_S:
            count = f'{self._total - step:,} {self._unit}s'
            self.message(f'about {clock(left)} for the {count} to come, at the speed so far')

    def message(self, line: str) -> None:
        """Prints a line of its own without breaking the bar."""
        self._display.message(line)

    def waiting(self, what: str) -> contextlib.AbstractContextManager[None]:
        """While it is entered, says what takes its time, with the seconds as they pass."""
        return waiting(what, self._display.wait, isinstance(self._display, _Bar))

    def close(self) -> None:
        """Leaves the bar as it stands."""
        self._display.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def over(items: Iterable[T], total: int, description: str) -> Iterator[T]:
    """The items, of which there are `total`, with a report of how far they are; '' reports none."""
    if not description:
        yield from items
        return
    with Progress(total, description=description, unit='chunk') as shown:
        shown.update(0)
        for number, item in enumerate(items, 1):
            yield item
            shown.update(number)


def _is_notebook(stream: TextIO) -> bool:
    """Whether a stream is shown by a notebook, where a carriage return does what it should."""
    return type(stream).__module__.startswith('ipykernel.')


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def waiting(
    what: str, show: Callable[[str], None] = _to_stderr, on_terminal: bool = False
) -> Iterator[None]:
    """While it is entered, says what takes its time, with the seconds as they pass."""
    started, ended = time.monotonic(), threading.Event()

    def tell() -> None:
        while not ended.wait(WAIT_INTERVAL_S[on_terminal]):
            show(f'{what}: {time.monotonic() - started:.0f} s')

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class _Bar:
    def __init__(self, stream: TextIO, total: int, description: str, unit: str):
        from tqdm import tqdm

        self._stream = stream
        self._waited = False
        self._fresh = True  # the time left counts from the first step seen, which was compiled
        self._bar = tqdm(
            total=total,
            desc=description,
            unit=unit,
            file=stream,
            dynamic_ncols=True,
            mininterval=0.2,
            bar_format='{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} '
            '[{elapsed}, {remaining} left{postfix}]',
        )

    def update(self, step: int, metrics: str | None) -> None:
        if metrics is not None or self._waited:
            self._bar.set_postfix_str(metrics or '', refresh=self._waited)
            self._waited = False
        if self._fresh or step < self._bar.n:
            self._fresh = False
            self._bar.initial = self._bar.last_print_n = self._bar.n = step
            self._bar.unpause()
        self._bar.update(step - self._bar.n)

    def message(self, line: str) -> None:
        self._bar.write(line, file=self._stream)

    def wait(self, line: str) -> None:
        self._waited = True
        self._bar.set_postfix_str(line)

    def close(self) -> None:
        self._bar.close()


class _Messages:
    def __init__(self, stream: TextIO):
        self._stream = stream

    def update(self, step: int, metrics: str | None) -> None:
        pass

    def message(self, line: str) -> None:
        print(line, file=self._stream, flush=True)

    def wait(self, line: str) -> None:
        pass

    def close(self) -> None:
        pass


class _Lines(_Messages):
    def __init__(self, stream: TextIO, total: int, description: str):
        self._stream = stream
        self._total, self._description = total, description
        self._metrics = ''
        self._printed = time.monotonic()
        self._first: tuple[int, float] | None = None
        self._step = 0

    def update(self, step: int, metrics: str | None) -> None:
        now = time.monotonic()
        if self._first is None or step < self._step:
            self._first = step, now
        self._step = step
        self._metrics = metrics or self._metrics
        if now - self._printed >= LINE_INTERVAL_S or step == self._total:
            self._printed = now
            self._print(now, *self._first)

    def wait(self, line: str) -> None:
        self.message(line)

    def _print(self, now: float, first: int, started: float) -> None:
        step = self._step
        left = (now - started) / max(step - first, 1) * (self._total - step)
        place = f'{self._description} {step:,}/{self._total:,} ({step / self._total:.0%})'
        self.message('  '.join(filter(None, (place, self._metrics, f'{clock(left)} left'))))


def rate(value: float) -> str:
    """A rate in whole numbers, below ten in two digits."""
    return f'{value:,.0f}' if value >= 10 else f'{value:.2g}'


def clock(seconds: float) -> str:
    """Seconds as `4:05` or `1:04:05`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02}:{rest:02}' if hours else f'{minutes}:{rest:02}'


def _describe(metrics: Mapping[str, Any]) -> str:
    parts = [
        f'{label} {metrics[name]:.3f}'
        for name, label in METRICS.items()
        if metrics.get(name) is not None
    ]
    if metrics.get('images_per_s') is not None:
        parts.insert(0, f'{rate(metrics["images_per_s"])} images/s')
    return ' '.join(parts)
