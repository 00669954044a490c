"""A run's workdir, as a report reads it."""

from collections.abc import Callable
import os
from pathlib import Path
from typing import Any, NamedTuple

from gan_jax import observers, paths, schema
from gan_jax.errors import UserError
from gan_jax.evaluation import text
from gan_jax.records import recorder, workdirs
from gan_jax.report import curves, pictures
from gan_jax.use import assessing, assessing_pairs, classifying

CHART_POINTS = 400
GRIDS = 60  # that are looked at


class Run(NamedTuple):
    """A workdir as read: {} and [] where a file is not there yet.

    Attributes:
      workdir: as the user named it.
      config: config.json.
      facts: run.json.
      rows: metrics.jsonl.
      evaluations: evaluations.jsonl.
      grids: of samples/*.png, evenly chosen and oldest first, those that are pictures.
      pictures: that `gan-jax evaluate` made.
      classification: classification.json.
      evaluation: evaluation.json.
      left_out: what is no part of the report, and why.
      goes_on: whether a process is training in it.
    """

    workdir: Path
    config: dict[str, Any]
    facts: dict[str, Any]
    rows: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    grids: list[Path]
    pictures: list[Path]
    classification: dict[str, Any]
    evaluation: dict[str, Any]
    left_out: list[str]
    goes_on: bool

    @property
    def place(self) -> str:
        """The workdir as others may see it."""
        return paths.portable(str(self.workdir))

    @property
    def step(self) -> int:
        """Steps finished, as far as the files tell."""
        return max(
            self.rows[-1]['step'] if self.rows else 0,
            int(self.grids[-1].stem) if self.grids else 0,
        )

    @property
    def name(self) -> str:
        """The config's, else the folder's."""
        return str(self.config.get('name') or self.workdir.name)

    @property
    def epochs_per_step(self) -> float:
        """0 before the first line of metrics.jsonl."""
        return self.rows[-1]['epoch'] / max(self.rows[-1]['step'], 1) if self.rows else 0.0

    @property
    def drawings(self) -> list[curves.Drawing]:
        """The panels of the page."""
        return curves.drawings(self.rows, self.evaluations, CHART_POINTS)

    @property
    def captions(self) -> list[str]:
        """How the distances among the curves were measured, a sentence for each way."""
        found = observers.spans(self.evaluations, workdirs.evaluated_by(self.facts))
        return [_caption(span, alone=len(found) == 1) for span in found]


def _caption(span: observers.Span, *, alone: bool) -> str:
    of = f' of step {span.first:,}' if span.first == span.last else ''
    of = of or f' of steps {span.first:,} to {span.last:,}'
    if span.facts is None:
        return f'Distances{of}: the run does not tell by what they were measured.'
    return f'Distances{"" if alone else of}: {text.sentence(span.facts)}.'


def read(workdir: Path) -> Run:
    """What the files of a workdir say; what is damaged is left out, and named."""
    left_out: list[str] = []

    def either(read: Callable[[], Any], none: Any) -> Any:
        try:
            return read()
        except UserError as error:
            left_out.append(str(error).removeprefix(f'{workdir}/'))
            return none

    def record(name: str, kind: Any) -> dict[str, Any]:
        path = workdir / name
        return either(lambda: schema.load(path, kind) if path.exists() else {}, {})

    def lines(name: str) -> list[dict[str, Any]]:
        rows, others = either(lambda: recorder.read_lines(workdir, name), ([], []))
        left_out.extend(others)
        return rows

    def config() -> dict[str, Any]:
        return workdirs.load_config(workdir).to_dict() if (workdir / 'config.json').exists() else {}

    made = [workdir / name for name in (assessing.PICTURE, assessing_pairs.PICTURE)]
    drawn, others = pictures.whole([path for path in made if os.path.lexists(path)])
    grids, more = pictures.whole(pictures.evenly(recorder.sample_paths(workdir), GRIDS))
    left_out += [f'{path.relative_to(workdir)}: {why}' for path, why in others + more]
    return Run(
        workdir=workdir,
        config=paths.portable(either(config, {})),
        facts=paths.portable(record('run.json', workdirs.Facts)),
        rows=lines(recorder.METRICS),
        evaluations=lines(recorder.EVALUATIONS),
        grids=grids,
        pictures=drawn,
        classification=record(classifying.RESULT, classifying.Classification),
        evaluation=paths.portable(record('evaluation.json', text.Evaluation | text.PairEvaluation)),
        left_out=paths.portable(left_out),
        goes_on=workdirs.is_training(workdir),
    )
