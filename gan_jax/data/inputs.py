"""Inputs that are made from a photo: the same functions for training pairs and for translation."""

from collections.abc import Callable, Sequence
import functools

import numpy as np

from gan_jax.errors import UserError
from gan_jax.fields import Data

Input = Callable[[np.ndarray], np.ndarray]


def grey(photo: np.ndarray) -> np.ndarray:
    """A photo, uint8 [H, W, 3], without its colours, in three equal channels.

    0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), rounded.
    """
    import cv2

    return _three(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY))


def canny(photo: np.ndarray, low: int, high: int) -> np.ndarray:
    """The edges of the grey photo, uint8 [H, W, 3], 255 on 0 (Canny 1986, by OpenCV).

    Args:
      photo: uint8 [H, W, 3], at the size that the network takes: edges are those of this size.
      low: gradient, the L1 norm of 3x3 Sobel derivatives, from which an edge goes on.
      high: gradient from which an edge begins.
    """
    import cv2

    return _three(cv2.Canny(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), low, high))


def _three(plane: np.ndarray) -> np.ndarray:
    return np.repeat(plane[..., None], 3, axis=-1)


MADE = 'grey', 'canny'


def make(config: Data) -> Input:
    """The function of a photo, uint8 [H, W, 3] to the same, that `config.input`, of MADE, names.

    Raises:
      UserError: the thresholds of Canny are not two ascending whole numbers.
    """
    if config.input == 'grey':
        return grey
    low, high = thresholds(config.canny)
    return functools.partial(canny, low=low, high=high)


def thresholds(given: Sequence[int]) -> tuple[int, int]:
    """Canny's two thresholds, checked.

    Raises:
      UserError: they are not two ascending whole numbers from 0 up.
    """
    whole = all(isinstance(value, int) and value >= 0 for value in given)
    if len(given) != 2 or not whole or given[0] > given[1]:
        raise UserError(
            f'config.data.canny={tuple(given)} must be two whole numbers, the lower first,'
            ' e.g. (100, 200)'
        )
    return given[0], given[1]
