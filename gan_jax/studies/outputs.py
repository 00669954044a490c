"""What a study writes: table.csv, table.md, pictures, and digits of every trial that makes some."""

from collections.abc import Iterable, Sequence
import math
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax import files, images, sampling, trained
from gan_jax.studies import kept, pictures, provenance
from gan_jax.studies.study import Row, Study, Trial

SHOWN, COLUMNS = 1_000, 40  # digits in a trial's picture, and in a line of it


def write(
    study: Study, finished: Sequence[tuple[Trial, Sequence[Row]]], workdir: Path, target: Path
) -> None:
    """Writes the table, with all rows there are, and the pictures, each file at once.

    A picture that cannot be drawn, as what its rows kept is not there, stays as it was.

    Args:
      study: the study.
      finished: its trials with their rows, in the order of the table.
      workdir: the folder of the trials' folders.
      target: where it is written.
    """
    rows = [row for _, found in finished for row in found]
    cells = [[cell(row[name]) for name in study.columns] for row in rows]
    files.replace(target / 'table.csv', files.table(study.columns, cells))
    for name, draw in study.pictures.items():
        if (content := draw(rows, workdir)) is not None:
            caption = provenance.caption(study, name, finished, workdir)
            files.replace(target / name, pictures.captioned(content, caption))
    shown = [name for name in study.pictures if (target / name).exists()]
    files.replace(target / 'table.md', _markdown(study, finished, shown, workdir))


def write_results(study: Study, trials: Sequence[Trial], results: Path) -> None:
    """Writes table and pictures of the rows in a folder of results, from wherever they came."""
    workdir = results / kept.RESULTS
    write(study, kept.finished(study, trials, workdir), workdir, results)


def cell(value: Any) -> str:
    """A value in the table: floats with six significant digits, None as nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ''
    return f'{value:.6g}' if isinstance(value, float) else str(value)


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, of cells that are Markdown."""
    lines = [head, ['---'] * len(head), *rows]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


def _markdown(
    study: Study,
    finished: Sequence[tuple[Trial, Sequence[Row]]],
    shown: Sequence[str],
    workdir: Path,
) -> str:
    images_shown = ''.join(f'![{name}]({name})\n\n' for name in shown)
    rows = [
        [*(cell(row[name]) for name in study.columns), _command(study, trial)]
        for trial, found in finished
        for row in found
    ]
    summary = study.summary([row for _, found in finished for row in found])
    if measured := provenance.lines(study, finished, workdir):
        summary += f'\nBy what the figures were measured:\n\n{measured}'
    return (
        f'# {study.title}\n\n{study.about.strip()}\n\n{summary}\n{images_shown}'
        '## Every row\n\nThe command makes the row anew, in a `--workdir` of your own; `minutes`'
        ' are of a machine that other jobs shared.\n\n'
        f'{markdown_table([*study.columns, "command"], rows)}'
    )


def _command(study: Study, trial: Trial) -> str:
    return f'`gan-jax study {study.name} --data_dir=DIR --only={trial.name}`'


def digits_path(workdir: Path, trial: Trial) -> Path:
    """Where the digits of a trial are shown."""
    return workdir / f'samples_{trial.name}.png'


def write_digits(trial: Trial, workdir: Path) -> None:
    """1,000 digits of the trial's generator in one PNG, 40 a line, without anything between."""
    run = trained.load(workdir / trial.name / trial.digits, trial.step)
    draw = sampling.Draw(run.task.sampler, run.state, SHOWN, 0, ())
    made = sampling.generate(draw, draw.latent())
    images.write_png(digits_path(workdir, trial), images.tile(made, COLUMNS, pad=0))


def copy_digits(trial: Trial, workdir: Path, results: Path) -> None:
    """Copies the digits of a finished trial, if it makes some, to a folder of results."""
    if (path := digits_path(workdir, trial)).exists():
        files.replace(digits_path(results, trial), path.read_bytes())


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation; the latter is NaN of fewer than two."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return float(np.mean(values)), deviation


def mean(rows: Sequence[Row], column: str) -> str:
    """The mean of a column's cells that are not empty, '' if all are."""
    values = [row[column] for row in rows if row[column] is not None]
    return f'{np.mean(values):.4g}' if values else ''
