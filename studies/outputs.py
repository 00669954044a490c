"""A study's files: table.csv, README.md, pictures, and digits of every trial that makes some."""

from collections.abc import Iterable, Sequence
import math
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax.io import files, images
from gan_jax.use import sampling, trained
from studies import kept, pictures, provenance
from studies.study import Picture, Row, Study, Trial

SHOWN, COLUMNS = 1_000, 40  # digits in a trial's picture, and in a line of it

PAGE, FINDING = 'README.md', 'finding.md'  # the page, and what a person says at its top
ABOVE = 2  # pictures before the page goes into details
SHARES = 'cat_share', 'readable', 'coverage'  # columns that begin so are shown in percent

Finished = tuple[Trial, Sequence[Row]]  # a trial with its rows


def write(
    study: Study,
    trials: Sequence[Trial],
    workdir: Path,
    target: Path,
    *,
    smoke: bool,
) -> list[str]:
    """Writes the table, with all rows there are, the pictures and the page, each file at once.

    A picture is of the rows that have the files it is made of; without one there is none.

    Args:
      smoke: whether the rows were made with --smoke, as their commands then say.

    Returns:
      what there is to say of rows that a picture lacks, a line for each picture.
    """
    finished = kept.finished(study, trials, workdir)
    rows = [row for _, found in finished for row in found]
    cells = [[cell(row[name]) for name in study.columns] for row in rows]
    files.replace(target / 'table.csv', files.table(study.columns, cells))
    lacking = {
        name: _draw(picture, finished, workdir, target / name)
        for name, picture in study.pictures.items()
    }
    done = {trial.name for trial, _ in finished}
    left = [trial.name for trial in trials if trial.name not in done]
    files.replace(target / PAGE, _markdown(study, finished, left, workdir, target, smoke))
    return [
        f'{target / name} is without {", ".join(lost)}: files that it is made of are lost'
        for name, lost in lacking.items()
        if lost
    ]


def _draw(
    picture: Picture, finished: Sequence[Finished], workdir: Path, path: Path
) -> Sequence[str]:
    """Draws a picture, or removes it; returns the rows that it lacks, for want of a file."""
    own = [(trial, [row for row in rows if picture.of(row)]) for trial, rows in finished]
    own = [(trial, rows) for trial, rows in own if rows]
    lost = [
        trial.name
        for trial, _ in own
        if not all((workdir / trial.name / name).exists() for name in picture.needs(trial))
    ]
    whole = [(trial, rows) for trial, rows in own if trial.name not in lost]
    shown = [row for _, rows in whole for row in rows]
    content = picture.draw(shown, workdir) if shown else None
    if content is None:
        path.unlink(missing_ok=True)
    else:
        caption = provenance.caption(picture.measured, whole, workdir)
        files.replace(path, pictures.captioned(content, caption))
    return lost


def write_results(
    study: Study, trials: Sequence[Trial], results: Path, *, smoke: bool
) -> list[str]:
    """Writes table, pictures and page of the rows in a folder of results, from wherever they came.

    Returns:
      what there is to say of rows and pictures that were left, a line for each.
    """
    workdir = results / kept.RESULTS
    known = {trial.name for trial, _ in kept.finished(study, trials, workdir)}
    left = [path.name for path in sorted(workdir.iterdir()) if path.is_dir()]
    notes = [
        f"{workdir / name} is not in the table: it is no row of today's study"
        for name in left
        if name not in known
    ]
    return notes + write(study, trials, workdir, results, smoke=smoke)


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
    left: Sequence[str],
    workdir: Path,
    target: Path,
    smoke: bool,
) -> str:
    """The page: what was found, the summary, two pictures, and then how all that was made."""
    finding = target / FINDING
    shown = [f'![{Path(name).stem}]({name})' for name in study.pictures if (target / name).exists()]
    rows = [
        [*(cell(row[name]) for name in study.columns), _command(study, trial, smoke)]
        for trial, found in finished
        for row in found
    ]
    parts = [
        f'# {study.title}',
        finding.read_text(encoding='utf-8').strip() if finding.exists() else '',
        study.summary([row for _, found in finished for row in found]).strip(),
        *shown[:ABOVE],
        f'## What was compared\n\n{study.about.strip()}',
    ]
    if measured := provenance.lines(study, finished, workdir):
        parts.append(f'## How the figures were measured\n\n{measured.strip()}')
    if shown[ABOVE:]:
        parts += ['## More pictures', *shown[ABOVE:]]
    parts.append(
        '## Every row\n\nThe command repeats its row, in a `--workdir` of your own. `minutes` are'
        ' of a machine that other jobs shared.\n\n'
        + markdown_table([*study.columns, 'command'], rows).strip()
    )
    if left:
        parts.append(f'Not trained yet: `{"`, `".join(left)}`.')
    return '\n\n'.join(filter(None, parts)) + '\n'


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
    """A column's mean over rows, ± its deviation if there are several; '' if all are empty.

    Of `SHARES` in percent.
    """
    values = [float(row[column]) for row in rows if row[column] is not None]
    if not values:
        return ''
    found, deviation = spread(values)
    if column.startswith(SHARES):
        between = f' ± {100 * deviation:.1f}' if deviation > 0 else ''
        return f'{100 * found:.1f}{between}%'
    form = ',.0f' if found >= 1_000 else '.4g'
    return f'{found:{form}}' + (f' ± {deviation:.2g}' if deviation > 0 else '')
