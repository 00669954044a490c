"""Measurements of a run while it trains: which, and when."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
import re
from typing import Any, NamedTuple

from gan_jax import data, evaluation, nets, tasks
from gan_jax.data.datasets import Dataset
from gan_jax.errors import UserError, nearest
from gan_jax.evaluation import balance, distances, metrics, pairs, scores, sets
from gan_jax.fields import Config
from gan_jax.pretrained import features
from gan_jax.processes import memory
from gan_jax.states import GanState, Task, Translator

_AUCS = ('auc', 'auc_held_out')  # of training and of held-out images


class Observer(NamedTuple):
    """A measurement that is repeated."""

    period: Fraction  # steps between two of them
    # (state) -> metrics by name; a function of the state alone, so that a resumed run measures what
    # the uninterrupted one does
    measure: Callable[[GanState], Mapping[str, float]]
    # with which its metrics are to be shown, `text.Provenance`; {} where there is nothing
    by: Mapping[str, Any]


def is_due(step: int, period: Fraction | int, count: int) -> bool:
    """Whether a multiple of the period lies in the call of `count` steps that ended at `step`.

    The period need not be whole: an epoch may end in the middle of a step.
    """
    return step // period != (step - count) // period


def make(
    config: Config,
    task: Task,
    dataset: Dataset,
    *,
    images_per_step: int,
    place: Callable[[Any], Any],
) -> tuple[Observer, ...]:
    """The observers that `config.evaluate` asks for.

    Raises:
      UserError: images to compare with, or a feature net, cannot be had.
    """
    own, found = config.evaluate, []
    epoch = Fraction(dataset.spec.num_examples, images_per_step)
    if own.balance and task.logits is not None:
        # Of a small set an epoch is a few steps: to measure each would cost as much as to train.
        period = max(own.balance * epoch, Fraction(config.log_every))
        parts = zip(_AUCS, (dataset, data.held_out(config.data, dataset)), strict=True)
        sample = {name: part for name, part in parts if part is not None}
        found.append(Observer(period, balance.observer(task.logits, sample, config, place), {}))
    if own.every:
        every = Fraction(own.every).limit_denominator(10**6)  # a third, and not its double
        period = max(every * epoch, Fraction(1))  # no more often than at every step
        if task.translator:
            made = _of_pairs(config, task.translator, dataset)
        else:
            made = _of_samples(config, task, dataset)
        found.append(Observer(period, *made))
    return tuple(found)


def warnings(config: Config, dataset: Dataset) -> Iterator[str]:
    """Yields what a user should know of the measurements that a run will make."""
    best = chosen_by(config)
    if best.endswith(metrics.HELD_OUT) and data.held_out(config.data, dataset) is None:
        yield (
            f'warning: no best step is kept: {_field(config)}={best} is of held-out images,'
            ' and there are none'
        )
    if metrics.PAIRS in tasks.TASKS[config.task].measures and config.evaluate.every:
        _, count = _of_splits(config, dataset)
        if config.evaluate.metrics and count < distances.FEWEST:
            yield (
                f'warning: config.evaluate.metrics={config.evaluate.metrics} are not measured: they'
                f' need {distances.FEWEST} pairs of training, and of those held out, if there are'
                f' some; there are {count}'
            )


def _of_samples(
    config: Config, task: Task, dataset: Dataset
) -> tuple[Callable[[GanState], dict[str, float]], dict[str, Any]]:
    """Computes the metrics of `gan-jax evaluate` that `config.evaluate.metrics` asks for."""
    own = config.evaluate
    net = _net(config)
    _refuse_best(config, _names(own.metrics, net), net)
    samples = evaluation.Samples(task, config.seed, own.num_samples)
    reference = evaluation.Reference(sets.others(dataset, config.data), net)
    try:
        metrics.check_numbers(own.num_samples, reference)
    except UserError as error:  # of a flag that the user did not give
        raise UserError(str(error).replace('--reference', 'config.evaluate.every')) from None
    own_images = sets.of_dataset(dataset, config.data, sets.TRAINING, net.training_limit)
    training = evaluation.Reference(own_images, net)

    def measure(state: GanState) -> dict[str, float]:
        found = evaluation.measure(samples(state), reference, training, own.metrics)['figures']
        memory.give_back()  # what a feature net takes, gigabytes, before training goes on
        return {name: value for name, value in found.items() if isinstance(value, int | float)}

    by = {
        'features': net.facts(nets.looked_through(config)),
        'reference': reference.images.facts(),
        'samples': own.num_samples,
    }
    return measure, by


def _of_pairs(
    config: Config, translator: Translator, dataset: Dataset
) -> tuple[Callable[[GanState], dict[str, float]], dict[str, Any]]:
    """Scores of training pairs and of as many held-out ones, and metrics by a feature net."""
    own = config.evaluate
    sets, count = _of_splits(config, dataset)
    only = own.metrics if count >= distances.FEWEST else ()  # see `warnings`
    measured = {
        suffix: pairs.Pairs(split, part, config.data, count)
        for suffix, (split, part) in sets.items()
    }
    net = _net(config) if own.metrics else None
    names = _names((*only, metrics.PAIRS), net)
    ends = '', metrics.HELD_OUT  # without held-out pairs no step is the best: see `warnings`
    _refuse_best(config, [name + end for name in names for end in ends], net)
    *_, photos = map(pairs.photos, measured.values())
    by: dict[str, Any] = {'reference': photos.facts(), 'samples': count}
    if net is not None:
        by = {'features': net.facts(nets.looked_through(config)), **by}
    return pairs.observer(translator, measured, config.data, net, only), by


def _of_splits(config: Config, dataset: Dataset) -> tuple[dict[str, tuple[str, Dataset]], int]:
    """The pairs of each split, by the suffix of their scores, and how many of each are taken."""
    found = {'': (pairs.TRAIN, dataset)}
    if (test := data.held_out(config.data, dataset)) is not None:
        found[metrics.HELD_OUT] = pairs.HELD_OUT, test
    sizes = (part.spec.num_examples for _, part in found.values())
    return found, min(config.evaluate.num_samples, *sizes)


def _net(config: Config) -> evaluation.FeatureNet:
    name = config.evaluate.features or usual_net(config)
    try:
        return evaluation.load_net(name, config.evaluate.weights)
    except UserError as error:  # of flags that the user did not give
        words = re.sub('--(features|weights)', r'--config.evaluate.\1', str(error))
        raise UserError(words) from None


def usual_net(config: Config) -> str:
    """The feature net of a run's images where none is asked for."""
    preferred = data.DATASETS[config.data.name].features
    return features.default(preferred, nets.looked_through(config))


