"""Finds faces in photos, offline."""

from collections.abc import Callable
from pathlib import Path
import threading
from typing import NamedTuple

import cv2
import numpy as np

from gan_jax.errors import UserError, nearest


class Face(NamedTuple):
    """A face in a photo.

    Attributes:
      x: left edge in pixels of the photo; the box may not leave the photo.
      y: top edge.
      width: in pixels.
      height: in pixels.
      score: 0..1, higher is surer.
      angle: degrees by which the face is turned in the photo's plane, counterclockwise
        positive; 0.0 where it is not known.
    """

    x: float
    y: float
    width: float
    height: float
    score: float
    angle: float


Detector = Callable[[np.ndarray], list[Face]]

CASCADES = {
    'cat_face': 'haarcascade_frontalcatface_extended.xml',
    'face': 'haarcascade_frontalface_default.xml',
}
SIDE = 320  # pixels of the longer side that is searched


class Cascade:
    """One of OpenCV's cascades. It may be shared by threads: each has one of its own."""

    def __init__(self, file: str):
        self._file = Path(cv2.data.haarcascades) / file
        self._own = threading.local()

    def __call__(self, image: np.ndarray) -> list[Face]:
        if not hasattr(self._own, 'cascade'):
            self._own.cascade = cv2.CascadeClassifier(str(self._file))
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        scale = min(SIDE / max(grey.shape), 1)
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        boxes, _, weights = self._own.cascade.detectMultiScale3(
            grey, scaleFactor=1.1, minNeighbors=3, minSize=(20, 20), outputRejectLevels=True
        )
        faces = [
            Face(*(float(side) / scale for side in box), float(1 / (1 + np.exp(-weight))), 0.0)
            for box, weight in zip(boxes, np.ravel(weights), strict=True)
        ]
        return sorted(faces, key=lambda face: (-face.score, face[:4]))


def make_detector(name: str) -> Detector:
    """A detector by name.

    Raises:
      UserError: there is none of that name.
    """
    if name not in CASCADES:
        raise UserError(f'no detector {name!r}: {nearest(name, CASCADES)}')
    return Cascade(CASCADES[name])
