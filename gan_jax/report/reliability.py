"""A reliability diagram as inline SVG: confidence against accuracy, bin by bin."""

from collections.abc import Mapping, Sequence
from html import escape
import math

SIDE = 1000  # of the SVG's own square coordinates
LARGEST, SMALLEST = 40, 10  # radii of a dot of all images, and of few
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def diagram(bins: Sequence[Mapping[str, float]]) -> str:
    """A `<figure>` with a dot for each bin: {count, confidence, accuracy}, as in classification."""
    total = sum(entry['count'] for entry in bins)
    grid = ''.join(_line(0, tick, 1, tick, 'level') for tick in TICKS)
    points = ''.join(
        f'{pen}{entry["confidence"] * SIDE:.1f} {(1 - entry["accuracy"]) * SIDE:.1f}'
        for pen, entry in zip('M' + 'L' * len(bins), bins, strict=False)
    )
    dots = ''.join(_dot(entry, total) for entry in bins)
    return (
        '<figure><figcaption><h3>Accuracy by confidence</h3></figcaption>'
        f'<div class="plot square"><svg viewBox="0 0 {SIDE} {SIDE}" role="img"'
        ' aria-label="Accuracy by confidence">'
        f'{grid}{_line(0, 0, 1, 1, "guide")}<path class="disc" d="{points}"/>{dots}</svg>'
        f'{_labels()}</div></figure>'
    )


def _dot(entry: Mapping[str, float], total: float) -> str:
    share = entry['count'] / total
    radius = max(LARGEST * math.sqrt(share), SMALLEST)
    title = (
        f'{entry["count"]:,} images: confidence {entry["confidence"]:.1%}, accuracy'
        f' {entry["accuracy"]:.1%}'
    )
    return (
        f'<circle class="disc" cx="{entry["confidence"] * SIDE:.1f}"'
        f' cy="{(1 - entry["accuracy"]) * SIDE:.1f}" r="{radius:.1f}">'
        f'<title>{escape(title)}</title></circle>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    start, end = (1 - y1) * SIDE, (1 - y2) * SIDE
    return (
        f'<line class="{kind}" x1="{x1 * SIDE:g}" y1="{start:g}" x2="{x2 * SIDE:g}" y2="{end:g}"/>'
    )


def _labels() -> str:
    levels = (f'<span class="y" style="top:{1 - tick:.0%}">{tick:.0%}</span>' for tick in TICKS)
    steps = (f'<span class="x" style="--at:{tick:.0%}">{tick:.0%}</span>' for tick in TICKS)
    axes = '<span class="axis">confidence across, accuracy upwards</span>'
    return ''.join((*levels, *steps, axes))
