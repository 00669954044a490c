"""Trains and measures the trials of a study, one after the other, from wherever it was stopped."""

from collections.abc import Iterator, Sequence
import contextlib
import json
from pathlib import Path
import shutil
import sys
import time

import jax
from ml_collections import ConfigDict

from gan_jax import observers, trainer
from gan_jax.errors import UserError, nearest
from gan_jax.io import files
from gan_jax.processes import interrupts
from gan_jax.records import recorder, workdirs
from gan_jax.terminal.progress import clock
from studies import kept, outputs, provenance
from studies.study import Row, Setting, Study, Trial

TIME = 'time.json'  # in a trial's folder: the seconds it took so far

# Steps, and those that are saved to choose one from, decide what is measured.
MAY_CHANGE = workdirs.MAY_CHANGE - {'steps', 'save_every'}


def run(
    study: Study,
    setting: Setting,
    workdir: Path,
    *,
    only: Sequence[str] = (),
    results: Path | None = None,
    command: str,
) -> bool:
    """Runs what is not finished yet.

    Args:
      only: names of trials; all of them if empty.
      results: a folder that gets what is kept of the chosen rows, and table and pictures of all
        the rows there are in it.
      command: how a user would go on; shown after an interruption.

    Returns:
      Whether all is finished; if not, a signal came.

    Raises:
      UserError: something the user can mend; what was trained is kept.
    """
    setting.check(study.folders)
    chosen = _choose(study.trials(setting), only)
    workdir.mkdir(parents=True, exist_ok=True)
    if results:
        kept.claim(study, results, smoke=setting.smoke)
    with workdirs.exclusive(workdir), workdirs.full_disk(workdir):
        try:
            with interrupts.stopping():
                _run(study, setting, chosen, workdir, results, command)
        except interrupts.Stop as stop:
            finished = sum(kept.complete(study, trial, workdir) for trial in chosen)
            _say(f'{stop}: {finished} of {len(chosen)} rows are finished; go on with: {command}')
            return False
    return True


def _choose(trials: Sequence[Trial], only: Sequence[str]) -> list[Trial]:
    known = {trial.name: trial for trial in trials}
    for name in only:
        if name not in known:
            raise UserError(f'--only={name}: no such row; {nearest(name, known)}')
    return [known[name] for name in only] if only else list(trials)


def _run(
    study: Study,
    setting: Setting,
    chosen: Sequence[Trial],
    workdir: Path,
    results: Path | None,
    command: str,
) -> None:
    done = [trial for trial in chosen if kept.complete(study, trial, workdir)]
    for trial in done:
        _refuse_other_settings(trial, workdir / trial.name)
    for number, trial in enumerate(chosen, 1):
        if trial not in done:
            place = f'row {number} of {len(chosen)}, {trial.name}'
            _say(f'{place}: {_time_left(study, chosen, workdir)}')
            rows = _finish(trial, workdir, command)
            for row in rows:
                _say(f'{place}: ' + ', '.join(f'{k} {outputs.cell(v)}' for k, v in row.items()))
            for line in provenance.lines(study, [(trial, rows)], workdir).splitlines():
                _say(line)
            done.append(trial)
            _write(study, setting, done, workdir, results)
            jax.clear_caches()  # the next trial compiles its own programs
    _write(study, setting, done, workdir, results)


def _write(
    study: Study,
    setting: Setting,
    done: Sequence[Trial],
    workdir: Path,
    results: Path | None,
) -> None:
    trials = study.trials(setting)
    outputs.write(study, trials, workdir, workdir, smoke=setting.smoke)
    if results:
        for trial in done:
            kept.copy(trial, workdir, results)
        _tabulate(study, trials, results, setting.smoke)


def tabulate(study: Study, results: Path) -> None:
    """Writes table and pictures of the rows in a folder of results, and says what it left.

    Raises:
      UserError: it has no rows or those of another study, or a file in it is damaged.
    """
    if (owner := kept.owner(results)) is None:
        raise UserError(f'--results={results}: has no rows; --data_dir=DIR makes some')
    kept.claim(study, results, smoke=owner['smoke'])
    _tabulate(study, study.trials(Setting(None, owner['smoke'])), results, owner['smoke'])


