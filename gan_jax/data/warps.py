"""Smooth random deformations of an image: thin-plate splines, and crops that are enlarged."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.interpolate import RBFInterpolator

POINTS = 4  # control points a side


def thin_plate(height: int, width: int) -> np.ndarray:
    """How far each pixel moves with each control point, float32 [H * W, POINTS^2].

    The spline that is d_k at the control points c_k and has the least bending energy (Bookstein
    1989) is linear in d: f = B d. The control points lie on a regular grid over the unit square,
    which the image covers.
    """
    points = _grid(POINTS, POINTS)
    spline = RBFInterpolator(points, np.eye(len(points)), kernel='thin_plate_spline')
    return spline(_grid(height, width)).astype(np.float32)


def _grid(height: int, width: int) -> np.ndarray:
    """The centres of so many equal parts of the unit square, [height * width, 2]."""
    rows, cols = ((np.arange(count) + 0.5) / count for count in (height, width))
    return np.stack(np.meshgrid(rows, cols, indexing='ij'), axis=-1).reshape(-1, 2)


def places(
    key: jax.Array, basis: np.ndarray, shape: tuple[int, int], warp: float, zoom: float
) -> jax.Array:
    """Where each pixel of the result is taken from, float32 [H * W, 2] in pixels (row, column).

    Args:
      key: of this example.
      basis: `thin_plate` of the shape.
      shape: (H, W).
      warp: standard deviation of what each control point moves, as a share of the side.
      zoom: the crop has from 1 - zoom to all of a side, and lies anywhere.
    """
    size = jnp.array([shape], jnp.float32)
    moves, crop = jax.random.split(key)
    shift = warp * jax.random.normal(moves, (basis.shape[1], 2))
    drawn = jax.random.uniform(crop, (3,))
    scale = 1 - zoom * drawn[0]
    bent = _grid(*shape).astype(np.float32) + jnp.matmul(basis, shift, precision='highest')
    return ((1 - scale) * drawn[None, 1:] + scale * bent) * size - 0.5


def bilinear(image: jax.Array, where: jax.Array) -> jax.Array:
    """An image between its pixels, [N, C] of its type, rounded; beyond its border that goes on.

    Args:
      image: uint8 or uint16 [H, W, C].
      where: float32 [N, 2], rows and columns of pixels.
    """
    height, width, _ = image.shape
    where = jnp.clip(where, 0, jnp.array([[height - 1, width - 1]], jnp.float32))
    first = jnp.floor(where)
    part = where - first
    total = jnp.zeros((len(where), image.shape[2]), jnp.float32)
    for down in (0, 1):
        for right in (0, 1):
            weight = _share(part[:, 0], down) * _share(part[:, 1], right)
            corner = first + jnp.array([[down, right]], jnp.float32)
            total += weight[:, None] * nearest(image, corner).astype(jnp.float32)
    return jnp.round(total).astype(image.dtype)


def _share(part: jax.Array, far: int) -> jax.Array:
    return part if far else 1 - part


def nearest(image: jax.Array, where: jax.Array) -> jax.Array:
    """The pixel at each place, [N, C], for what has no values in between, such as edges."""
    height, width, channels = image.shape
    row, col = jnp.round(where).astype(jnp.int32).T
    index = jnp.clip(row, 0, height - 1) * width + jnp.clip(col, 0, width - 1)
    return jnp.take(image.reshape(-1, channels), index, axis=0, mode='clip')
