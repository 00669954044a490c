"""The three maps of stride 1 seen from the other side, for a small map of few channels.

Of stride 1, a convolution is the adjoint of another: with the kernel reversed and its
channels swapped, what was the small map is the big one. Patches of a map of one channel
cost little; those of the map it is made from, taps times as much as that map.
"""

import jax
from jax import lax

from gan_jax.ops import gemm
from gan_jax.ops.windows import Axis, Window


def applies(window: Window) -> bool:
    """Whether these forms can compute the map."""
    return window.strides == (1, 1)


def down(big: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.down`."""
    return gemm.up(big, _kernel(kernel), _window(window))


def up(small: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.up`."""
    return gemm.down(small, _kernel(kernel), _window(window))


def corr(big: jax.Array, small: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.corr`."""
    return _kernel(gemm.corr(small, big, _window(window)))


def _kernel(kernel: jax.Array) -> jax.Array:
    return lax.rev(kernel, (0, 1)).swapaxes(2, 3)


def _window(window: Window) -> Window:
    return Window(*[Axis(x.small, x.big, x.taps, 1, x.taps - 1 - x.low) for x in window])
