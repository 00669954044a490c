"""Pixels: between uint8 and a network's range, into grids, into PNG files."""

import io
from pathlib import Path
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.io import files, pixels

PAPER = pixels.PAPER  # so that dark images keep their edges in a grid


def normalise(image: jax.Array, pixel_range: tuple[float, float]) -> jax.Array:
    """Stored pixels, uint8 or uint16, as float32 in a network's range (low, high)."""
    low, high = pixel_range
    return image.astype(jnp.float32) * ((high - low) / np.iinfo(image.dtype).max) + low


def to_levels(
    image: jax.Array, pixel_range: tuple[float, float], dtype: type[np.unsignedinteger]
) -> jax.Array:
    """The inverse of `normalise`, to the nearest level of a type; what is out of range is cut."""
    (low, high), most = pixel_range, np.iinfo(dtype).max
    levels = (image.astype(jnp.float32) - low) * (most / (high - low))
    return jnp.clip(jnp.round(levels), 0, most).astype(dtype)


def to_uint8(image: jax.Array, pixel_range: tuple[float, float]) -> jax.Array:
    """`to_levels` of 8 bits."""
    return to_levels(image, pixel_range, np.uint8)


def on_white(image: jax.Array) -> jax.Array:
    """Any image as a net for colours sees it: RGB, and what is transparent over white.

    Floating point [N, H, W, C] in [-1, 1], C = 1, 3 or 4, to [N, H, W, 3]; above 1 where a
    generated colour is above its alpha.
    """
    if image.shape[-1] == 1:
        return jnp.repeat(image, 3, axis=-1)
    return image[..., :3] + (1 - image[..., 3:]) if image.shape[-1] == 4 else image


def tile(images: np.ndarray, columns: int, pad: int = 2) -> np.ndarray:
    """Images row by row in one picture, on white; transparent ones over a checkerboard.

    Args:
      images: uint8 or uint16 [N, H, W, C].
      columns: images in a row, fewer if N is less.
      pad: white pixels around each image.

    Returns:
      uint8 [rows * (H + pad) + pad, columns * (W + pad) + pad, C], C = 1 or 3.
    """
    chex.assert_rank(images, 4)
    images = pixels.checkered(pixels.eight_bits(images))
    count, height, width, channels = images.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    cells = np.full((rows * columns, height + pad, width + pad, channels), PAPER, np.uint8)
    cells[:count, pad:, pad:] = images
    cells = cells.reshape(rows, columns, height + pad, width + pad, channels)
    grid = cells.swapaxes(1, 2).reshape(rows * (height + pad), columns * (width + pad), channels)
    return np.pad(grid, ((0, pad), (0, pad), (0, 0)), constant_values=PAPER)


def png(image: np.ndarray, maker: str = '') -> bytes:
    """A PNG file of uint8 or uint16 [H, W, C], grey, RGB or RGBA, with a note of what made it.

    Without one if it has 16 bits, in colours of which Pillow writes none.
    """
    from PIL import Image, PngImagePlugin

    chex.assert_rank(image, 3)
    image = pixels.straight(image) if image.shape[-1] == 4 else image
    if image.dtype == np.uint16:
        return _deep_png(image)
    buffer, notes = io.BytesIO(), PngImagePlugin.PngInfo()
    if maker:
        notes.add_text('Software', maker)
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    picture.save(buffer, 'PNG', pnginfo=notes)
    return buffer.getvalue()


def _deep_png(image: np.ndarray) -> bytes:
    import cv2

    blue_first = [2, 1, 0, 3][: image.shape[-1]] if image.shape[-1] > 1 else [0]
    return cv2.imencode('.png', np.ascontiguousarray(image[..., blue_first]))[1].tobytes()


def write_png(path: Path, image: np.ndarray, maker: str = '') -> None:
    """Writes `png` to a file: all of it or nothing."""
    files.replace(Path(path), png(image, maker))


def drawn(figure: Any) -> bytes:
    """A PNG file of a matplotlib figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def is_by(maker: str, path: Path) -> bool:
    """Whether there is a PNG file with the note that `maker` made it."""
    from PIL import Image

    try:
        with Image.open(files.regular(path), formats=['PNG']) as picture:
            return picture.info.get('Software') == maker
    except Exception:  # there is none, or whatever a damaged one makes Pillow raise
        return False
