"""The three maps as one matrix product each.

With P(big)[n i j, a b c] = big[n, i s + a - low, j s + b - low, c], the patches of the big
map, as a matrix with a row for each element of the small map, and k and small as matrices,

    down = P(big) k         up = P^T(small k^T)         corr = P(big)^T small

where P^T adds the columns of patches back to where they were taken from. `down` and `corr`
of one big map in one program share its patches: XLA keeps one of two equal computations.
"""

import jax
from jax import lax
import jax.numpy as jnp

from gan_jax.ops.windows import Axis, Window


def down(big: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.down`."""
    rows, small = _patches(big, window), (window.rows.small, window.cols.small)
    y = lax.dot(rows, _matrix(kernel), preferred_element_type=jnp.float32)
    return y.astype(big.dtype).reshape(-1, *small, kernel.shape[3])


def up(small: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.up`."""
    # As the kernel is contracted along its last axis, no transposed copy of it is made.
    columns = lax.dot_general(
        _rows(small), _matrix(kernel), (((1,), (1,)), ((), ())), preferred_element_type=jnp.float32
    )
    if is_whole(window):
        return columns.astype(small.dtype).reshape(-1, *window.taps, kernel.shape[2])
    columns = columns.reshape(*small.shape[:3], *kernel.shape[:3])
    height = _overlap_add(columns, 1, window.rows)
    # Once to memory: fused into the second sum, every element would be computed `taps` times.
    height = lax.optimization_barrier(height)
    return _overlap_add(height, 2, window.cols).astype(small.dtype)


def corr(big: jax.Array, small: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.corr`."""
    taps = lax.dot_general(
        _patches(big, window),
        _rows(small),
        (((0,), (0,)), ((), ())),
        preferred_element_type=jnp.float32,
    )
    return taps.astype(big.dtype).reshape(*window.taps, big.shape[3], small.shape[3])


def _rows(small: jax.Array) -> jax.Array:
    return small.reshape(-1, small.shape[3])


def _matrix(kernel: jax.Array) -> jax.Array:
    return kernel.reshape(-1, kernel.shape[3])


def is_whole(window: Window) -> bool:
    """Whether the one patch is the big map itself."""
    return all(axis == Axis(axis.taps, 1, axis.taps, axis.stride, 0) for axis in window)


def _patches(big: jax.Array, window: Window) -> jax.Array:
    """[N, H, W, C] -> [N h w, kh kw C]: windows along the rows first, then columns of those."""
    if is_whole(window):
        return big.reshape(big.shape[0], -1)
    (top, bottom), (left, right) = window.pads
    x = lax.pad(
        big,
        jnp.zeros((), big.dtype),
        [(0, 0, 0), (top, bottom, 0), (left, right, 0), (0, 0, 0)],
    )
    x = lax.optimization_barrier(_windows(x, 2, window.cols))
    x = _windows(x, 1, window.rows)
    return x.reshape(-1, x.shape[3])


def _windows(x: jax.Array, axis: int, size: Axis) -> jax.Array:
    """One strided slice for each tap, side by side as channels."""
    length = (size.small - 1) * size.stride + 1
    slices = [lax.slice_in_dim(x, tap, tap + length, size.stride, axis) for tap in range(size.taps)]
    return jnp.concatenate(slices, axis=-1)


def _overlap_add(columns: jax.Array, axis: int, size: Axis) -> jax.Array:
    """Sums [..., small, ..., taps, ..., C] into [..., big, ..., C], taps at axis 3.

    Big element (t, p) = t * stride + p - low receives tap m * stride + p of small t - m.
    """
    depth = -(-size.taps // size.stride)  # small elements that meet one big element
    phases = jnp.moveaxis(columns, 3, axis + 1)
    phases = _pad(phases, axis + 1, 0, depth * size.stride - size.taps)
    shape = phases.shape
    phases = phases.reshape(*shape[: axis + 1], depth, size.stride, *shape[axis + 2 :])
    parts = (
        _pad(lax.index_in_dim(phases, m, axis + 1, keepdims=False), axis, m, depth - 1 - m)
        for m in range(depth)
    )
    total = sum(parts, start=jnp.zeros((), phases.dtype))
    length = (size.small + depth - 1) * size.stride
    big = total.reshape(*shape[:axis], length, *shape[axis + 2 :])
    return _pad(big, axis, -size.low, size.big + size.low - length)


def _pad(x: jax.Array, axis: int, low: int, high: int) -> jax.Array:
    """Zeros before and behind along one axis; a negative number crops."""
    config = [(low, high, 0) if i == axis else (0, 0, 0) for i in range(x.ndim)]
    return lax.pad(x, jnp.zeros((), x.dtype), config)
