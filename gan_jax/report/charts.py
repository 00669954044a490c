"""Curves as inline SVG that stretches with its page; names and numbers are HTML and do not."""

from html import escape
from typing import TypeVar

import numpy as np

from gan_jax.report.curves import Drawing, ticks

_SIDE = 1000  # of the SVG's own square coordinates
T = TypeVar('T', np.ndarray, float)


def chart(drawing: Drawing) -> str:
    """A `<figure>` with title, legend, axes and curves; the page's script moves its cursor.

    The script finds what to read out under the panel's title.
    """
    legend = ''.join(
        f'<li class="{line.curve.net}">{escape(line.curve.label)} <b>{_latest(values)}</b></li>'
        for line, values in zip(drawing.lines, readings(drawing), strict=True)
    )
    title = escape(drawing.panel.title)
    return (
        f'<figure class="chart" data-panel="{title}"><figcaption><h3>{title}</h3>'
        f'<ul class="legend">{legend}</ul></figcaption><div class="plot">'
        f'{_svg(drawing)}{_tick_labels(drawing)}<i class="cursor" hidden></i></div></figure>'
    )


def readings(drawing: Drawing) -> list[list[float | None]]:
    """Values that the legend shows at each step, for each curve; None where there is none."""
    columns = [10**line.smooth if drawing.panel.log else line.smooth for line in drawing.lines]
    return [
        [float(f'{value:.4g}') if np.isfinite(value) else None for value in column]
        for column in columns
    ]


def _latest(values: list[float | None]) -> str:
    return f'{values[-1]:.3g}' if values[-1] is not None else ''


def _svg(drawing: Drawing) -> str:
    shapes = [_level(drawing, tick, 'level') for tick in drawing.ticks]
    if drawing.panel.guide is not None:
        shapes.append(_level(drawing, drawing.panel.guide, 'guide'))
    smoothed = [line for line in drawing.lines if line.smooth is not line.raw]
    shapes += [_path(drawing, line.raw, f'{line.curve.net} raw') for line in smoothed]
    shapes += [_path(drawing, line.smooth, line.curve.net) for line in drawing.lines]
    return (
        f'<svg viewBox="0 0 {_SIDE} {_SIDE}" preserveAspectRatio="none" aria-hidden="true">'
        f'{"".join(shapes)}</svg>'
    )


def _level(drawing: Drawing, value: float, kind: str) -> str:
    y = f'{_y(drawing, value) * _SIDE:.1f}'
    return f'<line class="{kind}" x1="0" x2="{_SIDE}" y1="{y}" y2="{y}"/>'


def _path(drawing: Drawing, values: np.ndarray, kind: str) -> str:
    """One subpath for each stretch without a gap; `h0` makes a lone point a dot."""
    x, y = drawing.steps / drawing.end * _SIDE, _y(drawing, values) * _SIDE
    parts, pen = [], 'M'
    for i in range(len(values)):
        if np.isfinite(y[i]):
            parts.append(f'{pen}{x[i]:.1f} {y[i]:.1f}' + ('h0' if pen == 'M' else ''))
        pen = 'L' if np.isfinite(y[i]) else 'M'
    return f'<path class="{kind}" d="{"".join(parts)}"/>'


def _tick_labels(drawing: Drawing) -> str:
    levels = ''.join(
        f'<span class="y" style="top:{_y(drawing, tick):.2%}">{drawing.tick_label(tick)}</span>'
        for tick in drawing.ticks
    )
    steps = ''.join(
        f'<span class="x" style="--at:{tick / drawing.end:.2%}">{tick:,.0f}</span>'
        for tick in ticks(0, drawing.end)
        if tick == round(tick)
    )
    return f'{levels}{steps}<span class="axis">step</span>'


def _y(drawing: Drawing, values: T) -> T:
    """0 at the top, 1 at the bottom."""
    low, high = drawing.limits
    return (high - values) / (high - low)
