"""Pixels: between uint8 and a network's range, into grids, into PNG files."""

import io
from pathlib import Path
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.io import files

PAPER = 255  # white, so that dark images keep their edges in a grid


def normalise(image: jax.Array, pixel_range: tuple[float, float]) -> jax.Array:
    """Stored pixels in a network's range.

    Args:
      image: uint8, any shape.
      pixel_range: what 0 and 255 become, e.g. (-1, 1).

    Returns:
      float32 of the same shape in [low, high].
    """
    low, high = pixel_range
    return image.astype(jnp.float32) * ((high - low) / 255) + low


def to_uint8(image: jax.Array, pixel_range: tuple[float, float]) -> jax.Array:
    """The inverse of `normalise`, to the nearest level; what is out of range is clipped.

    Args:
      image: floating point, any shape.
      pixel_range: (low, high), what becomes 0 and 255.

    Returns:
      uint8 of the same shape.
    """
    low, high = pixel_range
    levels = (image.astype(jnp.float32) - low) * (255 / (high - low))
    return jnp.clip(jnp.round(levels), 0, 255).astype(jnp.uint8)


def tile(images: np.ndarray, columns: int, pad: int = 2) -> np.ndarray:
    """Images row by row in one picture, on white.

    Args:
      images: uint8 [N, H, W, C].
      columns: images in a row, fewer if N is less.
      pad: white pixels around each image.

    Returns:
      uint8 [rows * (H + pad) + pad, columns * (W + pad) + pad, C].
    """
    chex.assert_rank(images, 4)
    count, height, width, channels = images.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    cells = np.full((rows * columns, height + pad, width + pad, channels), PAPER, np.uint8)
    cells[:count, pad:, pad:] = images
    cells = cells.reshape(rows, columns, height + pad, width + pad, channels)
    grid = cells.swapaxes(1, 2).reshape(rows * (height + pad), columns * (width + pad), channels)
    return np.pad(grid, ((0, pad), (0, pad), (0, 0)), constant_values=PAPER)


def png(image: np.ndarray, maker: str = '') -> bytes:
    """A PNG file of uint8 [H, W, C], C = 1 (grey) or 3 (RGB), with a note of what made it."""
    from PIL import Image, PngImagePlugin

    chex.assert_rank(image, 3)
    buffer, notes = io.BytesIO(), PngImagePlugin.PngInfo()
    if maker:
        notes.add_text('Software', maker)
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    picture.save(buffer, 'PNG', pnginfo=notes)
    return buffer.getvalue()


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
        with Image.open(path, formats=['PNG']) as picture:
            return picture.info.get('Software') == maker
    except Exception:  # there is none, or whatever a damaged one makes Pillow raise
        return False
