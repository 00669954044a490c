"""Records of a run while it trains: metrics, evaluations, sample grids, TensorBoard."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import contextlib
import csv
import io
import json
import math
from pathlib import Path
import re
from types import MappingProxyType
from typing import Any, TypedDict

import numpy as np

from gan_jax.evaluation import text
from gan_jax.io import files, images, schema
from gan_jax.io.schema import Count, Number, Value
from gan_jax.records.meters import Means, Stopwatch
from gan_jax.records.tensorboard import EventLog

METRICS, EVALUATIONS = 'metrics.jsonl', 'evaluations.jsonl'
CORE_METRICS = ('loss_g', 'loss_d', 'd_real', 'd_fake')
_STEP = re.compile('[0-9]{1,12}')
GRID_PAD = 2  # pixels between the images of a grid
EPOCHS = 'epochs.csv'  # means of whole epochs, in the run's folder
EPOCH_STEP_COLUMN = 1  # of it


class State(TypedDict):
    """A recorder's state in a checkpoint: sums and counts since the last log point and epoch."""

    window: Mapping[str, tuple[Number, Count]]
    epoch: Mapping[str, tuple[Number, Count]]
    timed_steps: Count
    elapsed_s: Number


_Cells = Mapping[str, bool | Value | None]  # of a line
_STATED = {METRICS: ('step', 'epoch', 'images_seen')}  # in every line; of others the step alone

NOTHING_RECORDED: State = {'window': {}, 'epoch': {}, 'timed_steps': 0, 'elapsed_s': 0.0}


