"""Files of a finished row that outlive its runs, in `ROW/`: its figures, and parts of pictures.

A folder of results has it too, so that rows of several machines come together in one table.
"""

from collections.abc import Sequence
import json
from pathlib import Path
from typing import Any

from gan_jax.errors import UserError
from gan_jax.io import files
from studies import provenance
from studies.study import Row, Study, Trial

ROWS = 'rows.json'  # in a trial's folder, written last
RESULTS = 'rows'  # the folder of the trials' folders, in one of results
OWNER = 'study.json'  # in that: whose rows they are


def read(study: Study, folder: Path) -> list[Row] | None:
    """The rows of a trial, with all columns, and by what they were measured; None: none.

    Raises:
      UserError: the file is damaged.
    """
    path = folder / ROWS
    if not path.exists():
        return None
    rows = provenance.read_json(path)
    if not rows or not all({*study.columns} <= {*row} for row in rows):
        return None
    columns = [name for names in study.measured.values() for name in names]
    by_a_net = any(row[name] is not None for row in rows for name in columns)
    return None if by_a_net and not (folder / provenance.RESULT).exists() else rows


def write(folder: Path, rows: Sequence[Row]) -> None:
    """Keeps the rows of a trial: with them it is finished."""
    files.replace(folder / ROWS, json.dumps(rows, indent=1) + '\n')


def finished(study: Study, trials: Sequence[Trial], workdir: Path) -> list[tuple[Trial, list[Row]]]:
    """The trials that have rows in a folder of trials' folders, in the order given."""
    found = [(trial, read(study, workdir / trial.name)) for trial in trials]
    return [(trial, rows) for trial, rows in found if rows is not None]


def complete(study: Study, trial: Trial, workdir: Path) -> bool:
    """Whether a trial has its rows, its digits and all that pictures are made of."""
    needed = [workdir / trial.name / name for name in (provenance.RESULT, *trial.kept)]
    if trial.digits:
        needed.append(digits_path(workdir, trial))
    return read(study, workdir / trial.name) is not None and all(map(Path.exists, needed))


def digits_path(workdir: Path, trial: Trial) -> Path:
    """Where the digits of a trial are shown."""
    return workdir / f'samples_{trial.name}.png'


def owner(results: Path) -> dict[str, Any] | None:
    """Whose rows a folder of results holds: `study`, and whether with `smoke`; None: nobody's."""
    path = results / RESULTS / OWNER
    return provenance.read_json(path) if path.exists() else None


def claim(study: Study, results: Path, *, smoke: bool) -> None:
    """Makes a folder of results that of a study, before anything is trained for it.

    Raises:
      UserError: it holds something else, or cannot be written.
    """
    own = {'study': study.name, 'smoke': smoke}
    other = owner(results)
    if other is None and (results / 'table.csv').exists():
        raise UserError(f'--results={results}: has a table without its rows; choose another')
    if other and other != own:
        rows = f'rows of the study {other["study"]}' + ' with --smoke' * other['smoke']
        raise UserError(f'--results={results}: holds {rows}; choose another')
    try:
        files.replace(results / RESULTS / OWNER, json.dumps(own) + '\n')
    except OSError as error:
        raise UserError(f'--results={results}: {error}; choose another') from None


def copy(trial: Trial, workdir: Path, results: Path) -> None:
    """Copies what is kept of a complete trial, and nothing of its runs, to a folder of results."""
    target = results / RESULTS / trial.name
    target.mkdir(exist_ok=True)
    for name in (*trial.kept, provenance.RESULT, ROWS):
        files.replace(target / name, (workdir / trial.name / name).read_bytes())
    if trial.digits:
        content = digits_path(workdir, trial).read_bytes()
        files.replace(digits_path(results, trial), content)
