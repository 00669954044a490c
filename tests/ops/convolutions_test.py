"""The convolutions against their definitions and TensorFlow's rule."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import ops
from tests import gans

ROUNDING = dict(rtol=1e-5, atol=1e-5)


def scattered(x, kernel, stride, low, out):
    """Transposed convolution by its definition: each input adds a patch to the output."""
    size = kernel.shape[0]
    rows = (x.shape[1] - 1) * stride + size
    y = np.zeros((len(x), max(rows, low + out), max(rows, low + out), kernel.shape[2]), np.float32)
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            patch = np.einsum('nf,hwcf->nhwc', x[:, i, j], kernel)
            y[:, i * stride : i * stride + size, j * stride : j * stride + size] += patch
    return y[:, low : low + out, low : low + out]


def same_pads(rows: int, size: int, stride: int) -> tuple[int, int]:
    """TensorFlow's rule for 'SAME': the odd row goes to the end."""
    total = max((-(-rows // stride) - 1) * stride + size - rows, 0)
    return total // 2, total - total // 2


# kernel, stride, padding, output_padding
INTEGER_CASES = [(4, 1, 0, 0), (4, 2, 1, 0), (3, 2, 1, 1), (5, 2, 2, 1), (3, 3, 0, 2), (2, 1, 3, 0)]
SAME_CASES = [(4, 2), (3, 2), (3, 1), (5, 2), (5, 3), (2, 3), (1, 2)]


@pytest.mark.parametrize('size, stride, padding, more', INTEGER_CASES)
def test_transposed_convolution_scatters_patches(size, stride, padding, more):
    x, kernel = gans.normal(0, 2, 6, 6, 5), gans.normal(1, size, size, 3, 5)
    out = 5 * stride - 2 * padding + size + more
    expected = scattered(x, kernel, stride, padding, out)
    actual = ops.conv_transpose(x, kernel, stride, padding, more)
    np.testing.assert_allclose(actual, expected, **ROUNDING)


@pytest.mark.parametrize('size, stride', SAME_CASES)
def test_same_transposed_convolution_scatters_patches(size, stride):
    x, kernel = gans.normal(0, 2, 4, 4, 5), gans.normal(1, size, size, 3, 5)
    low, _ = same_pads(4 * stride, size, stride)
    expected = scattered(x, kernel, stride, low, 4 * stride)
    np.testing.assert_allclose(ops.conv_transpose(x, kernel, stride), expected, **ROUNDING)


@pytest.mark.parametrize('size', [3, 4, 5])
def test_upsample_conv_is_nearest_enlargement_then_convolution(size):
    x, kernel = gans.normal(0, 2, 4, 6, 3), gans.normal(1, size, size, 3, 5)
    enlarged = x.repeat(2, axis=1).repeat(2, axis=2)
    expected = ops.conv(enlarged, kernel, 1, 'SAME')
    np.testing.assert_allclose(ops.upsample_conv(x, kernel), expected, **ROUNDING)


def test_bfloat16_stays_bfloat16_and_is_summed_in_float32():
    # 512 ones: a sum kept in bfloat16 (8 bits of mantissa) would stop at 256.
    x, kernel = np.ones((1, 4, 4, 512), jnp.bfloat16), np.ones((1, 1, 512, 1), jnp.bfloat16)
    for y in (
        ops.conv(x, kernel),
        ops.conv_transpose(x, kernel.transpose(0, 1, 3, 2)),
        ops.upsample_conv(x, kernel),
    ):
        assert y.dtype == jnp.bfloat16
        np.testing.assert_array_equal(np.asarray(y, np.float32), 512)


@pytest.mark.parametrize('kind', ['conv', 'conv_transpose', 'upsample_conv'])
def test_gradients_in_bfloat16_have_the_operands_dtypes(kind):
    x = jax.ShapeDtypeStruct((1, 4, 4, 2), jnp.bfloat16)
    kernel = jax.ShapeDtypeStruct((3, 3, 2, 2), jnp.bfloat16)

    def total(x, kernel):
        return getattr(ops, kind)(x, kernel).astype(jnp.float32).sum()

    gradients = jax.eval_shape(jax.grad(total, (0, 1)), x, kernel)
    assert {g.dtype for g in gradients} == {jnp.dtype(jnp.bfloat16)}
