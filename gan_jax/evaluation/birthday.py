"""How many distinct images there are: the birthday test.

Arora and Zhang 2017, arXiv:1706.08224: if nearly equal ones turn up among a few samples, the
generator makes few kinds. Of n images of which c pairs are alike there are about n(n - 1) / 2c
kinds, fewer if some come more often. It needs no feature net.
"""

from typing import NamedTuple

import numpy as np

from gan_jax.evaluation import distances

SIDE = 16  # pixels at which images are compared: details of a face are gone, its pose is not
ALIKE = 0.2  # of the median distance of two real images, up to which two images are one kind
LIMIT = 10_000  # images that are compared with each other, at random but always the same
PAIRED = 1_000  # real images of whose pairs the median is taken


class Kinds(NamedTuple):
    """How many kinds of images there are."""

    # the estimate; with no pair alike a lower bound, what a single pair would make it
    number: float
    pairs: int  # that are alike


def reduced(image: np.ndarray) -> np.ndarray:
    """Images, uint8 [N, H, W, C], at SIDE x SIDE, by area: float32 [min(N, LIMIT), SIDE^2 * C]."""
    import cv2

    part = image[_part(len(image), LIMIT)]
    small = [cv2.resize(x, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for x in part]
    return np.stack(small).reshape(len(part), -1).astype(np.float32)


def _part(count: int, limit: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).permutation(count)[:limit])


def radius(real: np.ndarray) -> float:
    """The distance up to which images are alike, by `reduced` real ones, [N, D], N at least 2."""
    part = real[_part(len(real), PAIRED)]
    pairs = np.triu_indices(len(part), 1)
    squared = np.concatenate([rows for _, rows in distances.blocks(part, part)])
    return ALIKE * float(np.sqrt(np.median(squared[pairs])))


def count(image: np.ndarray, within: float) -> Kinds:
    """The kinds among images, where those are alike that lie within a distance."""
    twice = 0
    for rows, squared in distances.blocks(image, image, np.float32):
        place = np.arange(rows.start, rows.stop)
        squared[place - rows.start, place] = np.inf  # itself
        twice += int(np.count_nonzero(squared <= within**2))
    pairs = twice // 2
    return Kinds(len(image) * (len(image) - 1) / (2 * max(pairs, 1)), pairs)
