"""A run's workdir, as a report reads it."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from gan_jax import observers
from gan_jax.evaluation import text
from gan_jax.records import recorder, workdirs
from gan_jax.report import curves

CHART_POINTS = 400


class Run(NamedTuple):
    """A workdir as read: {} and [] where a file is not there yet.

    Attributes:
      workdir: as the user named it.
      config: config.json.
      facts: run.json.
      rows: metrics.jsonl.
      evaluations: evaluations.jsonl.
      grids: samples/*.png, oldest first.
      classification: classification.json.
      evaluation: evaluation.json.
    """

    workdir: Path
    config: dict[str, Any]
    facts: dict[str, Any]
    rows: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    grids: list[Path]
    classification: dict[str, Any]
    evaluation: dict[str, Any]

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
        return self.rows[-1]['epoch'] / self.rows[-1]['step'] if self.rows else 0.0

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
    """Reads the files of a workdir."""

    def load(name: str) -> dict[str, Any]:
        path = workdir / name
        return json.loads(path.read_bytes()) if path.exists() else {}

    return Run(
        workdir=workdir,
        config=load('config.json'),
        facts=load('run.json'),
        rows=recorder.read_rows(workdir),
        evaluations=recorder.read_rows(workdir, recorder.EVALUATIONS),
        grids=recorder.sample_paths(workdir),
        classification=load('classification.json'),
        evaluation=load('evaluation.json'),
    )
