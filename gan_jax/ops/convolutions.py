"""Convolution, its adjoint, and convolution of an enlarged map.

Maps are [N, H, W, C]. All three functions take kernels as k[kh, kw, C_big, C_small]: of a
convolution "big" is its input, of a transposed convolution its output. So one kernel
serves a convolution and the transposed convolution that is its adjoint, as in TensorFlow,
whose conv2d_transpose takes [kh, kw, out, in]. PyTorch stores Conv2d's as [out, in, kh, kw]
and ConvTranspose2d's as [in, out, kh, kw], which is [C_small, C_big, kh, kw] for both:
`weight.permute(2, 3, 1, 0)` makes either of them ours, without a flip.

`padding` is 'SAME', TensorFlow's (H / stride rounded up, the odd row at the bottom and the
right), or an integer, PyTorch's (so many zeros on each side; 0 is 'VALID').

bfloat16 in gives bfloat16 out, summed in float32, which every backend does unasked. Asking
for it (`preferred_element_type`) would make the cotangents float32, and JAX then widens
both operands of the two gradient convolutions.
"""

from typing import Literal

import jax
from jax import lax
import jax.numpy as jnp

Padding = Literal['SAME'] | int
_DIMENSIONS = ('NHWC', 'HWIO', 'NHWC')


def conv(x: jax.Array, kernel: jax.Array, stride: int = 1, padding: Padding = 'SAME') -> jax.Array:
    """Convolution (cross-correlation, as in every deep learning library).

    Args:
      x: [N, H, W, C_big].
      kernel: [kh, kw, C_big, C_small].
      stride: the same for both axes.
      padding: 'SAME' or zeros on each side.

    Returns:
      [N, h, w, C_small] with h = ceil(H / stride) for 'SAME', else
      (H + 2 * padding - kh) // stride + 1.
    """
    pads = padding if padding == 'SAME' else [(padding, padding)] * 2
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), pads, dimension_numbers=_DIMENSIONS
    )


def conv_transpose(
    x: jax.Array,
    kernel: jax.Array,
    stride: int = 1,
    padding: Padding = 'SAME',
    output_padding: int = 0,
) -> jax.Array:
    """The adjoint of `conv` with the same kernel, stride and padding.

    Equals TensorFlow's conv2d_transpose for 'SAME' and PyTorch's
    ConvTranspose2d(kernel, stride, padding, output_padding) for an integer.

    Args:
      x: [N, h, w, C_small].
      kernel: [kh, kw, C_big, C_small].
      stride: the same for both axes.
      padding: of the convolution whose adjoint this is.
      output_padding: rows and columns more at the bottom and the right: which of the
        sizes that `conv` maps to h is meant. 'SAME' always means h * stride.

    Returns:
      [N, H, W, C_big] with H = h * stride for 'SAME', else
      (h - 1) * stride - 2 * padding + kh + output_padding.
    """
    pads = [_adjoint_padding(size, stride, padding, output_padding) for size in kernel.shape[:2]]
    return lax.conv_transpose(
        x, kernel, (stride, stride), pads, dimension_numbers=_DIMENSIONS, transpose_kernel=True
    )


def upsample_conv(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Nearest-neighbour enlargement to twice the size, then a 'SAME' convolution of stride 1.

    Args:
      x: [N, h, w, C_in].
      kernel: [kh, kw, C_in, C_out], as of `conv`.

    Returns:
      [N, 2 * h, 2 * w, C_out].
    """
    n, h, w, channels = x.shape
    doubled = jnp.broadcast_to(x[:, :, None, :, None, :], (n, h, 2, w, 2, channels))
    return conv(doubled.reshape(n, 2 * h, 2 * w, channels), kernel)


def _adjoint_padding(
    size: int, stride: int, padding: Padding, output_padding: int
) -> tuple[int, int]:
    """Zeros before and after the stride-dilated small map along one axis."""
    if padding == 'SAME':
        total = max(size - stride, 0)
        low, high = total // 2, total - total // 2
        output_padding = max(stride - size, 0)
    else:
        low = high = padding
    return size - 1 - low, size - 1 - high + output_padding