def _tabulate(study: Study, trials: Sequence[Trial], results: Path, smoke: bool) -> None:
    for note in outputs.write_results(study, trials, results, smoke=smoke):
        _say(note)


def _finish(trial: Trial, workdir: Path, command: str) -> list[Row]:
    """Trains and measures; the rows are kept in the trial's folder, with their `minutes`."""
    folder = workdir / trial.name
    folder.mkdir(exist_ok=True)
    with _timed(folder):
        for stage in trial.stages:
            _train(trial, stage.name, stage.config(folder), folder, command)
        found = _measure(trial, folder)
        provenance.keep(trial, folder)
        if trial.digits:
            outputs.write_digits(trial, workdir)
    minutes = round(_seconds(folder) / 60, 1)
    rows = [{**row, 'minutes': minutes} for row in found]
    kept.write(folder, rows)
    for stage in trial.stages if trial.prune else ():
        _prune(folder / stage.name)
    return rows


def _measure(trial: Trial, folder: Path) -> Sequence[Row]:
    try:
        return trial.measure(folder)
    except UserError as error:
        if (folder / kept.ROWS).exists():  # of an older table; some steps may be gone since
            raise UserError(
                f'{trial.name} cannot be measured anew: delete {folder} to train it again ({error})'
            ) from None
        raise


def _train(trial: Trial, name: str, config: ConfigDict, folder: Path, command: str) -> None:
    if (folder / name / 'config.json').exists():
        _refuse(trial, folder, workdirs.changed_field(folder / name, config, may_change=MAY_CHANGE))
    config.least_s = 0.0  # its steps are what it measures
    if not trainer.train(config, folder / name, overwrite=False, command=command):
        raise interrupts.Stop(f'{trial.name} was interrupted')


def _refuse_other_settings(trial: Trial, folder: Path) -> None:
    for stage in trial.stages:
        if (folder / stage.name / 'config.json').exists():  # else only what is kept is left
            change = workdirs.changed_field(
                folder / stage.name, stage.config(folder), may_change=MAY_CHANGE
            )
            _refuse(trial, folder, change)


def _refuse(trial: Trial, folder: Path, change: tuple[str, object, object] | None) -> None:
    if change:
        field, old, new = change
        raise UserError(
            f'--workdir={folder.parent}: {trial.name} was trained with config.{field}={old}, and is'
            f' now to be with {new}: delete {folder}, or choose another --workdir'
        )


def _prune(workdir: Path) -> None:
    """Deletes all saved steps but the newest and the best: dozens of runs would fill a disk."""
    rows = recorder.read_rows(workdir, recorder.EVALUATIONS)
    best = observers.best_step(rows, workdirs.load_config(workdir).evaluate.best)
    saved = [path for path in (workdir / 'checkpoints').iterdir() if path.name.isdecimal()]
    newest = max(int(path.name) for path in saved)
    for path in saved:
        if int(path.name) not in (newest, best):
            shutil.rmtree(path)


@contextlib.contextmanager
def _timed(folder: Path) -> Iterator[None]:
    """Adds the seconds until its end to those of earlier processes."""
    started, before = time.monotonic(), _seconds(folder)
    try:
        yield
    finally:
        files.replace(folder / TIME, json.dumps(before + time.monotonic() - started))


def _seconds(folder: Path) -> float:
    path = folder / TIME
    return json.loads(path.read_bytes()) if path.exists() else 0.0


def _time_left(study: Study, trials: Sequence[Trial], workdir: Path) -> str:
    """The trials' own estimates, at the pace that finished ones had here."""
    done = [trial for trial in trials if kept.complete(study, trial, workdir)]
    expected = 60 * sum(trial.minutes for trial in done)
    pace = sum(_seconds(workdir / trial.name) for trial in done) / expected if done else 1.0
    left = [trial for trial in trials if trial not in done]
    own, all_left = (60 * pace * sum(t.minutes for t in ts) for ts in (left[:1], left))
    return f'about {clock(own)}, {clock(all_left)} for all that is left'


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