class Recorder:
    """Records one run in its workdir, so that a resumed run leaves what an uninterrupted one does.

    Times aside: `images_per_s` and `input_wait_s` are of the machine, not of the run.
    """

    def __init__(
        self,
        workdir: Path,
        *,
        num_examples: int,
        images_per_step: int,
        log_every: int,
        tensorboard: bool,
    ):
        """Writes nothing yet; `log_every` is the number of steps between lines of metrics.jsonl."""
        self._workdir = Path(workdir)
        self._num_examples = num_examples
        self._images_per_step = images_per_step
        self._log_every = log_every
        self._tensorboard = tensorboard
        self._events: EventLog | None = None
        self._purge_step: int | None = None
        self._said: Mapping[str, Any] = {}  # by what metrics are measured, as TensorBoard knows it
        self.load_state_dict(NOTHING_RECORDED)

    def record(
        self, step: int, metrics: Sequence[Mapping[str, float]], *, input_wait_s: float
    ) -> dict[str, float | int | None] | None:
        """Takes in a finished call: the scalars of each of its steps, which are those after `step`.

        Returns:
          The last line it wrote to metrics.jsonl, None if there was no log point in it.

        Raises:
          OSError: the disk is full.
        """
        self._count_time(len(metrics))
        rate = self._rate()
        row, first = None, step
        for number in range(step + 1, step + len(metrics) + 1):
            ends_epoch = self._epochs(number) > self._epochs(number - 1)
            is_logged = number % self._log_every == 0
            if not (ends_epoch or is_logged or number == step + len(metrics)):
                continue
            part = metrics[first - step : number - step]
            self._window.add(part)
            self._window.add([{'input_wait_s': input_wait_s / len(metrics)}] * len(part))
            self._epoch.add(part)
            first = number
            if ends_epoch:
                self._end_epoch(number)
            if is_logged:
                row = self._log(number, rate)
        if row:
            self._timed_steps = 0
            self._clock.restart()
        return row

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Keeps what is not training (compiling, sampling, saving) out of `images_per_s`."""
        with self._clock.stopped():
            yield

    def samples(self, step: int, batch: np.ndarray) -> None:
        """Writes samples/STEP.png, a grid as square as it gets, of uint8 [N, H, W, C], C 1 or 3.

        Raises:
          OSError: the disk is full.
        """
        path = self._workdir / 'samples' / f'{step:06d}.png'
        path.parent.mkdir(exist_ok=True)
        grid = images.tile(np.asarray(batch), math.ceil(math.sqrt(len(batch))), GRID_PAD)
        images.write_png(path, grid)
        if self._tensorboard:
            self._event_log().image(step, 'samples', path.read_bytes(), grid.shape)

    def evaluated(
        self, step: int, metrics: Mapping[str, float], by: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        """Adds a line to evaluations.jsonl, and says to TensorBoard by what (`text.Provenance`).

        Raises:
          OSError: the disk is full.
        """
        self._append_row(EVALUATIONS, step, metrics, metrics, {'by': dict(by)} if by else {})
        if by and by != self._said and self._tensorboard:
            self._event_log().text(step, 'figures', text.sentence(by))
            self._said = by

    def state_dict(self) -> dict[str, Any]:
        """The sums since the last log point and epoch, for JSON; flushes the event file.

        To be saved with the checkpoint of the last recorded step.
        """
        if self._events is not None:
            self._events.flush()
        return {
            'window': self._window.sums(),
            'epoch': self._epoch.sums(),
            'timed_steps': self._timed_steps,
            'elapsed_s': self._clock.read(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state_dict` gave."""
        self._window = Means(state['window'])
        self._epoch = Means(state['epoch'])
        self._timed_steps = state['timed_steps']
        self._clock = Stopwatch(state['elapsed_s'])
        self._first = True

    def rewind(self, step: int) -> None:
        """Drops all that the workdir says of steps after `step`, before they are made again.

        The sums are those of `load_state_dict`; at step 0 there are none. A last line
        that a kill cut short goes too. TensorBoard starts a new file and forgets the later points
        of the older ones.
        """
        self.close()
        for name in (METRICS, EVALUATIONS):
            if (path := self._workdir / name).exists():
                rows = [row for row in read_rows(self._workdir, name) if row['step'] <= step]
                files.replace(path, ''.join(json.dumps(row) + '\n' for row in rows))
        _rewind_epochs(self._workdir / EPOCHS, step)
        for path in sample_paths(self._workdir):
            if int(path.stem) > step:
                path.unlink()
        if (self._workdir / 'tensorboard').exists():
            self._purge_step = step + 1
        if step == 0:
            self.load_state_dict(NOTHING_RECORDED)

    def close(self) -> None:
        """Closes the event file. The other files are whole after every call."""
        if self._events is not None:
            self._events.close()
            self._events, self._said = None, {}

    def _epochs(self, step: int) -> int:
        return step * self._images_per_step // self._num_examples

    def _log(self, step: int, rate: float) -> dict[str, float | int | None]:
        means = self._window.means()
        values = {
            'images_seen': step * self._images_per_step,
            **{name: means.pop(name) for name in CORE_METRICS if name in means},
            'images_per_s': rate,
            'input_wait_s': round(means.pop('input_wait_s'), 6),
            **{name: means[name] for name in sorted(means)},
        }
        row = self._append_row(METRICS, step, values, ('epoch', *values))
        self._window = Means({})
        return row

    def _append_row(
        self,
        file: str,
        step: int,
        values: Mapping[str, float],
        curves: Iterable[str],
        more: Mapping[str, Any] = MappingProxyType({}),
    ) -> dict[str, float | int | None]:
        """Writes a line, and to TensorBoard those of its values that are curves."""
        epoch = round(step * self._images_per_step / self._num_examples, 4)
        line = {'step': step, 'epoch': epoch, **values}
        # JSON has no NaN: a reader other than Python's would refuse the line.
        row = {name: value if math.isfinite(value) else None for name, value in line.items()}
        _append(self._workdir / file, json.dumps({**row, **more}) + '\n')
        if self._tensorboard:
            known = {name: line[name] for name in curves if row[name] is not None}
            self._event_log().scalars(step, known)
        return row

    def _count_time(self, steps: int) -> None:
        """The clock starts after a process's first call, whose own time is of compilation."""
        if self._first:
            self._first = False
            self._clock.start()
        else:
            self._timed_steps += steps

    def _rate(self) -> float:
        if not self._timed_steps:
            return math.nan
        return round(self._timed_steps * self._images_per_step / max(self._clock.read(), 1e-9), 2)

    def _end_epoch(self, step: int) -> None:
        path = self._workdir / EPOCHS
        means = self._epoch.means()
        names = [name for name in CORE_METRICS if name in means]
        names += sorted(means.keys() - set(CORE_METRICS))
        row = {'epoch': self._epochs(step), 'step': step, **{name: means[name] for name in names}}
        header = _csv_header(path)
        lines = io.StringIO()
        table = csv.DictWriter(
            lines, header or list(row), extrasaction='ignore', lineterminator='\n'
        )
        if not header:
            table.writeheader()
        table.writerow(row)
        _append(path, lines.getvalue())
        self._epoch = Means({})

    def _event_log(self) -> EventLog:
        if self._events is None:
            self._events = EventLog(self._workdir / 'tensorboard', self._purge_step)
        return self._events


