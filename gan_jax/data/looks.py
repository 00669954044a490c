"""The look of a set of images as a whole, to notice a picture of another kind.

A net that learned white digits on black reads black ink on white with confidence, and wrongly.
"""

from typing import NamedTuple

import numpy as np

from gan_jax.data.datasets import Dataset
from gan_jax.io import pixels

IMAGES = 256  # of a set that are looked at
FAR = 0.25  # of the whole range, between levels that are another kind of picture
EVEN = 0.1  # standard deviation of the borders of images that lie on one ground
COLOURED = 0.1  # difference of a pixel's channels, on average, from which a picture has colours
NEGATIVE, UNLIKE = 'negative', 'unlike'


class Look(NamedTuple):
    """Levels of a set of images, in [0, 1]."""

    border: float  # of the outermost pixels, on average
    mean: float  # of all pixels
    spread: float  # standard deviation of the borders' means
    coloured: bool  # whether they are

    @property
    def is_ground(self) -> bool:
        """Whether all lie on one ground, dark or light, so that a negative can be told."""
        return self.spread < EVEN and abs(self.border - 0.5) > FAR

    def __str__(self) -> str:
        ground = 'dark on light' if self.border > 0.5 else 'light on dark'
        return f'{ground}: border {self.border:.2f}, mean {self.mean:.2f}'


def of(image: np.ndarray) -> Look:
    """The look of uint8 or uint16 [N, H, W, C], transparent ones over white."""
    levels = pixels.on_white(pixels.eight_bits(image)) / 255
    frame = np.ones(image.shape[1:3], bool)
    frame[1:-1, 1:-1] = False
    borders = levels[:, frame].mean(axis=(1, 2))
    coloured = np.ptp(levels, axis=-1).mean() > COLOURED
    return Look(float(borders.mean()), float(levels.mean()), float(borders.std()), bool(coloured))


def of_dataset(dataset: Dataset) -> Look:
    """The look of a set, by `IMAGES` of it, as they are stored."""
    count = len(dataset.source)
    chosen = np.unique(np.linspace(0, count - 1, IMAGES).astype(int))
    return of(dataset.source.take(chosen).image)


def judge(learned: Look, picture: Look) -> str:
    """The kind of a picture for a net that learned images of a look that `is_ground`.

    Returns:
      '' if it looks as they do, NEGATIVE if its negative does, UNLIKE if neither does.
    """
    if picture.coloured and not learned.coloured:
        return UNLIKE

    def distance(border: float, mean: float) -> float:
        return max(abs(border - learned.border), abs(mean - learned.mean))

    straight = distance(picture.border, picture.mean)
    turned = distance(1 - picture.border, 1 - picture.mean)
    if min(straight, turned) > FAR:
        return UNLIKE
    return NEGATIVE if turned < straight else ''
