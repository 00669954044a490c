"""The contact sheet: what was kept, and beside it what was not and why, by the frame's colour."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from faces.cleaning import (
    BLURRED,
    DUPLICATE,
    KEPT,
    NO_FACE,
    REJECTED,
    TOO_SMALL,
)
from gan_jax.io import images

SHOWN = 200  # of each side, at most, evenly from the whole album
COLUMNS = 10
CELL, FRAME = 80, 5  # pixels a side of a picture, and of the frame around it
GAP = 24  # pixels between the two sides
LINE = 20  # pixels a line of the legend
ENLARGED = 'kept, enlarged'
COLOURS = {
    KEPT: (40, 160, 70),
    ENLARGED: (150, 200, 40),
    NO_FACE: (130, 130, 130),
    BLURRED: (60, 120, 220),
    TOO_SMALL: (240, 150, 30),
    DUPLICATE: (150, 70, 190),
    REJECTED: (210, 50, 50),
}


class Picture(NamedTuple):
    """One picture of the sheet."""

    decision: str  # what became of it, not 'unreadable'
    enlarged: bool  # whether the crop had fewer pixels than it was given
    path: Path  # a PNG file, square

    @property
    def label(self) -> str:
        """Its entry in the legend."""
        return ENLARGED if self.enlarged and self.decision == KEPT else self.decision


def sheet(pictures: Sequence[Picture]) -> np.ndarray:
    """Both sides with their legends, uint8 [H, W, 3], at most 1,900 pixels a side.

    Args:
      pictures: in the album's order; `SHOWN` of each side are drawn, evenly spaced.
    """
    kept = [picture for picture in pictures if picture.decision == KEPT]
    dropped = [picture for picture in pictures if picture.decision != KEPT]
    lines = 1 + max(len({picture.label for picture in side}) for side in (kept, dropped))
    sides = [_side(kept, 'kept', lines), _side(dropped, 'dropped', lines)]
    height = max(len(side) for side in sides)
    gap = np.full((height, GAP, 3), images.PAPER, np.uint8)
    return np.hstack([_padded(sides[0], height), gap, _padded(sides[1], height)])


def _side(pictures: Sequence[Picture], title: str, lines: int) -> np.ndarray:
    count = min(len(pictures), SHOWN)
    chosen = [pictures[place * len(pictures) // count] for place in range(count)]
    entries = Counter(picture.label for picture in pictures)
    head = _legend(f'{title} {len(pictures):,}, shown {count}', entries, lines)
    if not chosen:
        return head
    grid = images.tile(np.stack([_framed(picture) for picture in chosen]), COLUMNS)
    grid = np.pad(grid, ((0, 0), (0, head.shape[1] - grid.shape[1]), (0, 0)),
                  constant_values=images.PAPER)  # fmt: skip
    return np.vstack([head, grid])


def _framed(picture: Picture) -> np.ndarray:
    side = CELL + 2 * FRAME
    framed = np.empty((side, side, 3), np.uint8)
    framed[:] = COLOURS[picture.label]
    with Image.open(picture.path) as image:
        small = image.resize((CELL, CELL), Image.Resampling.LANCZOS)
    framed[FRAME:-FRAME, FRAME:-FRAME] = np.asarray(small)
    return framed


def _legend(title: str, entries: Counter[str], lines: int) -> np.ndarray:
    """The title, and a line for each colour that occurs, in the colour."""
    width = COLUMNS * (CELL + 2 * FRAME + 2) + 2
    image = Image.new('RGB', (width, lines * LINE + 4), (images.PAPER,) * 3)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(LINE - 4)
    draw.text((2, 0), title, (0, 0, 0), font)
    for line, label in enumerate((label for label in COLOURS if entries[label]), 1):
        top = line * LINE
        draw.rectangle((2, top + 3, 14, top + 15), COLOURS[label])
        draw.text((22, top), f'{label} {entries[label]:,}', COLOURS[label], font)
    return np.asarray(image)


def _padded(side: np.ndarray, height: int) -> np.ndarray:
    missing = height - len(side)
    return np.pad(side, ((0, missing), (0, 0), (0, 0)), constant_values=images.PAPER)