def sample_paths(workdir: Path) -> list[Path]:
    """The sample grids of a run, oldest first."""
    paths = (path for path in (workdir / 'samples').glob('*.png') if _STEP.fullmatch(path.stem))
    return sorted(paths, key=lambda path: int(path.stem))


def read_rows(workdir: Path, file: str = METRICS) -> list[dict[str, Any]]:
    """The lines of a run's METRICS or EVALUATIONS that are whole; None: NaN or infinite."""
    return read_lines(workdir, file)[0]


def read_lines(workdir: Path, file: str) -> tuple[list[dict[str, Any]], list[str]]:
    """`read_rows`, and why each of the other lines is none of them.

    Raises:
      UserError: the file cannot be read.
    """
    path = workdir / file
    rows, others = [], []
    lines = schema.read(path).split(b'\n') if path.exists() else []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(_row(line, file))
        except (ValueError, RecursionError, schema.Wrong) as error:
            if number < len(lines):  # else a kill has cut it short, or it is being written
                others.append(f'{file} line {number}: {str(error)[:200]}')
    return rows, others


def _row(line: bytes, file: str) -> dict[str, Any]:
    found = schema.of(schema.Object, json.loads(line))
    by = {'by': schema.of(text.Provenance, found.pop('by'), 'by')} if 'by' in found else {}
    row = schema.of(_Cells, found)
    for name in _STATED.get(file, ('step', 'epoch') if 'auc' in row else ('step',)):
        schema.of(Count if name == 'step' else Number, row.get(name), name)
    return row | by


def _rewind_epochs(path: Path, step: int) -> None:
    if not path.exists():
        return
    lines = schema.read(path).decode('utf-8', 'replace').splitlines(keepends=True)
    # A line without its end may have lost digits, which no parser can tell.
    whole = [line for line in lines if line.endswith('\n')]
    kept = [line for line in whole[1:] if 0 <= _step_of(line) <= step]
    files.replace(path, ''.join(whole[:1] + kept))


def _step_of(line: str) -> int:
    """The step of a line of EPOCHS; -1 of one that is damaged."""
    cells = line.split(',')
    number = cells[EPOCH_STEP_COLUMN] if len(cells) > EPOCH_STEP_COLUMN else ''
    return int(number) if _STEP.fullmatch(number) else -1


def _csv_header(path: Path) -> list[str]:
    if not path.exists():
        return []
    with path.open(encoding='utf-8', errors='replace') as file:
        header = file.readline().rstrip('\n')
    return header.split(',') if header else []


def _append(path: Path, text: str) -> None:
    """Opened anew each time: nothing stays in a buffer, and `rewind` may replace the file."""
    with path.open('a', encoding='utf-8') as file:
        file.write(text)
