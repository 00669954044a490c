"""A summary of a data set, to be read before training on it."""

from collections import Counter
from collections.abc import Iterator
import hashlib
from typing import Any

import numpy as np

from gan_jax.data import duplicates, from_files
from gan_jax.data.classes import by_attribute
from gan_jax.data.datasets import CHUNK, Dataset
from gan_jax.fields import Data
from gan_jax.io import pixels
from gan_jax.types import Batch


def summarise(dataset: Dataset) -> dict[str, Any]:
    """Facts about a data set, fit for JSON; a chunk of it at a time is in memory.

    Returns:
      name, split, images (how many), shape [H, W, C] and panels as training sees them, attributes
      (name -> images that have it) where classes are combinations of such, classes
      (name -> images, {} without labels), unlabelled (images that have no class where others
      have), duplicates (images whose pixels occurred before),
      mean and std of all pixels in [0, 1], fingerprint. Of a user's own images also
      near_duplicates (images in groups that look alike, groups, images in the largest; of pairs
      the photos are compared) and what `dataset.facts` says.
    """
    facts = dict(dataset.facts())
    levels = np.zeros(256, np.int64)
    classes = np.zeros(len(dataset.class_names), np.int64)
    unlabelled = 0
    digests: set[bytes] = set()
    hashes = []
    for batch in _chunks(dataset):
        levels += np.bincount(pixels.eight_bits(batch.image).ravel(), minlength=256)
        known = batch.label[batch.label >= 0]
        unlabelled += len(batch.label) - len(known)
        classes += np.bincount(known, minlength=len(classes))[: len(classes)]
        digests.update(hashlib.sha256(image).digest() for image in batch.image)
        if facts:
            hashes.append(duplicates.perceptual_hashes(duplicates.photos(batch.image)))
    mean = float(levels @ np.arange(256) / levels.sum() / 255)
    square = float(levels @ np.arange(256) ** 2 / levels.sum() / 255**2)
    named = dict(zip(dataset.class_names, map(int, classes), strict=True))
    having = by_attribute(named)
    return dict(
        name=dataset.name,
        split=dataset.split,
        images=len(dataset.source),
        shape=list(dataset.spec.image_shape),
        panels=dataset.spec.panels,
        **(
            {'attributes': {n: having[n] for n in dataset.attributes}} if dataset.attributes else {}
        ),
        classes=named,
        unlabelled=unlabelled,
        duplicates=len(dataset.source) - len(digests),
        **(dict(near_duplicates=_alike(np.concatenate(hashes))) if facts else {}),
        mean=mean,
        std=float(np.sqrt(square - mean**2)),
        **facts,
        fingerprint=dataset.fingerprint,
    )


def warnings(dataset: Dataset, config: Data) -> Iterator[str]:
    """Warnings before training on a set: few images, none held out."""
    count = dataset.spec.num_examples
    if count < config.enough:
        yield (
            f'warning: {count} images are fewer than {config.enough}: expect copies of them rather'
            ' than new ones; more photos of the same kind help most'
        )
    if config.held_out and config.split == 'train' and 'test' not in dataset.splits:
        yield (
            f'warning: {from_files.none_held_out(config, len(dataset.source))}; until then samples'
            ' are measured against the training images'
        )


def _chunks(dataset: Dataset) -> Iterator[Batch[np.ndarray]]:
    count = len(dataset.source)
    for start in range(0, count, CHUNK):
        yield dataset.source.take(np.arange(start, min(start + CHUNK, count)))


def _alike(hashes: np.ndarray) -> dict[str, int]:
    sizes = [size for size in Counter(duplicates.groups(hashes).tolist()).values() if size > 1]
    return dict(images=sum(sizes), groups=len(sizes), largest=max(sizes, default=0))
