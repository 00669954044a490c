"""Finds faces in photos, offline.

`tools/train_cat_faces.py` trains the net that finds cats; docs/why/cleaning.md tells how well.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
import threading
from typing import NamedTuple

import cv2
from cv2 import data as cascades
import numpy as np

from gan_jax.errors import UserError, nearest


class Face(NamedTuple):
    """A face in a photo."""

    x: float  # left edge in pixels of the photo; the box does not leave the photo
    y: float  # top edge
    width: float  # in pixels
    height: float  # in pixels
    score: float  # 0..1, higher is surer
    # degrees by which the face is turned in the photo's plane, counterclockwise positive; 0.0 where
    # it is not known
    angle: float


Detector = Callable[[np.ndarray], list[Face]]

# OpenCV runs the net: it starts at once, whatever the photo's size, where XLA would compile for
# a second and its convolutions on a CPU are slow.
STRIDE = 8  # pixels of the net's input a cell of its output
SIDE = 256  # the net's input; the photo is reduced or enlarged to fit, and padded with grey
MEAN, SPREAD = 127.0, 128.0  # of the pixels, as EfficientNet-Lite has them
THRESHOLD = 0.55  # by cross-validation and by eye, see docs/why/cleaning.md
OVERLAP = 0.45  # of two faces with a higher IoU, the surer one stays
WEIGHTS = Path(__file__).with_name('cat_face.onnx')


def letterbox(image: np.ndarray, side: int = SIDE) -> tuple[np.ndarray, float]:
    """uint8 [side, side, 3] that holds the photo in its upper left, and its scale."""
    scale = side / max(image.shape[:2])
    height, width = (max(round(n * scale), 1) for n in image.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    square = np.full((side, side, 3), 127, np.uint8)
    square[:height, :width] = cv2.resize(image, (width, height), interpolation=how)
    return square, scale


def decode(maps: np.ndarray, scale: float, size: tuple[int, int], threshold: float) -> list[Face]:
    """The faces that the net's output tells of, by falling score.

    Args:
      maps: float32 [6, h, w]: logit of a face's centre; logs of the distances in cells to its
        left, top, right and bottom; its roll in radians.
      scale: of the net's input, relative to the photo.
      size: the photo's height and width.
      threshold: the least score.
    """
    heat = 1 / (1 + np.exp(-maps[0]))
    peak = heat == cv2.dilate(heat, np.ones((3, 3), np.uint8))
    rows, columns = np.nonzero(peak & (heat >= threshold))
    faces = []
    for row, column in zip(rows, columns, strict=True):
        sides = np.exp(np.minimum(maps[1:5, row, column], 5.0))
        centre = np.array([column, row]) + 0.5
        low, high = (centre - sides[:2]) * STRIDE / scale, (centre + sides[2:]) * STRIDE / scale
        low, high = (np.clip(corner, 0, size[::-1]) for corner in (low, high))
        angle = np.degrees(maps[5, row, column])
        values = (*low, *(high - low), heat[row, column], angle)
        faces.append(Face(*(float(value) for value in values)))
    return suppress(faces)


def suppress(faces: list[Face]) -> list[Face]:
    """Sorts by falling score, without boxes that overlap a surer one."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(overlap(face, other) < OVERLAP for other in kept):
            kept.append(face)
    return kept


def overlap(a: Face, b: Face) -> float:
    """Intersection over union of two faces' boxes."""
    width = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    height = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    both = max(width, 0.0) * max(height, 0.0)
    return both / max(a.width * a.height + b.width * b.height - both, 1e-9)


class CatFaces:
    """The detector of cat faces. It may be shared by threads: each has a net of its own."""

    def __init__(self, weights: Path = WEIGHTS, threshold: float = THRESHOLD, side: int = SIDE):
        self._weights, self._threshold, self._side = weights, threshold, side
        self._own = threading.local()

    def _net(self) -> cv2.dnn.Net:
        # A cv2.dnn.Net holds its activations, so that two threads would mix theirs.
        if not hasattr(self._own, 'net'):
            self._own.net = cv2.dnn.readNetFromONNX(str(self._weights))
        return self._own.net

    def __call__(self, image: np.ndarray) -> list[Face]:
        square, scale = letterbox(image, self._side)
        net = self._net()
        net.setInput(cv2.dnn.blobFromImage(square, 1 / SPREAD, mean=(MEAN,) * 3))
        return decode(net.forward()[0], scale, image.shape[:2], self._threshold)


