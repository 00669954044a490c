"""Convolution of each channel by itself, and the two maps that are its derivatives.

The three maps of `gan_jax.ops.bilinear` with a kernel k[kh, kw, C] that has one channel for each
of the maps', in two forms. On a CPU each is a sum of shifted maps, a product for every tap, which
XLA fuses into one loop; its own grouped convolution is many times slower there, and so is what
differentiation makes of strided slices, a scatter for every tap. On any other platform each is a
grouped `lax` convolution.

As primitives they have derivatives of any order, and of a frozen kernel none is computed.
"""

from functools import partial
from typing import Any

import jax
from jax import lax
import jax.numpy as jnp

from gan_jax.ops import bilinear
from gan_jax.ops.convolutions import Padding, axis
from gan_jax.ops.once import computed_once
from gan_jax.ops.windows import Window

_DIMENSIONS = ('NHWC', 'HWIO', 'NHWC')


def depthwise_conv(
    x: jax.Array, kernel: jax.Array, stride: int = 1, padding: Padding = 'SAME'
) -> jax.Array:
    """Convolution of each channel by itself.

    Args:
      x: [N, H, W, C].
      kernel: [kh, kw, C], of the dtype of x.
      stride: the same for both axes.
      padding: 'SAME' or zeros on each side, as of `conv`.

    Returns:
      [N, h, w, C] with h and w as of `conv`.
    """
    axes = map(partial(axis, stride=stride, padding=padding), x.shape[1:3], kernel.shape[:2])
    return bilinear.bind(_down, x, kernel, Window(*axes))


def _small_shape(big: Any, kernel: Any, window: Window) -> tuple[int, ...]:
    return big.shape[0], window.rows.small, window.cols.small, big.shape[3]


def _big_shape(small: Any, kernel: Any, window: Window) -> tuple[int, ...]:
    return small.shape[0], window.rows.big, window.cols.big, small.shape[3]


def _kernel_shape(big: Any, small: Any, window: Window) -> tuple[int, ...]:
    return *window.taps, big.shape[3]


def grouped_down(big: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """[N, H, W, C], [kh, kw, C] -> [N, h, w, C] as one grouped convolution."""
    return lax.conv_general_dilated(
        big,
        kernel[:, :, None],
        window.strides,
        window.pads,
        dimension_numbers=_DIMENSIONS,
        feature_group_count=big.shape[3],
        precision=lax.Precision.HIGHEST,  # few products: rounding them to fewer bits saves nothing
    )


def grouped_up(small: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """[N, h, w, C], [kh, kw, C] -> [N, H, W, C], as JAX's own derivative writes it."""
    shape = _big_shape(small, kernel, window)
    down = partial(grouped_down, kernel=kernel, window=window)
    return jax.linear_transpose(down, jax.ShapeDtypeStruct(shape, small.dtype))(small)[0]


def grouped_corr(big: jax.Array, small: jax.Array, window: Window) -> jax.Array:
    """[N, H, W, C], [N, h, w, C] -> [kh, kw, C], as JAX's own derivative writes it."""
    shape = _kernel_shape(big, small, window)
    down = partial(grouped_down, big, window=window)
    return jax.linear_transpose(down, jax.ShapeDtypeStruct(shape, big.dtype))(small)[0]


def shifted_down(big: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """[N, H, W, C], [kh, kw, C] -> [N, h, w, C] as a sum of shifted maps."""
    padded = _padded(big, window.pads)
    return _summed(padded, kernel, window.strides, _small_shape(big, kernel, window))


def shifted_up(small: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """[N, h, w, C], [kh, kw, C] -> [N, H, W, C]: the same sum over the map with zeros in it."""
    padded = _padded(small, window.adjoint_pads, window.strides)
    return _summed(padded, kernel[::-1, ::-1], (1, 1), _big_shape(small, kernel, window))


def shifted_corr(big: jax.Array, small: jax.Array, window: Window) -> jax.Array:
    """[N, H, W, C], [N, h, w, C] -> [kh, kw, C]: a product summed over places for every tap."""
    padded = _padded(big, window.pads)
    taps = [
        jnp.einsum('nhwc,nhwc->c', part, small, precision='highest')
        for part in _parts(padded, window.taps, window.strides, small.shape)
    ]
    return jnp.stack(taps).reshape(_kernel_shape(big, small, window))


def _padded(
    x: jax.Array, pads: list[tuple[int, int]], strides: tuple[int, int] = (1, 1)
) -> jax.Array:
    """Zeros around x, and `stride - 1` between its elements.

    It is computed once: without the barrier XLA would compute what x is made of anew for each tap.
    """
    inner = [(low, high, stride - 1) for (low, high), stride in zip(pads, strides, strict=True)]
    padded = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *inner, (0, 0, 0)])
    return lax.optimization_barrier(padded)


def _parts(
    padded: jax.Array, taps: tuple[int, ...], strides: tuple[int, int], shape: tuple[int, ...]
) -> list[jax.Array]:
    """The map of shape `shape` that each tap multiplies, in the order of a kernel's rows."""
    height, width = ((n - 1) * stride + 1 for n, stride in zip(shape[1:3], strides, strict=True))
    return [
        padded[:, row : row + height : strides[0], column : column + width : strides[1]]
        for row in range(taps[0])
        for column in range(taps[1])
    ]


def _summed(
    padded: jax.Array, kernel: jax.Array, strides: tuple[int, int], shape: tuple[int, ...]
) -> jax.Array:
    """The sum over taps of what they meet times their weights; of bfloat16 in float32."""
    parts = _parts(padded, kernel.shape[:2], strides, shape)
    weights = kernel.reshape(-1, 1, 1, 1, kernel.shape[2]).astype(jnp.float32)
    total = jnp.zeros(shape, jnp.float32)
    for part, weight in zip(parts, weights, strict=True):
        total = total + part.astype(jnp.float32) * weight
    return computed_once(total).astype(padded.dtype)


_down = bilinear.primitive('depthwise_down', _small_shape, grouped_down, cpu=shifted_down)
_up = bilinear.primitive('depthwise_up', _big_shape, grouped_up, cpu=shifted_up)
_corr = bilinear.primitive('depthwise_corr', _kernel_shape, grouped_corr, cpu=shifted_corr)
bilinear.differentiate(_down, _up, _corr)
