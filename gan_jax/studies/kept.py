"""What of a finished row outlives its runs, in `ROW/`: its figures, and what pictures are made of.

A folder of results has it too, so that rows of several machines come together in one table.
"""

from collections.abc import Sequence
import json
from pathlib import Path

from gan_jax import files
from gan_jax.studies import provenance
from gan_jax.studies.study import Row, Study, Trial

ROWS = 'rows.json'  # in a trial's folder, written last
RESULTS = 'rows'  # the folder of the trials' folders, in one of results


def read(study: Study, folder: Path) -> list[Row] | None:
    """The rows of a trial; None if there are none, or not of all the study's columns.

    Args:
      study: the study.
      folder: the trial's.
    """
    path = folder / ROWS
    rows = json.loads(path.read_text()) if path.exists() else []
    return rows if rows and all(row.keys() >= set(study.columns) for row in rows) else None


def write(folder: Path, rows: Sequence[Row]) -> None:
    """Keeps the rows of a trial: with them it is finished."""
    files.replace(folder / ROWS, json.dumps(rows, indent=1) + '\n')


def complete(study: Study, trial: Trial, folder: Path) -> bool:
    """Whether a trial's folder has its rows and all that pictures are made of."""
    needed = (provenance.RESULT, *trial.kept)
    return read(study, folder) is not None and all((folder / name).exists() for name in needed)


def finished(study: Study, trials: Sequence[Trial], workdir: Path) -> list[tuple[Trial, list[Row]]]:
    """The trials that have rows in a folder of trials' folders, in the order given."""
    found = [(trial, read(study, workdir / trial.name)) for trial in trials]
    return [(trial, rows) for trial, rows in found if rows is not None]


def copy(trial: Trial, folder: Path, results: Path) -> None:
    """Copies what there is of a finished trial, and nothing of its runs, to a folder of results.

    Args:
      trial: a finished one.
      folder: its folder.
      results: gets `rows/NAME/`.
    """
    target = results / RESULTS / trial.name
    target.mkdir(parents=True, exist_ok=True)
    for name in (*trial.kept, provenance.RESULT, ROWS):
        if (folder / name).exists():
            files.replace(target / name, (folder / name).read_bytes())
