"""Which labels training may see: the others are removed before anything else gets the set.

What trains, and all that is chosen on the way, then depends on the images and on the labels of
the budget alone.
"""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from gan_jax.data import cache, parallel
from gan_jax.data.datasets import CHUNK, Dataset, Source
from gan_jax.errors import UserError
from gan_jax.fields import Labels
from gan_jax.types import Batch

MODES = 'balanced', 'uniform', 'first'
NONE = -1  # the label of an image without one


class Budget(NamedTuple):
    """Indices of the images whose labels may be seen, int64, ascending."""

    training: np.ndarray  # [n - v], what the run trains on
    validation: np.ndarray  # [v], kept from it to choose settings, or when to stop


def restrict(dataset: Dataset, config: Labels) -> Dataset:
    """The set with the labels that training may see, as its fingerprint says.

    Raises:
      UserError: there is no such budget in this set.
    """
    labels = dataset.source.labels()
    if not (config.number or config.validation or config.alone):
        if (labels == NONE).any() and not dataset.attributes:
            _check_present(labels, dataset.class_names)
        return dataset
    chosen = draw(labels, dataset.class_names, config).training
    shown = np.full_like(labels, NONE)
    shown[chosen] = labels[chosen]
    return _with_labels(dataset, shown, chosen if config.alone else np.arange(len(labels)))


def validation(dataset: Dataset, config: Labels) -> Dataset:
    """The labelled images of the budget that training does not get the labels of.

    Raises:
      UserError: no label is kept for it.
    """
    if not config.validation:
        raise UserError(
            'config.data.labels.validation=0: the run kept no label of its budget for validation'
        )
    labels = dataset.source.labels()
    return _with_labels(dataset, labels, draw(labels, dataset.class_names, config).validation)


def draw(labels: np.ndarray, class_names: tuple[str, ...], config: Labels) -> Budget:
    """Chooses the budget among labels, int32 [N], of which -1 is none.

    In an order that does not depend on the labels: that of the set for the mode 'first', else a
    random one. 'balanced' takes the first ones of each class, as somebody would who labels
    images until every class has its share; the others take the first ones that have a label at
    all, and do not look at what it is.

    Raises:
      UserError: there are fewer labels, or a class would have none.
    """
    _check_labels(labels, class_names)
    order = np.arange(len(labels))
    if config.mode != 'first':
        order = np.random.Generator(np.random.PCG64(config.seed)).permutation(order)
    order = order[labels[order] != NONE]
    number = config.number or len(order)
    if not config.validation < number <= len(order):
        raise UserError(
            f'config.data.labels.number={number} must lie above config.data.labels.validation='
            f'{config.validation} and at most at {len(order)}, the labelled images of the set'
        )
    if config.mode == 'balanced' and config.number:
        parts = _balanced(labels, order, class_names, config)
    else:
        parts = order[: number - config.validation], order[number - config.validation : number]
    _check_present(labels[parts[0]], class_names)
    return Budget(*map(np.sort, parts))


def _check_present(labels: np.ndarray, class_names: tuple[str, ...]) -> None:
    """Raises UserError if a class has none of the labels, int32 [N], that training sees."""
    known = labels[labels != NONE]
    for number, name in enumerate(class_names):
        if not (known == number).any():
            raise UserError(
                f'config.data.labels: class {name!r} has no label among the {len(known)} for'
                ' training; raise number, choose another seed, mode=balanced, or sort more images'
                ' into it'
            )


def _check_labels(labels: np.ndarray, class_names: tuple[str, ...]) -> None:
    if len(class_names) < 2:
        raise UserError(
            f'config.data.labels: the set has {len(class_names) or "no"} class'
            f'{"" if len(class_names) else "es"}, and a budget of labels needs at least 2; of a'
            ' folder, the sub-folders are the classes'
        )
    wrong = (labels < NONE) | (labels >= len(class_names))
    if wrong.any():
        raise UserError(
            f'config.data.path: image {np.flatnonzero(wrong)[0]} has the label'
            f' {labels[wrong][0]}, and those of {len(class_names)} classes are 0 to'
            f' {len(class_names) - 1} (-1: none); mend the set'
        )


def _balanced(
    labels: np.ndarray, order: np.ndarray, class_names: tuple[str, ...], config: Labels
) -> tuple[np.ndarray, np.ndarray]:
    """The first ones of each class in the order, for training and then for validation."""
    num_classes = len(class_names)
    for field in ('number', 'validation'):
        if config[field] % num_classes:
            fits = max(round(config[field] / num_classes), 1) * num_classes
            raise UserError(
                f'config.data.labels.{field}={config[field]} cannot be balanced over'
                f' {num_classes} classes: use {fits}, or config.data.labels.mode=uniform'
            )
    share = config.number // num_classes
    kept = share - config.validation // num_classes
    of_class = [order[labels[order] == number] for number in range(num_classes)]
    for name, members in zip(class_names, of_class, strict=True):
        if len(members) < share:
            raise UserError(
                f'config.data.labels.number={config.number} takes {share} images of each class,'
                f' and class {name!r} has {len(members)}: lower it, or set mode=uniform'
            )
    training = np.concatenate([members[:kept] for members in of_class])
    return training, np.concatenate([members[kept:share] for members in of_class])


class Shown(Source):
    """Some of a source's examples, with labels of their own."""

    def __init__(self, source: Source, labels: np.ndarray, indices: np.ndarray):
        """Takes the source, a label for each of its examples, and which are shown."""
        self._source = source
        self._labels = labels[indices]
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def take(self, indices: np.ndarray) -> Batch[np.ndarray]:
        return Batch(self._source.take(self._indices[indices]).image, self._labels[indices])

    def arrays(self) -> Batch[np.ndarray]:
        images = self._source.arrays().image
        whole = len(self) == len(images)
        return Batch(images if whole else images[self._indices], self._labels)

    def labels(self) -> np.ndarray:
        return self._labels


def _with_labels(dataset: Dataset, labels: np.ndarray, indices: np.ndarray) -> Dataset:
    spec = dataset.spec._replace(num_examples=len(indices))
    source = Shown(dataset.source, labels, indices)
    fingerprint = _fingerprint(source, len(indices) * math.prod(spec.image_shape))
    return dataclasses.replace(dataset, spec=spec, fingerprint=fingerprint, source=source)


def _fingerprint(source: Source, size: int) -> str:
    """The fingerprint a prepared set would have; sets too large to reside are hashed in parts."""
    if size <= cache.RESIDENT_LIMIT:
        batch = source.arrays()
        return cache.fingerprint(batch.image.shape[1:], cache.example_digests(batch))

    def account(indices: np.ndarray) -> tuple[tuple[int, ...], np.ndarray]:
        batch = source.take(indices)
        return batch.image.shape[1:], cache.example_digests(batch)

    chunks = np.array_split(np.arange(len(source)), -(-len(source) // CHUNK))
    shapes, digests = zip(*parallel.ordered_map(account, chunks), strict=True)
    return cache.fingerprint(shapes[0], np.concatenate(digests))
