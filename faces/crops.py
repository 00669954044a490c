"""Square crops around faces: with a margin, upright, resampled once."""

import math
from typing import NamedTuple

import chex
import numpy as np

from faces.detector import Face

MARGIN = 0.15  # on each side, of the face's longer side
SLACK = 4  # pixels around a cut that the cubic interpolation reaches


class Square(NamedTuple):
    """A square of a photo."""

    x: float  # of its centre, in pixels of the photo from its left edge
    y: float  # of its centre, from the upper edge
    side: float  # in pixels of the photo
    angle: float = 0.0  # degrees by which it is turned counterclockwise

    @property
    def reach(self) -> float:
        """Half the side of the upright square that holds it."""
        turn = math.radians(self.angle)
        return self.side / 2 * (abs(math.cos(turn)) + abs(math.sin(turn)))

    def scaled(self, scale: float) -> 'Square':
        """The same square of the photo at another size."""
        return Square(self.x * scale, self.y * scale, self.side * scale, self.angle)


def around(face: Face, width: int, height: int, margin: float = MARGIN) -> Square:
    """The square that a face is cut out by: its longer side and a margin, turned as it is.

    Where the photo ends, the margin shrinks to what the photo has, then the square moves
    inwards. Pixels that are not in the photo, which `cut` mirrors, are left only where the
    face itself is as large as the photo, or turned in its corner.

    Args:
      face: in pixels of the photo.
      margin: on each side, of the face's longer side.
    """
    longer = max(face.width, face.height)
    wanted = Square(0, 0, longer * (1 + 2 * margin), face.angle)
    fits = wanted.side * min(1, min(width, height) / (2 * wanted.reach))
    square = wanted._replace(side=max(fits, longer))
    x, y = face.x + face.width / 2, face.y + face.height / 2
    return square._replace(x=_inside(x, square.reach, width), y=_inside(y, square.reach, height))


def centred(width: int, height: int) -> Square:
    """The largest upright square in the middle of a photo."""
    return Square(width / 2, height / 2, min(width, height))


def cut(image: np.ndarray, square: Square, size: int) -> np.ndarray:
    """Cuts a square out of a photo.

    Each pixel is the mean of the cubic interpolation of the photo over the pixel's own square:
    antialiased when the photo is reduced, smooth when it is enlarged. What lies outside of the
    photo is mirrored at its edge.

    Args:
      image: uint8 [H, W, 3].

    Returns:
      uint8 [size, size, 3].
    """
    import cv2

    chex.assert_rank(image, 3)
    image, square = _near(image, square)
    samples = max(math.ceil(square.side / size), 1)  # a side of each pixel
    side = size * samples
    fine = cv2.warpAffine(
        image,
        _affine(square, side),
        (side, side),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )
    return cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)


def _affine(square: Square, side: int) -> np.ndarray:
    """[2, 3]: from pixels of the result to pixels of the photo, both by their centres."""
    turn, step = math.radians(square.angle), square.side / side
    across = np.array([math.cos(turn), -math.sin(turn)]) * step
    down = np.array([math.sin(turn), math.cos(turn)]) * step
    corner = np.array([square.x, square.y]) - (across + down) * side / 2
    return np.column_stack([across, down, corner + (across + down) / 2 - 0.5])


def _near(image: np.ndarray, square: Square) -> tuple[np.ndarray, Square]:
    """The part of a photo that a cut needs: OpenCV warps no side of 32,768 pixels or more."""
    height, width = image.shape[:2]
    reach = square.reach + SLACK
    left, right = (round(min(max(square.x + r, 0), width)) for r in (-reach, reach))
    top, bottom = (round(min(max(square.y + r, 0), height)) for r in (-reach, reach))
    part = np.ascontiguousarray(image[top:bottom, left:right])
    return part, square._replace(x=square.x - left, y=square.y - top)


def _inside(centre: float, reach: float, side: float) -> float:
    """The nearest place whose reach does not leave 0..side; the middle if there is none."""
    if 2 * reach >= side:
        return side / 2
    return min(max(centre, reach), side - reach)
