"""curves.png, drawn by matplotlib's object interface: no global state, so any thread may draw."""

from collections.abc import Sequence
import textwrap
from typing import Any

from gan_jax.io import images
from gan_jax.report import curves

_INCHES = 4.2, 3.1  # width and height of a panel
_CAPTION = 7, 19, 0.13  # points of its letters, letters to an inch, inches of a line
_COLORS = {'gen': '#c8501e', 'disc': '#1f5fa8'}


def curves_png(
    metrics: curves.Rows, evaluations: curves.Rows, captions: Sequence[str]
) -> bytes | None:
    """All panels that there are values for over the steps; None without any.

    Args:
      captions: what figures of samples are of and by; shown below the panels if one has such.
    """
    from matplotlib.figure import Figure

    drawings = curves.drawings(metrics, evaluations, points=1000)
    if not drawings:
        return None
    shown = captions if any(drawing.panel.by_net for drawing in drawings) else ()
    size, letters, spacing = _CAPTION
    width, height = _INCHES[0] * len(drawings), _INCHES[1]
    lines = [line for text in shown for line in textwrap.wrap(text, int(letters * width))]
    figure = Figure((width, height + spacing * len(lines)), dpi=150, layout='constrained')
    if lines:
        style = {'x': 0.005, 'ha': 'left', 'fontsize': size, 'color': '#555', 'parse_math': False}
        figure.supxlabel('\n'.join(lines), **style)
    for axes, drawing in zip(
        figure.subplots(1, len(drawings), squeeze=False)[0], drawings, strict=True
    ):
        _draw(axes, drawing)
    return images.drawn(figure)


def _draw(axes: Any, drawing: curves.Drawing) -> None:
    from matplotlib.ticker import MaxNLocator

    if drawing.panel.guide is not None:
        axes.axhline(drawing.panel.guide, color='#999', linewidth=0.8, linestyle=(0, (4, 3)))
    for line in drawing.lines:
        color = _COLORS[line.curve.net]
        if line.smooth is not line.raw:
            axes.plot(drawing.steps, line.raw, color=color, linewidth=0.7, alpha=0.25)
        axes.plot(drawing.steps, line.smooth, color=color, linewidth=1.5, label=line.curve.label)
    axes.set_title(drawing.panel.title, loc='left', fontsize=9, fontweight='bold')
    axes.set_xlabel('step', fontsize=8, color='#555')
    axes.set_xlim(0, drawing.end)
    axes.set_ylim(*drawing.limits)
    axes.set_yticks(drawing.ticks, [drawing.tick_label(tick) for tick in drawing.ticks])
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter('{x:,.0f}')
    axes.tick_params(labelsize=8, colors='#555', length=0)
    axes.grid(axis='y', color='#e8e8e8', linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right', 'left']].set_visible(False)
    axes.spines['bottom'].set_color('#bbb')
    axes.legend(
        fontsize=8,
        frameon=False,
        ncols=2,
        loc='lower right',
        bbox_to_anchor=(1.02, 0.98),
        handlelength=1.0,
        columnspacing=1.0,
    )
