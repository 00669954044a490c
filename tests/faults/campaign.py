"""Rounds of one campaign: reference, trial, verdict, record."""

from collections import Counter
from collections.abc import Iterator, Sequence
import json
from pathlib import Path
import random
import re
import statistics
import sys
import time
from typing import Any

from tests import fleets
from tests.faults import trial as trials
from tests.faults.injuries import INJURIES, Injury
from tests.faults.trial import Ended, Failure, Trial

_KILLED = -9, 137
# How a process may end that was not killed itself: a line that says what to do, or that it saved.
_ERROR = re.compile('error: .+')
_SAVED = re.compile(r'SIG\w+: saved step (\d+); go on with: .+')


class _Finished(Exception):
    """The run was over before anything was done to it."""


class Campaign:
    """The rounds that were made in a folder, and the next ones."""

    def __init__(self, folder: Path, seed: int, *, steps: int = 600, has_disk: bool = True):
        """Goes on with what is in the folder.

        Args:
          folder: on a disk of any kind; `disk/` in it may be one of its own.
          seed: of what happens, and when.
          steps: of the run; it starts anew once it has made them.
          has_disk: whether `disk/` is small, and can be filled.
        """
        self.trial = Trial(folder)
        self._seed = seed
        self._steps = steps
        self._log = folder / 'rounds.jsonl'
        self._kinds = [name for name, kind in INJURIES.items() if has_disk or not kind.needs_disk]
        self._expected = self._reference(folder / 'reference.json')

    def _reference(self, file: Path) -> dict[str, str]:
        """The digest of every step of a run that nothing happens to."""
        if not file.exists():
            self.trial.clear()
            every = ['save_every=1', f'keep={self._steps}', f'steps={self._steps}']
            self.trial.start(1, *(f'--config.{field}' for field in every))
            if not trials.waited(self.trial.is_over, 10 * trials.START_S, self.trial.processes):
                self.trial.kill()
            (ended,) = self.trial.end()
            if ended.code:
                raise Failure(f'the reference: {ended.errors}')
            found = {str(step): self.trial.digest(step) for step in self.trial.steps()}
            file.write_text(json.dumps(found), encoding='utf-8')
            self.trial.clear()
        return json.loads(file.read_text(encoding='utf-8'))

    def done(self) -> list[dict[str, Any]]:
        """The outcomes of the rounds so far."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [json.loads(line) for line in lines]

    def play(self, rounds: int) -> Iterator[dict[str, Any]]:
        """Makes the rounds that are missing, and gives what became of each."""
        for number in range(len(self.done()), rounds):
            rng = random.Random(f'{self._seed} {number}')
            # Every kind once, in a random order, then again.
            cycle, place = divmod(number, len(self._kinds))
            order = random.Random(f'{self._seed} cycle {cycle}').sample(
                self._kinds, len(self._kinds)
            )
            result = {'round': number, **self.round(order[place], rng)}
            with self._log.open('a') as file:
                file.write(json.dumps(result) + '\n')
            yield result

    def round(self, name: str, rng: random.Random) -> dict[str, Any]:
        """Resumes the run, does it one injury, and judges what came of it."""
        while True:
            try:
                if self.trial.newest() > self._steps * 0.9:
                    self._finish()
                return self._attempt(name, rng)
            except _Finished:
                self._finish()

    def _attempt(self, name: str, rng: random.Random) -> dict[str, Any]:
        injury, trial = INJURIES[name], self.trial
        before, started, ends = trial.newest(), time.monotonic(), []
        result = {'injury': name, 'processes': injury.processes, 'resumed_from': before}
        flags = f'--config.steps={self._steps}', *injury.flags
        try:
            trial.start(injury.processes, *flags, heartbeat_s=injury.heartbeat_s)
            trial.step_on(before)
            reached = trial.newest()
            ends = injury.inflict(trial, rng)
            if any(ended.last_line.startswith('done: ') for ended in ends):
                raise _Finished
            result |= {'reached': reached, 'left_at': trial.newest()}
            self._judge(injury, reached, ends)
            verdict = 'ok'
        except Failure as failure:
            verdict = self._plain(str(failure))
        seconds = round(time.monotonic() - started, 1)
        lines = [self._plain(ended.last_line) for ended in ends]
        return result | {'verdict': verdict, 'seconds': seconds, 'last_lines': lines}

    def _plain(self, line: str) -> str:
        """The same on every machine."""
        places = {self.trial.folder: 'DIR', fleets.ROOT: 'CHECKOUT', sys.executable: 'python'}
        for place, name in places.items():
            line = line.replace(str(place), name)
        return line

    def _judge(self, injury: Injury, reached: int, ends: Sequence[Ended]) -> None:
        trial = self.trial
        for ended in ends:
            _judge_end(injury, ended)
        steps = trial.steps()
        if injury.breaks_steps:
            *steps, _ = steps  # the newest one, which the next round must pass over
        elif trial.newest() < reached:
            raise Failure(f'step {reached} was saved, and {trial.newest()} is the newest')
        for step in steps:
            if trial.digest(step) != self._expected[str(step)]:
                raise Failure(f'step {step} has another digest')

    def _finish(self) -> None:
        """Lets the run end, whose last state must be the reference's; the next one starts anew."""
        trial = self.trial
        trial.start(1, f'--config.steps={self._steps}')
        if not trials.waited(trial.is_over, trials.START_S, trial.processes):
            trial.kill()
            raise Failure('did not finish')
        trial.end()
        if trial.digest(self._steps) != self._expected[str(self._steps)]:
            raise Failure('the finished run has another digest')
        trial.clear()


def _judge_end(injury: Injury, ended: Ended) -> None:
    if injury.saves:
        if ended.code != 0 or not _SAVED.fullmatch(ended.last_line):
            raise Failure(f'did not save and leave: {ended.code}, {ended.last_line}')
    elif ended.code in _KILLED:
        return
    elif ended.code == 0:
        if not _SAVED.fullmatch(ended.last_line):
            raise Failure(f'left without a reason: {ended.last_line}')
    elif not _ERROR.fullmatch(ended.last_line):
        raise Failure(f'no line that says what to do: {ended.code}, {ended.last_line}')


def summary(rounds: Sequence[dict[str, Any]], seed: int) -> str:
    """A table of what became of the rounds, in Markdown."""
    lines = [
        f'{len(rounds)} rounds of `python -m tests.faults --seed={seed}`:'
        f' {sum(r["verdict"] == "ok" for r in rounds)} as promised.',
        '',
        '| injury | processes | rounds | as promised | seconds of a round, median |',
        '|---|---|---|---|---|',
    ]
    for name, count in sorted(Counter(r['injury'] for r in rounds).items()):
        own = [r for r in rounds if r['injury'] == name]
        good = sum(r['verdict'] == 'ok' for r in own)
        middle = statistics.median(r['seconds'] for r in own)
        lines.append(f'| {name} | {INJURIES[name].processes} | {count} | {good} | {middle:.1f} |')
    failed = [r for r in rounds if r['verdict'] != 'ok']
    lines += ['', *(f'- round {r["round"]}, {r["injury"]}: {r["verdict"]}' for r in failed)]
    return '\n'.join(lines).rstrip() + '\n'
