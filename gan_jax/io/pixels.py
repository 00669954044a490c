"""Images of other kinds, transparent or of 16 bits, as a person and a net for photos see them.

Transparent images are RGBA whose colours are multiplied by alpha, as films are composed (Porter and
Duff 1984, doi:10.1145/800031.808606): under zero alpha there is one colour, black, and so nothing
to learn, and what lies between two pixels is their mean, whatever their alpha is.
"""

import numpy as np

PAPER = 255  # white
SQUARE = 8  # pixels a side, of the checkerboard behind transparent pixels
LEVELS = 204, 255  # of its squares


def eight_bits(image: np.ndarray) -> np.ndarray:
    """uint8 of uint8 or uint16 of any shape: the nearest of its levels, 257 of which are one."""
    if image.dtype != np.uint16:
        return image
    return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)


def straight(image: np.ndarray) -> np.ndarray:
    """Colours as files have them, not multiplied by alpha: uint8 or uint16 [..., 4] to the same.

    Black where alpha is 0.
    """
    most, alpha = np.uint64(np.iinfo(image.dtype).max), image[..., 3:].astype(np.uint64)
    colour = (image[..., :3] * most + alpha // 2) // np.maximum(alpha, 1)
    colour = np.where(alpha > 0, np.minimum(colour, most), 0)
    return np.concatenate([colour, alpha], axis=-1).astype(image.dtype)


def over(image: np.ndarray, ground: np.ndarray | int) -> np.ndarray:
    """Transparent images, uint8 [..., H, W, 4] multiplied by alpha, over a ground: [..., H, W, 3].

    Others, C = 1 or 3, stay as they are. The ground's levels are broadcast with [..., H, W, 1].
    """
    if image.shape[-1] != 4:
        return image
    seen = (ground * (255 - image[..., 3:].astype(np.uint32)) + 127) // 255
    return np.minimum(image[..., :3] + seen, 255).astype(np.uint8)


def on_white(image: np.ndarray) -> np.ndarray:
    """`over` white, which is what a set without alpha is made from: uint8 [..., C], C = 1 or 3."""
    return over(image, PAPER)


def checkered(image: np.ndarray) -> np.ndarray:
    """`over` a checkerboard, as a person is shown what is transparent."""
    if image.shape[-1] != 4:
        return image
    rows, columns = (np.arange(side) // SQUARE for side in image.shape[-3:-1])
    return over(image, np.array(LEVELS, np.uint32)[(rows[:, None] + columns) % 2][..., None])
