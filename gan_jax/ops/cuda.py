"""The three maps on an NVIDIA GPU: those of `plain` in a form that XLA knows for what they are.

XLA makes cuDNN's weight gradient of a convolution whose kernel is the small map only where that is
larger than the taps. Else it stays a dilated forward convolution, and what it takes and gives has
to be transposed. `gan-jax compile --topology=h100` shows which calls a step makes.
"""

import jax
import jax.numpy as jnp

from gan_jax.ops import gemm, plain
from gan_jax.ops.windows import Axis, Window


def down(big: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.down`."""
    return (gemm if gemm.is_whole(window) else plain).down(big, kernel, window)


def up(small: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.up`."""
    return (gemm if gemm.is_whole(window) else plain).up(small, kernel, window)


def corr(big: jax.Array, small: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.corr`.

    A row and a column of zeros behind a small map as large as the taps make it larger than them.
    Of a smaller one that would be mostly zeros, and its few patches are one product.
    """
    if any(axis.small < axis.taps for axis in window):
        return gemm.corr(big, small, window)
    lacking = [int(axis.small == axis.taps) for axis in window]
    small = jnp.pad(small, ((0, 0), *((0, lack) for lack in lacking), (0, 0)))
    return plain.corr(big, small, Window(*map(_longer, window, lacking)))


def _longer(axis: Axis, lack: int) -> Axis:
    return axis._replace(small=axis.small + lack)
