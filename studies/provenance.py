"""How the figures in a study's table were measured: kept beside a trial's rows."""

from collections.abc import Iterator, Mapping, Sequence
import json
from pathlib import Path
from typing import Any

from gan_jax.errors import UserError
from gan_jax.evaluation import text
from gan_jax.io import files
from gan_jax.records import recorder
from gan_jax.use import assessing
from studies.study import Row, Study, Trial

RESULT = 'measured.json'  # in a trial's folder
AFTERWARDS, WHILE_TRAINING = assessing.RESULT, 'run.json'  # keys of `Study.measured`
_PARTS = ('features', 'reference', 'samples')


def keep(trial: Trial, folder: Path) -> None:
    """Notes what the runs of a trial hold, before somebody evaluates them by other means."""
    paths = [folder / stage.name for stage in trial.stages]
    found = {
        AFTERWARDS: [facts for path in paths for facts in _afterwards(path)],
        WHILE_TRAINING: [facts for path in paths for facts in _while_training(path)],
    }
    files.replace(folder / RESULT, json.dumps(found, indent=1) + '\n')


def _afterwards(workdir: Path) -> Iterator[dict[str, Any]]:
    path = workdir / assessing.RESULT
    found = json.loads(path.read_bytes()) if path.exists() else {}
    if 'features' in found:  # scores of translations are of no net
        yield {part: found[part] for part in _PARTS}


def _while_training(workdir: Path) -> Iterator[Mapping[str, Any]]:
    told: list[Mapping[str, Any]] = []
    for row in recorder.read_rows(workdir, recorder.EVALUATIONS):
        if 'by' in row and row['by'] not in told:
            told.append(row['by'])
    return iter(told)


def lines(study: Study, finished: Sequence[tuple[Trial, Sequence[Row]]], workdir: Path) -> str:
    """Markdown: what the figures that the table shows are of and by, a line for each way."""
    rows = [row for _, found in finished for row in found]
    said: dict[str, list[str]] = {}
    for source, columns in study.measured.items():
        shown = [f'`{name}`' for name in columns if any(row[name] is not None for row in rows)]
        for trial, _ in finished if shown else ():
            for facts in _kept(workdir / trial.name).get(source, ()):
                names = said.setdefault(f'- {", ".join(shown)}: {_words(facts)}', [])
                names.extend({trial.name} - {*names})
    return ''.join(
        line + (f' (`{"`, `".join(names)}`)' if len(names) < len(finished) else '') + '\n'
        for line, names in said.items()
    )


def caption(
    source: str, finished: Sequence[tuple[Trial, Sequence[Row]]], workdir: Path
) -> list[str]:
    """How the figures in a picture were measured, by its `Picture.measured`."""
    kept = [_kept(workdir / trial.name).get(source, ()) for trial, _ in finished]
    return list(dict.fromkeys(_words(facts) for found in kept for facts in found))


def _kept(folder: Path) -> dict[str, list[Mapping[str, Any]]]:
    path = folder / RESULT
    return read_json(path) if path.exists() else {}


def read_json(path: Path) -> Any:
    """A file that is kept of a row.

    Raises:
      UserError: it is damaged.
    """
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except ValueError:
        raise UserError(f'{path} is damaged: delete it, and run the row again') from None


def _words(facts: Mapping[str, Any]) -> str:
    """Without the folders in which a reference lies: they are of one machine."""
    reference = facts['reference']
    name = Path(reference['name']).name
    return text.sentence({**facts, 'reference': {**reference, 'name': name}})
