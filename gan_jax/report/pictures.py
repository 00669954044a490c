"""Sample grids as a GIF, for a page, and as a strip through training."""

from collections.abc import Sequence
import functools
import io
import math
from pathlib import Path
import stat
from typing import Any, NamedTuple

import numpy as np

from gan_jax.io import images

GIF_LIMIT = 5_000_000  # bytes
MAX_BYTES, MAX_PIXELS = 2**26, 2**26  # of a picture of a run
MAX_SIDE = 16_383  # pixels, which WebP has at most
GIF_FRAMES, GIF_FEWEST_FRAMES = 60, 20
FEWEST_FRAMES = 8  # on a page
GIF_SHORTEST_SIDE, GIF_LONGEST_SIDE = 160, 1_600  # pixels; up to these grids are enlarged
FRAME_MS, LAST_FRAME_MS = 120, 2500


def whole(paths: Sequence[Path]) -> tuple[list[Path], list[tuple[Path, str]]]:
    """The PNG files that can be shown, and why each of the others cannot."""
    found, others = [], []
    for path in paths:
        try:
            status = path.stat()
            why = 'no regular file'
            if stat.S_ISREG(status.st_mode):
                why = _fault(path, status.st_mtime_ns, status.st_size)
        except OSError as error:  # a link that leads nowhere
            why = error.strerror or str(error)
        if why:
            others.append((path, why))
        else:
            found.append(path)
    return found, others


@functools.lru_cache(maxsize=1024)
def _fault(path: Path, time_ns: int, size: int) -> str:
    """Why a file is no picture that can be shown; '' if it is one."""
    del time_ns
    from PIL import Image

    if size > MAX_BYTES:
        return f'{size:,} bytes; at most {MAX_BYTES:,} are read'
    try:
        with Image.open(path, formats=('PNG',)) as image:
            if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_SIDE:
                return f'{image.width}x{image.height} pixels are too many to show'
            image.load()
            return '' if image.mode in ('L', 'RGB') else f'pixels of type {image.mode}'
    except Exception as error:  # the decoder raises whatever it met
        return str(error).splitlines()[0] if str(error) else repr(error)


def progress_gif(paths: Sequence[Path]) -> bytes | None:
    """The grids in order, evenly chosen, in at most GIF_LIMIT bytes; None without grids.

    Where 60 frames of full size are too much there are fewer, and where 20 are, they are smaller.
    """
    grids = [_open(path) for path in evenly(paths, GIF_FRAMES)]
    if not grids:
        return None
    grids = [grid for grid in grids if grid.size == grids[-1].size]
    short, long = sorted(grids[-1].size)
    most = max(1, GIF_LONGEST_SIDE // long)
    grids = _scaled(grids, min(math.ceil(GIF_SHORTEST_SIDE / short), most))
    probes = _to_palette(evenly(grids, 3))
    affordable = 0.9 * GIF_LIMIT / (len(_gif(probes)) / len(probes))
    if affordable < GIF_FEWEST_FRAMES:
        grids = _scaled(grids, math.sqrt(affordable / GIF_FEWEST_FRAMES))
    frames = _to_palette(evenly(grids, max(GIF_FEWEST_FRAMES, int(affordable))))
    while len(content := _gif(frames)) > GIF_LIMIT and len(frames) > 1:
        frames = evenly(frames, int(0.8 * len(frames)))
    return content


def _scaled(grids: Sequence[Any], factor: float) -> list[Any]:
    from PIL import Image

    how = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.BOX
    size = [max(1, int(side * factor)) for side in grids[0].size]
    return [grid.resize(size, how) for grid in grids]


def _to_palette(grids: Sequence[Any]) -> list[Any]:
    """256 colours, all a GIF has, or 64 greys, which pack better and are not missed.

    The colours are the last grid's: one palette costs less time and does not flicker.
    """
    from PIL import Image

    if grids[-1].mode == 'L':
        return [grid.point(lambda level: round(level / 255 * 63) * 255 // 63) for grid in grids]
    sketch = grids[-1].convert('RGB')
    sketch.thumbnail((256, 256))
    palette = sketch.quantize(256, Image.Quantize.MEDIANCUT)
    return [
        grid.convert('RGB').quantize(palette=palette, dither=Image.Dither.NONE) for grid in grids
    ]


def _gif(frames: Sequence[Any]) -> bytes:
    buffer = io.BytesIO()
    durations = [FRAME_MS] * (len(frames) - 1) + [LAST_FRAME_MS]
    frames[0].save(
        buffer, 'GIF', save_all=True, append_images=frames[1:], duration=durations, loop=0
    )
    return buffer.getvalue()


class Picture(NamedTuple):
    """An encoded image for a page: its bytes, type (png or webp), and its size before encoding."""

    content: bytes
    kind: str
    width: int
    height: int


def web_picture(png: bytes, limit: int) -> Picture:
    """A PNG as it is if it has at most `limit` bytes; else as WebP, and smaller until it fits."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        size = image.size
        if len(png) <= limit:
            return Picture(png, 'png', *size)
        smaller = image.convert('RGB')
    while len(content := _webp(smaller)) > limit and min(smaller.size) > 1:
        smaller = smaller.reduce(2)
    return Picture(content, 'webp', *size)


def web_pictures(paths: Sequence[Path], count: int, limit: int) -> list[tuple[Path, Picture]]:
    """At most `count` evenly chosen PNG files for a page, with their paths, in `limit` bytes.

    As they are if that fits; else as WebP, fewer of them, and smaller if a few do not fit.
    """
    paths = evenly(paths, count)
    share = limit
    if sum(path.stat().st_size for path in paths) > limit:
        probes = [len(_webp(_open(path))) for path in evenly(paths, 3)]
        paths = evenly(paths, max(FEWEST_FRAMES, limit * len(probes) // sum(probes)))
        share = limit // len(paths)
    return [(path, web_picture(path.read_bytes(), share)) for path in paths]


def _webp(image: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, 'WEBP', quality=85, method=2)
    return buffer.getvalue()


def filmstrip(
    paths: Sequence[Path], image_shape: tuple[int, int, int], pad: int, rows: int
) -> np.ndarray | None:
    """The first `rows` images of each grid, or all, one column a grid, time running to the right.

    Returns:
      uint8 [H', W', C], None where the grids are not made of images of that shape.
    """
    height, width, _ = image_shape
    grids = [np.atleast_3d(np.asarray(_open(path))) for path in paths]
    alike = len({grid.shape[2] for grid in grids}) == 1
    if not alike or not all(_is_grid(grid, height, width, pad) for grid in grids):
        return None
    rows = min(rows, *(grid.shape[1] // (width + pad) for grid in grids))
    cells = [
        grid[pad : pad + height, pad + row * (width + pad) :][:, :width]
        for row in range(rows)
        for grid in grids
    ]
    return images.tile(np.stack(cells), len(grids), pad)


def _is_grid(grid: np.ndarray, height: int, width: int, pad: int) -> bool:
    return (grid.shape[0] - pad) % (height + pad) == 0 == (grid.shape[1] - pad) % (width + pad)


def _open(path: Path) -> Any:
    from PIL import Image

    with Image.open(path) as image:
        return image.copy()


def evenly(items: Sequence[Any], count: int) -> list[Any]:
    """At most `count` items at equal distances, the first and the last among them."""
    if len(items) <= count:
        return list(items)
    if count == 1:
        return [items[-1]]
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]