def chosen_by(config: Config) -> str:
    """The metric whose best step is kept; '' if there is none."""
    return config.evaluate.best or config.stop.figure


def _field(config: Config) -> str:
    """The field that names `chosen_by`."""
    return 'config.evaluate.best' if config.evaluate.best else 'config.stop.figure'


def _refuse_best(config: Config, names: Sequence[str], net: evaluation.FeatureNet | None) -> None:
    best = chosen_by(config)
    if best and best not in names:
        means = f'with the features of {net.name}' if net else 'without config.evaluate.metrics'
        raise UserError(f'{_field(config)}={best} is not measured {means}: {nearest(best, names)}')


def _names(made: Sequence[str], net: evaluation.FeatureNet | None) -> list[str]:
    """The metrics by which a checkpoint can be chosen."""
    found = []
    for name, (group, _) in metrics.RANKED.items():
        suffixed = {**metrics.METRICS, **scores.METRICS}[name].suffixed
        if group not in made or (suffixed and net is None):
            continue
        if group != 'classes' or (net and name in features.NETS[net.name].ranked):
            found.append(f'{name}_{net.suffix}' if net and suffixed else name)
    return found


def measure(observers: Sequence[Observer], state: GanState) -> dict[str, float]:
    """All their metrics."""
    return {name: value for o in observers for name, value in o.measure(state).items()}


def best_step(rows: Sequence[Mapping[str, Any]], metric: str) -> int | None:
    """The first step at which a metric was at its best; None if it was never measured."""
    measured = [row for row in rows if row.get(metric) is not None]
    ranked = metrics.ranked(metric)
    if not measured or ranked is None:
        return None
    _, sign = ranked
    return min(measured, key=lambda row: sign * row[metric])['step']


TURN = 3  # measurements in a row that are worse than the best before them


def turned(rows: Sequence[Mapping[str, Any]], metric: str) -> int | None:
    """The best step of a metric of held-out images, if the last TURN were worse, else None."""
    return spent(rows, metric, TURN) if metric.endswith(metrics.HELD_OUT) else None


def spent(rows: Sequence[Mapping[str, Any]], metric: str, patience: int) -> int | None:
    """The best step of a metric, if at least `patience` measurements since were no better."""
    if (best := best_step(rows, metric)) is None:
        return None
    later = [row for row in rows if row['step'] > best and row.get(metric) is not None]
    return best if len(later) >= patience else None
