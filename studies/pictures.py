"""Charts of a study, and what its generators made through their training."""

from collections.abc import Mapping, Sequence
import io
import math
from pathlib import Path
import textwrap
from typing import Any

import numpy as np

from gan_jax.errors import UserError
from gan_jax.io import files, images
from gan_jax.records import recorder, workdirs

COLORS = ('#9aa3ad', '#c98b2b', '#1f5fa8', '#5b9bd5', '#c8501e', '#6a8f3a', '#8e6bb0')
_WHISKERS = dict(fmt='none', ecolor='#222', elinewidth=0.9, capsize=2)
DPI = 120  # pixels to an inch
PRINT = 11  # pixels: the height of small print
STEPS, DIGITS = 8, 10  # lines and columns at most of what a generator made through its training
WIDEST = 400  # pixels of such a line: a file of photos would else be of megabytes
BESIDE = 3  # panels in a line of a picture, which is read at the width of a page
STRIP = 'over_time.png'  # such lines, in a trial's folder

Strip = tuple[list[int], np.ndarray]  # times, and uint8 [len(times) * H, W, C]: a line for each


def figure(width: float, height: float) -> Any:
    """A matplotlib figure of so many inches; `images.drawn` makes a PNG of it."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout='constrained')


def captioned(png: bytes, lines: Sequence[str]) -> bytes:
    """A PNG with lines of small print below it; itself without any."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    if not lines:
        return png
    font = ImageFont.truetype(
        Path(matplotlib.get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf'), PRINT
    )
    with Image.open(io.BytesIO(png)) as picture:
        drawn = picture.convert('RGB')
    letter = max(font.getlength(line) / len(line) for line in lines)
    fitting = int((drawn.width - 2 * PRINT) / letter * 0.97)  # not all parts are as wide
    text = '\n'.join(part for line in lines for part in textwrap.wrap(line, fitting))
    size = ImageDraw.Draw(drawn).multiline_textbbox((0, 0), text, font)[3]
    page = Image.new('RGB', (drawn.width, drawn.height + int(size) + 2 * PRINT), 'white')
    page.paste(drawn)
    ImageDraw.Draw(page).multiline_text((PRINT, drawn.height + PRINT / 2), text, '#444', font)
    buffer = io.BytesIO()
    page.save(buffer, 'PNG', optimize=True)
    return buffer.getvalue()


def jpeg(image: np.ndarray, quality: int) -> bytes:
    """A JPEG file of uint8 [H, W, 3], colours as fine as brightness."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, 'JPEG', quality=quality, subsampling=0)
    return buffer.getvalue()


def plain(axes: Any) -> None:
    """Axes without a frame, with faint lines across."""
    axes.spines[['top', 'right', 'left']].set_visible(False)
    axes.tick_params(length=0, labelsize=9, colors='#444')
    axes.grid(axis='y', color='#e8e8e8', linewidth=0.7)
    axes.set_axisbelow(True)


def logarithmic(axes: Any) -> None:
    """A logarithmic scale upwards, with numbers as they are written."""
    from matplotlib import ticker

    axes.set_yscale('log')
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter('{x:g}')
    axes.yaxis.set_minor_locator(ticker.NullLocator())


def bars(
    axes: Any, groups: Sequence[str], series: Mapping[str, Sequence[tuple[float, float] | None]]
) -> None:
    """Bars side by side with their values in percent on top.

    Args:
      series: by name, a share and its standard deviation (NaN: none) for each group; None where
        there is none.
    """
    width = 0.85 / len(series)
    for number, (name, values) in enumerate(series.items()):
        known = [(place, *value) for place, value in enumerate(values) if value is not None]
        if not known:
            continue
        places, means, deviations = map(np.array, zip(*known, strict=True))
        x = places + (number - (len(series) - 1) / 2) * width
        axes.bar(x, 100 * means, 0.92 * width, color=COLORS[number % len(COLORS)], label=name)
        axes.errorbar(x, 100 * means, 100 * deviations, **_WHISKERS)
        tops = 100 * (means + np.nan_to_num(deviations)) + 0.8
        for at, mean, top in zip(x, 100 * means, tops, strict=True):
            axes.text(at, top, f'{mean:.1f}', ha='center', va='bottom', fontsize=7)
    axes.set_xticks(range(len(groups)), groups)
    plain(axes)


def over_time(workdir: Path) -> Strip:
    """The first of a run's fixed latents through its training.

    Returns:
      the steps, evenly spaced among those that were sampled, and a line for each, of n samples,
      at most DIGITS and within WIDEST pixels.
    """
    from PIL import Image

    paths = recorder.sample_paths(workdir)
    chosen = sorted({round(i) for i in np.linspace(0, len(paths) - 1, STEPS)})
    height, width, _ = workdirs.read_facts(workdir)['data']['image_shape']
    count = workdirs.load_config(workdir).num_samples
    columns, pad = math.ceil(math.sqrt(count)), recorder.GRID_PAD
    shown = min(DIGITS, count, max(1, WIDEST // width))
    lines = []
    for path in (paths[i] for i in chosen):
        with Image.open(path) as picture:
            grid = np.atleast_3d(np.asarray(picture))
        places = (divmod(i, columns) for i in range(shown))
        corners = [(pad + r * (height + pad), pad + c * (width + pad)) for r, c in places]
        cells = [grid[top : top + height, left : left + width] for top, left in corners]
        lines.append(np.concatenate(cells, axis=1))
    return [int(paths[i].stem) for i in chosen], np.concatenate(lines)


def keep_strip(folder: Path, strip: Strip) -> None:
    """Writes STRIP, its times as a text in the PNG."""
    from PIL import Image, PngImagePlugin

    times, image = strip
    noted = PngImagePlugin.PngInfo()
    noted.add_text('times', ' '.join(map(str, times)))
    buffer = io.BytesIO()
    Image.fromarray(image.squeeze()).save(buffer, 'PNG', pnginfo=noted, optimize=True)
    files.replace(folder / STRIP, buffer.getvalue())


def read_strip(folder: Path) -> Strip | None:
    """Reads what `keep_strip` wrote; None if nothing did."""
    from PIL import Image

    path = folder / STRIP
    if not path.exists():
        return None
    try:
        with Image.open(path) as picture:
            times = [int(time) for time in picture.info['times'].split()]
            return times, np.atleast_3d(np.asarray(picture))
    except (OSError, KeyError):  # KeyError: another picture
        raise UserError(f'{path} is damaged: delete it, and run the row again') from None


def read(path: Path) -> np.ndarray | None:
    """A PNG as uint8 [H, W, C]; None if there is none."""
    from PIL import Image

    if not path.exists():
        return None
    with Image.open(path) as picture:
        return np.atleast_3d(np.asarray(picture))


def strips(found: Mapping[str, Strip]) -> bytes | None:
    """PNG: what several generators made through their training, BESIDE in a line; None for none."""
    if not found:
        return None
    sides = [image.shape[:2] for _, image in found.values()]
    width = max(2.8, *(columns / DPI for _, columns in sides))  # inches: no pixel is lost
    height = max(width * lines / columns for lines, columns in sides)
    page, panels = _panels(len(found), width + 0.6, height + 0.4)
    for axes, (name, (steps, image)) in zip(panels, found.items(), strict=True):
        _show(axes, image, f'{name}, by step')
        height = len(image) / len(steps)
        axes.set_yticks([(i + 0.5) * height for i in range(len(steps))], [f'{s:,}' for s in steps])
        axes.set_xticks([])
        axes.tick_params(length=0, labelsize=7, colors='#444')
        axes.spines[:].set_visible(False)
    return images.drawn(page)


def side_by_side(found: Mapping[str, np.ndarray], width: float) -> bytes | None:
    """PNG: pictures uint8 [H, W, C], of so many inches, with titles, BESIDE in a line; or None."""
    if not found:
        return None
    height = width * max(len(image) / image.shape[1] for image in found.values())
    page, panels = _panels(len(found), width, height + 0.3)
    for axes, (name, image) in zip(panels, found.items(), strict=True):
        _show(axes, image, name)
        axes.set_axis_off()
    return images.drawn(page)


def _panels(count: int, width: float, height: float) -> tuple[Any, Any]:
    """A `figure` with so many axes of so many inches, BESIDE in a line."""
    beside = min(count, BESIDE)
    below = math.ceil(count / beside)
    page = figure(width * beside, height * below)
    grid = page.subplots(below, beside, squeeze=False).flat
    for axes in grid[count:]:
        axes.set_axis_off()
    return page, grid[:count]


def _show(axes: Any, image: np.ndarray, title: str) -> None:
    axes.imshow(image.squeeze(), cmap='gray', vmin=0, vmax=255, interpolation='nearest')
    axes.set_title(title, fontsize=9, loc='left')
