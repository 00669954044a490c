"""The three maps as one `lax` convolution each.

Written so that XLA's CPU compiler can hand each of them to Eigen wherever it stands: maps
as NHWC, kernels as HWIO, and a reversed kernel reversed in memory. What JAX's own
derivatives ask for instead, other layouts and a window reversal, is repaired only in some
places, and computed by a plain loop in all others.
"""

import jax
from jax import lax

from gan_jax.ops.windows import Window

_DIMENSIONS = ('NHWC', 'HWIO', 'NHWC')


def down(big: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.down`."""
    return lax.conv_general_dilated(
        big, kernel, window.strides, window.pads, dimension_numbers=_DIMENSIONS
    )


def up(small: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.up`: the reversed kernel over the small map with zeros between its elements."""
    return lax.conv_general_dilated(
        small,
        lax.rev(kernel, (0, 1)).swapaxes(2, 3),
        (1, 1),
        window.adjoint_pads,
        lhs_dilation=window.strides,
        dimension_numbers=_DIMENSIONS,
    )


def corr(big: jax.Array, small: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.corr`: examples take the place of channels, the small map is the kernel."""
    taps = lax.conv_general_dilated(
        big.transpose(3, 1, 2, 0),
        small.transpose(1, 2, 0, 3),
        (1, 1),
        window.pads,
        rhs_dilation=window.strides,
        dimension_numbers=_DIMENSIONS,
    )
    return taps.transpose(1, 2, 0, 3)
