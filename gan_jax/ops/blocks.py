"""`direct`, but `up` of few big channels as a convolution whose channels are blocks of the big map.

A block is stride x stride elements. Eigen computes many channels at once, and of 16 it would waste
most.
"""

import jax
from jax import lax

from gan_jax.ops.direct import DIMENSIONS, corr, down
from gan_jax.ops.windows import Window

__all__ = ['applies', 'corr', 'down', 'up']


def applies(window: Window) -> bool:
    """Whether these forms can compute the map."""
    return all(axis.taps % axis.stride == 0 for axis in window)


def up(small: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.up`.

    Big element (t, p) = t * stride + p - low receives tap m * stride + p of small t - m.
    """
    rows, cols = window
    height, width = depths = [axis.taps // axis.stride for axis in window]
    taps = kernel.reshape(height, rows.stride, width, cols.stride, *kernel.shape[2:])
    taps = lax.rev(taps, (0, 2)).transpose(0, 2, 5, 1, 3, 4)
    firsts = [axis.low // axis.stride for axis in window]
    lasts = [(axis.low + axis.big - 1) // axis.stride for axis in window]
    pads = [
        (depth - 1 - first, last + 1 - axis.small)
        for depth, first, last, axis in zip(depths, firsts, lasts, window, strict=True)
    ]
    x = lax.conv_general_dilated(
        small,
        taps.reshape(height, width, kernel.shape[3], -1),
        (1, 1),
        pads,
        dimension_numbers=DIMENSIONS,
    )
    n, height, width, _ = x.shape
    x = x.reshape(n, height, width, rows.stride, -1).swapaxes(2, 3)
    big = x.reshape(n, height * rows.stride, width * cols.stride, -1)
    top, left = (axis.low % axis.stride for axis in window)
    return big[:, top : top + rows.big, left : left + cols.big]
