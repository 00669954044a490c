"""The precision of the convolutions; their values are those of lax: bilinear_test.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import ops


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
