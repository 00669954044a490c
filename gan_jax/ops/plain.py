"""The three maps as JAX's own derivatives write them, which GPU and TPU compilers know best."""

import jax
from jax import lax

from gan_jax.ops.direct import down
from gan_jax.ops.windows import Window

__all__ = ['corr', 'down', 'up']


def up(small: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.up`."""
    return lax.conv_general_dilated(
        small,
        lax.rev(kernel, (0, 1)),
        (1, 1),
        window.adjoint_pads,
        lhs_dilation=window.strides,
        dimension_numbers=('NHWC', 'HWOI', 'NHWC'),
    )


def corr(big: jax.Array, small: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.corr`."""
    return lax.conv_general_dilated(
        big,
        small,
        (1, 1),
        window.pads,
        rhs_dilation=window.strides,
        dimension_numbers=('CHWN', 'IHWO', 'HWNC'),
    )
