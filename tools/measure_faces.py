"""Precision, recall and speed of a face detector on photos with known boxes.

python tools/measure_faces.py --photos=DIR --boxes=CSV
"""

from collections.abc import Iterable, Mapping, Sequence
import csv
import hashlib
from pathlib import Path
import time
from typing import NamedTuple

from absl import app, flags
import cv2
from cv2 import data as opencv_data
import numpy as np

from faces.detector import Detector, Face, make_detector, overlap, suppress
from gan_jax.errors import UserError

RIGHT_IOU = 0.4


class Photo(NamedTuple):
    """A photo and its true faces."""

    path: Path  # the file
    boxes: np.ndarray  # float64 [N, 4] of centre x, centre y, width, height, relative to the photo
    held_out: bool  # whether training and the choice of thresholds leave it alone


class Counts(NamedTuple):
    """Faces that exist, faces that were reported, and those of them that are right."""

    true: int
    reported: int
    right: int

    @property
    def precision(self) -> float:
        """The share of the reported faces that are right, 0..1."""
        return self.right / max(self.reported, 1)

    @property
    def recall(self) -> float:
        """The share of the true faces that were found, 0..1."""
        return self.right / max(self.true, 1)


def draw(path: Path) -> int:
    """0..255 from the file's content (the first byte of its sha256), whatever its name."""
    return hashlib.sha256(path.read_bytes()).digest()[0]


def read_photos(folder: Path, boxes: Path) -> list[Photo]:
    """The photos that `boxes` names, by name. Half of them are held out: those of odd `draw`.

    Raises:
      UserError: a file is missing, or a row is not file,cx,cy,w,h.
    """
    faces: dict[str, list[list[float]]] = {}
    try:
        with boxes.open(encoding='utf-8', newline='') as file:
            for row in csv.DictReader(file):
                box = [float(row[key]) for key in ('cx', 'cy', 'w', 'h')]
                faces.setdefault(row['file'], []).append(box)
        paths = {name: folder / name for name in sorted(faces)}
        return [Photo(p, np.array(faces[n]), draw(p) % 2 == 1) for n, p in paths.items()]
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise UserError(f'--boxes={boxes} with --photos={folder}: {error}') from error


def read_rgb(path: Path) -> np.ndarray:
    """uint8 [H, W, 3], turned upright as its EXIF says.

    Raises:
      UserError: it is no image.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise UserError(f'{path} is not an image.')
    return np.ascontiguousarray(image[..., ::-1])


def count(faces: Sequence[Face], boxes: np.ndarray, size: tuple[int, int]) -> Counts:
    """Compares one photo's faces, by falling score, with the true boxes, [N, 4], relative.

    A face is right if its centre lies in a true box, their IoU is at least `RIGHT_IOU`, and
    no face of a higher score took that box.
    """
    left = [_true_face(box * np.array([size[1], size[0]] * 2)) for box in boxes]
    right = 0
    for face in faces:
        inside = [true for true in left if _is_centred_in(face, true)]
        best = max(inside, key=lambda true: overlap(face, true), default=None)
        if best is not None and overlap(face, best) >= RIGHT_IOU:
            left = [true for true in left if true is not best]
            right += 1
    return Counts(len(boxes), len(faces), right)


def _true_face(box: np.ndarray) -> Face:
    """Makes a face from centre x, centre y, width, height in pixels."""
    x, y, width, height = box.tolist()
    return Face(x - width / 2, y - height / 2, width, height, 1.0, 0.0)


def _is_centred_in(face: Face, true: Face) -> bool:
    x, y = face.x + face.width / 2, face.y + face.height / 2
    return true.x <= x <= true.x + true.width and true.y <= y <= true.y + true.height


def total(counts: Iterable[Counts]) -> Counts:
    """The sum."""
    return Counts(*np.sum([*counts, Counts(0, 0, 0)], axis=0).tolist())


def measure(photos: Sequence[Photo], detect: Detector) -> tuple[Counts, float]:
    """Counts over the photos, and photos a second with decoding."""
    start = time.perf_counter()
    counts = []
    for photo in photos:
        image = read_rgb(photo.path)
        counts.append(count(detect(image), photo.boxes, image.shape[:2]))
    return total(counts), len(photos) / (time.perf_counter() - start)


def report(photos: Sequence[Photo], detectors: Mapping[str, Detector]) -> str:
    """A table in Markdown: each detector on both halves."""
    lines = ['| detector | photos | true | reported | right | precision | recall | photos/s |']
    lines.append('|---|---|---|---|---|---|---|---|')
    for name, detect in detectors.items():
        for half, held_out in (('tuning', False), ('held out', True)):
            own = [photo for photo in photos if photo.held_out == held_out]
            found, speed = measure(own, detect)
            lines.append(
                f'| {name} | {len(own)} {half} | {found.true} | {found.reported} | {found.right} '
                f'| {found.precision:.3f} | {found.recall:.3f} | {speed:.1f} |'
            )
    return '\n'.join(lines)


def cascades() -> Detector:
    """OpenCV's two cascades of cat faces, as they come: what the net is compared with."""
    kinds = ('', '_extended')
    files = (f'{opencv_data.haarcascades}haarcascade_frontalcatface{kind}.xml' for kind in kinds)
    finders = [cv2.CascadeClassifier(file) for file in files]

    def detect(image: np.ndarray) -> list[Face]:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        faces = []
        for finder in finders:
            found = finder.detectMultiScale3(grey, 1.1, 3, outputRejectLevels=True)
            for box, weight in zip(found[0], found[2], strict=True):
                x, y, width, height = map(float, box)
                faces.append(Face(x, y, width, height, float(weight), 0.0))
        return suppress(faces)

    return detect


def main(argv: Sequence[str]) -> None:
    """Prints the table."""
    del argv
    values = flags.FLAGS
    photos = read_photos(Path(values.photos), Path(values.boxes))
    detectors = {values.detector: make_detector(values.detector), 'cascades alone': cascades()}
    print(report(photos, detectors))


if __name__ == '__main__':
    flags.DEFINE_string('photos', None, 'the folder of the photos', required=True)
    flags.DEFINE_string(
        'boxes', None, 'their faces: a CSV of file,cx,cy,w,h in 0..1', required=True
    )
    flags.DEFINE_string('detector', 'cat_face', 'which detector')
    app.run(main)
