"""Cleans one photo: decodes it, finds its faces, judges them and cuts them out.

`examine` looks at one photo and touches no files; `decide` adds what only the whole album
tells: which crops are near duplicates.
"""

from collections.abc import Sequence
import dataclasses
import math

import numpy as np
from PIL import Image

from faces import crops
from faces.crops import Square
from faces.detector import Detector, Face
from faces.sharpness import sharpness
from gan_jax.data import decode, duplicates

KEPT, NO_FACE, BLURRED, TOO_SMALL = 'kept', 'no_face', 'blurred', 'too_small'
DUPLICATE, REJECTED, UNREADABLE = 'duplicate', 'rejected', 'unreadable'
DECISIONS = (KEPT, NO_FACE, BLURRED, TOO_SMALL, DUPLICATE, REJECTED, UNREADABLE)

SEARCHED = 512  # pixels that the short side of a photo keeps, at least, where faces are looked for
SHARP = 0.15  # `sharpness` of a crop, see docs/why/cleaning.md
THUMBNAIL = 96  # pixels a side of a photo that has no face


@dataclasses.dataclass(frozen=True)
class Settings:
    """Requirements on a crop."""

    size: int = 64  # of a crop, in pixels a side
    min_face: float = 24  # pixels of the photo that the longer side of a face's box has, at least
    min_sharpness: float = SHARP  # of a crop
    # bits of 64 in which the perceptual hashes of two near duplicates may differ
    near: int = duplicates.NEAR


@dataclasses.dataclass(frozen=True)
class Row:
    """The decision on a face, or on a photo without one."""

    file: int  # the photo's place in the album
    decision: str  # one of `DECISIONS`
    why: str = ''  # the reason in words, empty where the decision says it
    face: Face | None = None  # in pixels of the upright photo; None where none was found
    square: Square | None = None  # that was cut out; None without a crop
    sharpness: float = 0.0  # of the crop
    hash: np.uint64 = np.uint64(0)  # its perceptual hash
    by_hand: bool = False  # whether the user asked to keep it
    like: int | None = None  # of a duplicate, the place of the row that was kept for it

    def enlarged(self, size: int) -> float:
        """The factor by which the crop was enlarged to `size` pixels; 1.0 if it was not."""
        return max(size / self.square.side, 1.0) if self.square else 1.0


def examine(
    file: int, content: bytes, detect: Detector, settings: Settings, verdict: str = ''
) -> list[tuple[Row, np.ndarray]]:
    """Judges the faces of a photo, by falling score.

    Args:
      verdict: by hand: KEPT, REJECTED or ''.

    Returns:
      Rows, each with its crop, uint8 [size, size, 3]; of a photo without a face one, with a
      small copy of the photo instead.

    Raises:
      Unreadable: it cannot be decoded.
    """
    image, full, _ = decode.read_whole(content, SEARCHED // 2)
    pixels = np.asarray(image)
    faces = [_scaled(face, image.size, full) for face in detect(pixels)]
    faces.sort(key=lambda face: (-face.score, face))
    if not faces and verdict != KEPT:
        decision = REJECTED if verdict == REJECTED else NO_FACE
        return [(Row(file, decision, _by_hand(verdict)), _thumbnail(image))]
    squares = [crops.around(face, *full) for face in faces] or [crops.centred(*full)]
    forced = squares[: verdict == KEPT]
    wide = [s for s, f in zip(squares, faces, strict=False) if _longer(f) >= settings.min_face]
    pixels = _fine_enough(content, image, full, forced + wide, settings.size)
    cut = [crops.cut(pixels, s.scaled(pixels.shape[1] / full[0]), settings.size) for s in squares]
    judged = []
    for place, (square, crop) in enumerate(zip(squares, cut, strict=True)):
        face = faces[place] if faces else None
        own = verdict if verdict == REJECTED or place == 0 else ''
        judged.append((_judged(file, face, square, crop, settings, own), crop))
    return judged


def decide(rows: Sequence[Row], settings: Settings) -> list[Row]:
    """The same rows, but of kept crops that are near duplicates only the best ones.

    Better is what was kept by hand, then the larger, then, of those that fill `settings.size`,
    the sharper, then the earlier. A crop goes if a better one that stays is near it, so that
    no chain of small differences takes away what differs from all that stays.
    """
    kept = [place for place, row in enumerate(rows) if row.decision == KEPT]
    hashes = np.array([rows[place].hash for place in kept], np.uint64)
    groups: dict[int, list[int]] = {}
    for place, head in zip(kept, duplicates.groups(hashes, settings.near), strict=True):
        groups.setdefault(int(head), []).append(place)
    decided = list(rows)
    for group in groups.values():
        stay: list[int] = []
        for place in sorted(group, key=lambda place: _merit(rows[place], settings.size)):
            row = rows[place]
            like = next((p for p in stay if _apart(rows[p], row) <= settings.near), None)
            if like is None or row.by_hand:
                stay.append(place)
            else:
                decided[place] = dataclasses.replace(row, decision=DUPLICATE, like=like)
    return decided


def _apart(row: Row, other: Row) -> int:
    return int(np.bitwise_count(row.hash ^ other.hash))


def _merit(row: Row, size: int) -> tuple[bool, float, float]:
    """Lower is better; the sort that uses it leaves equals in their order."""
    side = row.square.side if row.square else 0.0
    return not row.by_hand, -min(side, size), -row.sharpness


def _judged(
    file: int, face: Face | None, square: Square, crop: np.ndarray, settings: Settings, verdict: str
) -> Row:
    sharp = sharpness(crop)
    decision, why = KEPT, ''
    if verdict:
        decision, why = verdict, _by_hand(verdict)
    elif face and _longer(face) < settings.min_face:
        decision, why = TOO_SMALL, f'{_longer(face):.1f} of {settings.min_face:g} pixels'
    elif sharp < settings.min_sharpness:
        decision, why = BLURRED, f'sharpness {sharp:.3f} of {settings.min_sharpness:g}'
    alike = duplicates.perceptual_hashes([crop])[0]
    return Row(file, decision, why, face, square, sharp, alike, by_hand=verdict == KEPT)


def _longer(face: Face) -> float:
    return max(face.width, face.height)


def _by_hand(verdict: str) -> str:
    return 'by hand' if verdict else ''


def _scaled(face: Face, size: tuple[int, int], full: tuple[int, int]) -> Face:
    """A face found in a reduced photo, in pixels of the full one."""
    across, down = full[0] / size[0], full[1] / size[1]
    return face._replace(
        x=face.x * across, y=face.y * down, width=face.width * across, height=face.height * down
    )


def _fine_enough(
    content: bytes,
    image: Image.Image,
    full: tuple[int, int],
    squares: Sequence[Square],
    size: int,
) -> np.ndarray:
    """The photo, decoded again if a crop would have to be enlarged that need not be.

    Two pixels of the photo for each of the crop, as far as it has them.
    """
    smallest = min((square.side for square in squares), default=math.inf)
    if image.size == full or smallest * image.width / full[0] >= 2 * size:
        return np.asarray(image)
    return np.asarray(decode.read(content, math.ceil(min(full) * size / smallest)))


def _thumbnail(image: Image.Image) -> np.ndarray:
    """uint8 [96, 96, 3], the whole photo in the middle of a grey square."""
    small = image.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    paper = Image.new('RGB', (THUMBNAIL, THUMBNAIL), (127, 127, 127))
    paper.paste(small, ((THUMBNAIL - small.width) // 2, (THUMBNAIL - small.height) // 2))
    return np.asarray(paper)
