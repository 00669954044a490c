"""A verdict on a run by its metrics, in a few words, by rules."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gan_jax.evaluation import balance, metrics
from gan_jax.report.run import Run

FEWEST = 4  # measurements of samples from which a trend is told
LESS = 0.05  # by which a distance falls from one quarter of them to the next, or it stands still
WORSE = 0.2  # above its least value, and a distance is said to have been better before
COPIES = 0.05  # share of samples that is worth a word

Rows = Sequence[Mapping[str, Any]]


def sentences(run: Run) -> list[str]:
    """How good the samples are, how training went on, and what went wrong, as far as is known."""
    found = run.evaluation.get('figures', {})
    said = [*_quality(found, run.evaluation.get('real', {})), *_trend(run.evaluations)]
    if found and (lost := balance.epoch_lost(run.evaluations)) is not None:
        said.append(f'the discriminator was nearly always right from epoch {lost:,} on')
    if not found and run.rows and 'splits' not in run.evaluation:
        said.append('how good its images are is not measured yet: gan-jax evaluate does')
    return said


def _quality(found: Mapping[str, Any], real: Mapping[str, float]) -> Iterator[str]:
    if found.get('collapsed'):
        yield 'the samples have collapsed: they differ half as much as real images do, or less'
    elif real.get('cat_share', 0) > 0.5:
        yield _read('look like cats', found, real, 'cat_share')
    elif real.get('readable_share', 0) > 0.5:
        yield _read('look like digits', found, real, 'readable_share')
    elif 'precision' in found:
        yield f'{found["precision"]:.0%} of the samples look like real images to {NET}'
    if found.get('copies', 0) > COPIES:
        yield f'{found["copies"]:.0%} of the samples are copies of training images'


NET = 'a net that had no part in training'


def _read(what: str, found: Mapping[str, Any], real: Mapping[str, float], name: str) -> str:
    if name not in found:
        return f'{real[name]:.0%} of the real images {what} to {NET}'
    shares = f'{found[name]:.0%} of the samples {what} to {NET}'
    return f'{shares} ({real[name]:.0%} of the real images do)'


def _trend(rows: Rows) -> Iterator[str]:
    """The trend of the samples' distance, a quarter of the measurements at a time."""
    names = {name for row in rows for name in row if name.startswith(('frechet_', 'kid_'))}
    name = min(names - {n for n in names if n.endswith('_std')}, default='')
    measured = [row for row in rows if row.get(name) is not None]
    if len(measured) < FEWEST or metrics.ranked(name) is None:
        return
    values = [row[name] for row in measured]
    part = len(values) // FEWEST
    last, before = sum(values[-part:]) / part, sum(values[-2 * part : -part]) / part
    least = min(values)
    if last < (1 - LESS) * before:
        yield 'still improving when it ended'
    elif last > (1 + WORSE) * least and least > 0:
        yield f'better at step {measured[values.index(least)]["step"]:,} than when it ended'
    else:
        yield 'no longer improving when it ended'
