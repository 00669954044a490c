"""A run's workdir, as a report reads it."""

from collections.abc import Callable, Sequence
import itertools
import os
from pathlib import Path
from typing import Any, NamedTuple

from gan_jax.errors import UserError
from gan_jax.evaluation import text
from gan_jax.io import paths, schema
from gan_jax.records import recorder, workdirs
from gan_jax.report import curves, pictures
from gan_jax.use import assessing, assessing_pairs, classifying

CHART_POINTS = 400
GRIDS = 60  # that are looked at


class Run(NamedTuple):
    """A workdir as read: {} and [] where a file is not there yet."""

    workdir: Path  # as the user named it
    config: dict[str, Any]  # config.json
    facts: dict[str, Any]  # run.json
    rows: list[dict[str, Any]]  # metrics.jsonl
    evaluations: list[dict[str, Any]]  # evaluations.jsonl
    grids: list[Path]  # of samples/*.png, evenly chosen and oldest first, those that are pictures
    pictures: list[Path]  # that `gan-jax evaluate` made
    classification: dict[str, Any]  # classification.json
    evaluation: dict[str, Any]  # evaluation.json
    left_out: list[str]  # what is no part of the report, and why
    goes_on: bool  # whether a process is training in it

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
    def drawings(self) -> list[curves.Drawing]:
        """The panels of the page."""
        return curves.drawings(self.rows, self.evaluations, CHART_POINTS)

    @property
    def captions(self) -> list[str]:
        """How the distances among the curves were measured, a sentence for each way."""
        told = [row for row in self.evaluations if 'by' in row]
        ways = itertools.groupby(told, key=lambda row: row['by'])
        steps = [(by, [row['step'] for row in rows]) for by, rows in ways]
        return [
            f'Distances{"" if len(steps) == 1 else _of(own)}: {text.sentence(by)}.'
            for by, own in steps
        ]


def _of(steps: Sequence[int]) -> str:
    first, last = steps[0], steps[-1]
    return f' of step {first:,}' if first == last else f' of steps {first:,} to {last:,}'


def read(workdir: Path) -> Run:
    """Reads the files of a workdir; what is damaged is left out, and named."""
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
