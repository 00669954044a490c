"""Are the generated images copies? Their nearest training images, and how near they are."""

from typing import NamedTuple

import numpy as np

from gan_jax.evaluation import distances
from gan_jax.evaluation.sets import Measured, Reference
from gan_jax.io import images

PIECES = 8  # parts of the larger set that are compared in turn, at most
ISOLATION_K = 5  # which neighbour a nearest one is compared with
COPY = 1 / 3  # isolation below which a sample is a copy
SHOWN = 8  # rows of the picture, of the first samples and of those most like a copy
BESIDE = 4  # neighbours beside each, by pixels and by features
SMALLEST = 56  # pixels: images are enlarged to at least this
PART = 1_024  # images that are compared at once
GAP = 8  # white pixels between what is shown side by side


def memorisation(
    fake: np.ndarray, training: np.ndarray, held_out: np.ndarray, seed: int = 0
) -> float:
    """The share of samples nearer to training images than to an equal number of held-out ones.

    0.5: training images are no nearer than others, so none is remembered; 1: each sample is a
    copy. Ties count half. Of the larger set up to PIECES random parts of equal number are taken in
    turn, and the share is their mean: if there are N times as many training images, copies are
    found by one part in N, and the share of a run that only copies is (1 + 1 / N) / 2.

    Args:
      fake: features, float [M, D].
      training, held_out: features of each image's views, float [N, V, D].
    """
    count = min(len(training), len(held_out))
    random = np.random.default_rng(seed)

    def pieces(views: np.ndarray) -> list[np.ndarray]:
        """Distances of each sample to its nearest in each part."""
        order = random.permutation(len(views))
        parts = order[: len(order) // count * count].reshape(-1, count)[:PIECES]
        flat = (views[part].reshape(-1, views.shape[-1]) for part in parts)
        return [distances.nearest(fake, part)[1][:, 0] for part in flat]

    shares = [
        np.mean(to_training < to_others) + np.mean(to_training == to_others) / 2
        for to_training in pieces(training)
        for to_others in pieces(held_out)
    ]
    return float(np.mean(shares))


def isolation(fake: np.ndarray, training: np.ndarray) -> np.ndarray:
    """How much nearer than others each sample's nearest training image is: float64 [M] in [0, 1].

    The distance to it over that to the ISOLATION_K-th nearest, by features [M, D] and [N, D]. New
    images have several neighbours about as near, a copy has one (Yoon et al. 2023, "Diffusion
    probabilistic models generalize when they fail to memorize", with the second nearest, which a
    near duplicate would be).
    """
    distance = distances.nearest(fake, training, min(ISOLATION_K, len(training)))[1]
    return distance[:, 0] / np.maximum(distance[:, -1], 1e-12)


class Rows(NamedTuple):
    """Some samples and their nearest training images."""

    sample: np.ndarray  # int64 [R], which samples: the first ones, then those most like a copy
    by_pixels: np.ndarray  # int64 [R, BESIDE], which training images, the nearest first
    by_features: np.ndarray  # int64 [R, BESIDE], which training images, the nearest first


def find(fake: Measured, training: Reference, isolated: np.ndarray) -> Rows:
    """The training images nearest to the first samples, and to those most like a copy.

    Mirror images count if training showed them.
    """
    first = np.arange(min(SHOWN, len(fake)))
    rest = np.argsort(isolated, kind='stable')
    sample = np.concatenate([first, rest[~np.isin(rest, first)][:SHOWN]])
    image, features = training.shown, training.shown_features
    count = min(BESIDE, len(image))
    return Rows(
        sample,
        distances.nearest(_flat(fake.image[sample]), _flat(image), count)[0],
        distances.nearest(fake.features[sample], features, count)[0],
    )


def by_pixels(image: np.ndarray, others: np.ndarray, count: int) -> np.ndarray:
    """The numbers of the images nearest to one by their pixels, the nearest first: int64 [count].

    They, uint8 [N, H, W, C], are compared a part at a time, so that memory does not grow with N.
    """
    wanted = _flat(image[None])
    parts = (others[start : start + PART] for start in range(0, len(others), PART))
    distance = np.concatenate([np.square(_flat(part) - wanted).sum(axis=1) for part in parts])
    return np.argsort(distance, kind='stable')[:count]


def _flat(image: np.ndarray) -> np.ndarray:
    return image.reshape(len(image), -1).astype(np.float32)


def picture(fake: np.ndarray, training: np.ndarray, rows: Rows) -> np.ndarray:
    """A row for each sample: itself, its nearest by pixels, its nearest by features.

    The first samples are on the left, those most like a copy on the right. Of uint8 [N, H, W, C]
    each: uint8 [h, w, C].
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
