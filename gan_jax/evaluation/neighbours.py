"""Are the generated images copies? Their nearest training images, and how often those are nearer."""

from typing import NamedTuple

import numpy as np

from gan_jax import images
from gan_jax.evaluation import distances
from gan_jax.evaluation.sets import Measured

PIECES = 8  # parts of the larger set that are compared in turn, at most
SHOWN = 8  # rows of the picture that are the first samples, and as many that are the nearest ones
BESIDE = 4  # neighbours beside each, by pixels and by features
SMALLEST = 56  # pixels: images are enlarged to at least this
GAP = 8  # white pixels between what is shown side by side


def memorisation(
    fake: np.ndarray, training: np.ndarray, held_out: np.ndarray, seed: int = 0
) -> float:
    """The share of samples nearer to training images than to an equal number of held-out ones.

    0.5: training images are no nearer than others, so none is remembered; 1: each sample is a
    copy. Ties count half. Of the larger set up to PIECES random parts of equal number are taken in
    turn, and the share is their mean.

    Args:
      fake, training, held_out: features, float [N, D].
      seed: of the parts.
    """
    count = min(len(training), len(held_out))
    random = np.random.default_rng(seed)

    def pieces(features: np.ndarray) -> list[np.ndarray]:
        """Distances of each sample to its nearest in each part."""
        order = random.permutation(len(features))
        parts = order[: len(order) // count * count].reshape(-1, count)[:PIECES]
        return [distances.nearest(fake, features[part])[1][:, 0] for part in parts]

    shares = [
        np.mean(to_training < to_others) + np.mean(to_training == to_others) / 2
        for to_training in pieces(training)
        for to_others in pieces(held_out)
    ]
    return float(np.mean(shares))


class Rows(NamedTuple):
    """Some samples and their nearest training images.

    Attributes:
      sample: int64 [R], which samples: the first ones, then those nearest to a training image.
      by_pixels, by_features: int64 [R, BESIDE], which training images, the nearest first.
    """

    sample: np.ndarray
    by_pixels: np.ndarray
    by_features: np.ndarray


def find(fake: Measured, training: Measured) -> Rows:
    """The training images nearest to the first samples, and to the nearest ones."""
    gap = distances.nearest(fake.features, training.features)[1][:, 0]
    first = np.arange(min(SHOWN, len(fake)))
    rest = np.argsort(gap, kind='stable')
    close = rest[~np.isin(rest, first)][:SHOWN]
    sample = np.concatenate([first, close])
    count = min(BESIDE, len(training))
    return Rows(
        sample,
        distances.nearest(_flat(fake.image[sample]), _flat(training.image), count)[0],
        distances.nearest(fake.features[sample], training.features, count)[0],
    )


def _flat(image: np.ndarray) -> np.ndarray:
    return image.reshape(len(image), -1).astype(np.float32)


def picture(fake: np.ndarray, training: np.ndarray, rows: Rows) -> np.ndarray:
    """A row for each sample: itself, its nearest by pixels, its nearest by features.

    The first samples are on the left, those nearest to a training image on the right.

    Args:
      fake, training: uint8 [N, H, W, C].
      rows: which.

    Returns:
      uint8 [h, w, C].
    """
    halves = []
    for part in np.array_split(np.arange(len(rows.sample)), 2):
        parts = [fake[rows.sample[part]][:, None]]
        parts += [training[found[part]] for found in (rows.by_pixels, rows.by_features)]
        blocks = [_block(block) for block in parts]
        halves.append(_beside(blocks, GAP))
    height = max(half.shape[0] for half in halves)
    halves = [
        np.pad(half, ((0, height - half.shape[0]), (0, 0), (0, 0)), constant_values=images.PAPER)
        for half in halves
    ]
    return _beside(halves, 4 * GAP)


def _block(image: np.ndarray) -> np.ndarray:
    """A picture of uint8 [rows, columns, H, W, C], small images enlarged."""
    rows, columns, height, width, channels = image.shape
    flat = image.reshape(rows * columns, height, width, channels)
    factor = max(1, -(-SMALLEST // min(height, width)))
    return images.tile(flat.repeat(factor, axis=1).repeat(factor, axis=2), columns)


def _beside(blocks: list[np.ndarray], gap: int) -> np.ndarray:
    space = np.full((blocks[0].shape[0], gap, blocks[0].shape[2]), images.PAPER, np.uint8)
    parts = [part for block in blocks for part in (block, space)]
    return np.concatenate(parts[:-1], axis=1)
