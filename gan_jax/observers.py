"""What is measured of a run while it trains: what, and when."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from gan_jax import data
from gan_jax.data.sources import Dataset
from gan_jax.evaluation import balance
from gan_jax.states import GanState
from gan_jax.types import Task

# Figures that can choose a checkpoint; 1: lower is better, -1: higher.
RANKED: dict[str, int] = {}


class Observer(NamedTuple):
    """A measurement that is repeated.

    Attributes:
      period: steps between two of them.
      measure: (state) -> figures by name; a function of the state alone, so that a resumed run
        measures what the uninterrupted one does.
    """

    period: Fraction
    measure: Callable[[GanState], Mapping[str, float]]

    def is_due(self, step: int, stride: int) -> bool:
        """Whether a multiple of the period lies in the call of `stride` steps that ended at `step`.

        As many as fit before an epoch's end count as its end: the period need not be whole.
        """
        return step // self.period != (step - stride) // self.period


def make(
    config: ConfigDict,
    task: Task,
    dataset: Dataset,
    *,
    images_per_step: int,
    place: Callable[[Any], Any],
) -> tuple[Observer, ...]:
    """The observers that `config.evaluate` asks for.

    Args:
      config: the run's config.
      task: built without collectives.
      dataset: what the run trains on.
      images_per_step: real images that one generator step uses.
      place: puts arrays where the state is.

    Raises:
      UserError: images to compare with cannot be had.
    """
    epoch = Fraction(dataset.spec.num_examples, images_per_step)
    found = []
    if config.evaluate.balance and task.contest is not None:
        sets = {'auc': dataset}
        if config.data.split == 'train' and 'test' in dataset.splits:
            sets['auc_held_out'] = data.whole(config.data, 'test')
        # Of a small set an epoch is a few steps: measuring then would cost as much as training.
        period = max(config.evaluate.balance * epoch, Fraction(config.log_every))
        found.append(Observer(period, balance.observer(task, sets, config.data, place)))
    return tuple(found)


def measure(observers: Sequence[Observer], state: GanState) -> dict[str, float]:
    """All their figures."""
    return {name: value for o in observers for name, value in o.measure(state).items()}


def best_step(rows: Sequence[Mapping[str, Any]], figure: str) -> int | None:
    """The first step at which a figure was at its best; None if it was never measured.

    Args:
      rows: of evaluations.jsonl.
      figure: one of `RANKED`.
    """
    measured = [row for row in rows if row.get(figure) is not None]
    if not measured:
        return None
    return min(measured, key=lambda row: RANKED[figure] * row[figure])['step']
