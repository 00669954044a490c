"""A study's files: table.csv, table.md, pictures, and digits of every trial that makes some."""

from collections.abc import Iterable, Mapping, Sequence
import math
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax import files, images
from gan_jax.use import sampling, trained
from studies import kept, pictures, provenance
from studies.study import Picture, Row, Study, Trial

SHOWN, COLUMNS = 1_000, 40  # digits in a trial's picture, and in a line of it

_EARLIER = (
    'This picture was drawn earlier, and rows made since are not in it: of what it is drawn from'
    ' `{}` is lost.\n\n'
)

Finished = tuple[Trial, Sequence[Row]]  # a trial with its rows


def write(
    study: Study, finished: Sequence[Finished], workdir: Path, target: Path, *, smoke: bool
) -> list[str]:
    """Writes the table, with all rows there are, and the pictures, each file at once.

    A picture is left as it was if a file is missing that one of its rows has to have.

    Args:
      study: the study.
      finished: its trials with their rows, in the order of the table.
      workdir: the folder of the trials' folders.
      target: where it is written.
      smoke: whether the rows were made with --smoke, as their commands then say.

    Returns:
      what there is to say of pictures that were left, a line for each.
    """
    rows = [row for _, found in finished for row in found]
    cells = [[cell(row[name]) for name in study.columns] for row in rows]
    files.replace(target / 'table.csv', files.table(study.columns, cells))
    lacking = {
        name: _draw(picture, finished, workdir, target / name)
        for name, picture in study.pictures.items()
    }
    shown = {name: lacks for name, lacks in lacking.items() if (target / name).exists()}
    files.replace(target / 'table.md', _markdown(study, finished, shown, workdir, smoke))
    return [
        f'{name} is left as it was: there is no {workdir / lacks}'
        for name, lacks in lacking.items()
        if lacks
    ]


def _draw(picture: Picture, finished: Sequence[Finished], workdir: Path, path: Path) -> str:
    """Draws a picture, or returns the file of a row for want of which it is left as it was."""
    own = [(trial, [row for row in rows if picture.of(row)]) for trial, rows in finished]
    own = [(trial, rows) for trial, rows in own if rows]
    needed = [f'{trial.name}/{name}' for trial, _ in own for name in picture.needs(trial)]
    missing = next((file for file in needed if not (workdir / file).exists()), '')
    if missing and path.exists():
        return missing
    if (content := picture.draw([row for _, rows in own for row in rows], workdir)) is not None:
        caption = provenance.caption(picture.measured, own, workdir)
        files.replace(path, pictures.captioned(content, caption))
    return ''


def write_results(
    study: Study, trials: Sequence[Trial], results: Path, *, smoke: bool
) -> list[str]:
    """Writes table and pictures of the rows in a folder of results, from wherever they came.

    Args:
      study: the study.
      trials: all of its trials.
      results: the folder.
      smoke: whether they were made with `--smoke`.

    Returns:
      what there is to say of rows and pictures that were left, a line for each.
    """
    workdir = results / kept.RESULTS
    finished = kept.finished(study, trials, workdir)
    names = {trial.name for trial, _ in finished}
    left = [path.name for path in sorted(workdir.iterdir()) if path.is_dir()]
    notes = [
        f"{workdir / name} is not in the table: it is no row of today's study"
        for name in left
        if name not in names
    ]
    return notes + write(study, finished, workdir, results, smoke=smoke)


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
    finished: Sequence[Finished],
    shown: Mapping[str, str],
    workdir: Path,
    smoke: bool,
) -> str:
    images_shown = ''.join(
        f'![{name}]({name})\n\n' + (_EARLIER.format(lacks) if lacks else '')
        for name, lacks in shown.items()
    )
    rows = [
        [*(cell(row[name]) for name in study.columns), _command(study, trial, smoke)]
        for trial, found in finished
        for row in found
    ]
    summary = study.summary([row for _, found in finished for row in found])
    if measured := provenance.lines(study, finished, workdir):
        summary += f'\nHow the figures were measured:\n\n{measured}'
    return (
        f'# {study.title}\n\n{study.about.strip()}\n\n{summary}\n{images_shown}'
        '## Every row\n\nThe command repeats its row, in a `--workdir` of your own; `minutes`'
        ' are of a machine that other jobs shared.\n\n'
        f'{markdown_table([*study.columns, "command"], rows)}'
    )


def _command(study: Study, trial: Trial, smoke: bool) -> str:
    source = '--smoke' if smoke else '--data_dir=DIR'
    return f'`gan-jax study {study.name} {source} --only={trial.name}`'


def write_digits(trial: Trial, workdir: Path) -> None:
    """1,000 digits of the trial's generator in one PNG, 40 a line, without anything between."""
    run = trained.load(workdir / trial.name / trial.digits, trial.step)
    draw = sampling.Draw(trained.sampler_of(run.task), run.state, SHOWN, 0, ())
    made = sampling.generate(draw, draw.latent())
    images.write_png(kept.digits_path(workdir, trial), images.tile(made, COLUMNS, pad=0))


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation; the latter is NaN of fewer than two."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return float(np.mean(values)), deviation


def mean(rows: Sequence[Row], column: str) -> str:
    """The mean of a column's cells that are not empty, '' if all are."""
    values = [row[column] for row in rows if row[column] is not None]
    return f'{np.mean(values):.4g}' if values else ''