class HumanFaces:
    """The detector of upright human faces: OpenCV's cascades. It may be shared by threads.

    A face of the one cascade stays if another cascade finds it too, with a weight above
    `CONFIRMED`: on cats that halves what is reported. The angle is the eyes' where just two
    are found.
    """

    CONFIRMED = 2.0
    SIDE = 512  # larger photos are reduced to it
    CASCADES = ('frontalface_alt', 'frontalface_default', 'eye')

    def __init__(self) -> None:
        self._own = threading.local()

    def _cascades(self) -> list[cv2.CascadeClassifier]:
        # A cascade keeps its pyramid of the last image, so that two threads would mix theirs.
        if not hasattr(self._own, 'cascades'):
            files = (f'{cascades.haarcascades}haarcascade_{name}.xml' for name in self.CASCADES)
            self._own.cascades = [cv2.CascadeClassifier(file) for file in files]
        return self._own.cascades

    def __call__(self, image: np.ndarray) -> list[Face]:
        finder, confirmer, eyes = self._cascades()
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        scale = min(self.SIDE / max(grey.shape), 1.0)
        height, width = (max(round(n * scale), 1) for n in grey.shape)
        grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
        boxes = finder.detectMultiScale(grey, 1.1, 4, minSize=(28, 28))
        if not len(boxes):
            return []
        others, _, weights = confirmer.detectMultiScale3(
            grey, 1.1, 2, minSize=(24, 24), outputRejectLevels=True
        )
        near = [_face(b, float(w)) for b, w in zip(others, weights, strict=True)]
        faces = []
        for box in boxes:
            face = _face(box)
            same = [other.score for other in near if overlap(face, other) > 0.4]
            weight = max(same, default=0.0)
            if weight > self.CONFIRMED:
                score = 1 / (1 + np.exp(-(weight - self.CONFIRMED) / 2))
                angle = _eye_angle(grey, box, eyes)
                faces.append(_face(box, float(score), angle, scale))
        return suppress(faces)


def _face(box: Sequence[int], score: float = 0.0, angle: float = 0.0, scale: float = 1.0) -> Face:
    """The face of a box that was found in a photo reduced to this scale."""
    x, y, width, height = (float(side) / scale for side in box)
    return Face(x, y, width, height, score, angle)


def _eye_angle(grey: np.ndarray, box: Sequence[int], eyes: cv2.CascadeClassifier) -> float:
    """Degrees, counterclockwise, of the line between the eyes; 0.0 unless there are two."""
    x, y, width, height = box
    upper = cv2.resize(grey[y : y + int(0.6 * height), x : x + width], (160, 96))
    found = eyes.detectMultiScale(upper, 1.05, 4, minSize=(20, 20), maxSize=(64, 64))
    if len(found) != 2:
        return 0.0
    (left_x, left_y), (right_x, right_y) = sorted((a + c / 2, b + d / 2) for a, b, c, d in found)
    if right_x - left_x < 40:  # a quarter of the face: not two eyes
        return 0.0
    return float(np.degrees(np.arctan2(left_y - right_y, right_x - left_x)))


def make_detector(name: str) -> Detector:
    """A detector by name: 'cat_face', or 'face' of humans.

    It takes a photo, uint8 RGB [H, W, 3] of any size, and gives its faces by falling score,
    of which no two overlap much. It may be shared by threads.

    Raises:
      UserError: there is none of that name.
    """
    makers: dict[str, Callable[[], Detector]] = {'cat_face': CatFaces, 'face': HumanFaces}
    if name not in makers:
        raise UserError(f'There is no detector {name!r}: {nearest(name, makers)}.')
    return makers[name]()
