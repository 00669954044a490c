"""What there is to know of a data set before training on it."""

import hashlib
from typing import Any

import numpy as np

from gan_jax.data.sources import Dataset


def summarise(dataset: Dataset) -> dict[str, Any]:
    """Facts about a data set, fit for JSON.

    Args:
      dataset: any that fits in memory.

    Returns:
      name, split, images (how many), shape [H, W, C], classes (name -> images, {} without
      labels), duplicates (images whose pixels occurred before), mean and std of all pixels
      in [0, 1], fingerprint.
    """
    images, labels = dataset.arrays()
    levels = np.bincount(images.ravel(), minlength=256)
    mean = float(levels @ np.arange(256) / levels.sum() / 255)
    square = float(levels @ np.arange(256) ** 2 / levels.sum() / 255**2)
    counts = np.bincount(labels, minlength=len(dataset.class_names))
    return dict(
        name=dataset.name,
        split=dataset.split,
        images=len(images),
        shape=list(dataset.spec.image_shape),
        classes=dict(zip(dataset.class_names, map(int, counts), strict=False)),
        duplicates=len(images) - len({hashlib.sha256(image).digest() for image in images}),
        mean=mean,
        std=float(np.sqrt(square - mean**2)),
        fingerprint=dataset.fingerprint,
    )
