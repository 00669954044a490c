"""Operations are counted as a textbook counts them, whatever form computes them."""

import jax
import jax.numpy as jnp

from benchmarks import arithmetic
from gan_jax import ops
from gan_jax.nets import dcgan


def count(function, *shapes):
    return arithmetic.flops(
        jax.make_jaxpr(function)(*(jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes))
    )


def test_a_matrix_product_is_two_operations_for_each_triple():
    assert count(jnp.matmul, (3, 5), (5, 7)) == 2 * 3 * 5 * 7
    assert count(lambda x, y: jnp.einsum('bij,bjk->bik', x, y), (2, 3, 5), (2, 5, 7)) == 420


def test_a_convolution_counts_every_tap():
    def conv(x, kernel):
        return ops.conv(x, kernel, 2, 1)

    once = 2 * 4 * 8 * 8 * (4 * 4 * 3 * 5)
    assert count(conv, (4, 16, 16, 3), (4, 4, 3, 5)) == once
    gradients = jax.grad(lambda x, k: conv(x, k).sum(), argnums=(0, 1))
    assert count(gradients, (4, 16, 16, 3), (4, 4, 3, 5)) == 2 * once


def test_a_depthwise_convolution_counts_every_tap_of_its_own_channel():
    once = 2 * 4 * 8 * 8 * (5 * 5 * 3)
    gradients = jax.grad(lambda x, k: ops.depthwise_conv(x, k, 2).sum(), argnums=(0, 1))
    assert count(gradients, (4, 16, 16, 3), (5, 5, 3)) == 2 * once


def test_repeated_work_is_counted_as_often_as_it_is_done():
    def repeated(x, y):
        return jax.lax.scan(lambda carry, _: (jax.jit(jnp.matmul)(carry, y), None), x, length=6)

    assert count(repeated, (3, 5), (5, 5)) == 6 * 2 * 3 * 5 * 5


def test_dcgan_s_discriminator_is_the_sum_of_its_layers():
    net = dcgan.Discriminator(image_shape=(64, 64, 3))
    image = jax.ShapeDtypeStruct((2, 64, 64, 3), jnp.float32)
    variables = jax.eval_shape(lambda x: net.init(jax.random.key(0), x, train=False), image)
    traced = jax.make_jaxpr(lambda v, x: net.apply(v, x, train=False))(variables, image)
    sides, channels = (32, 16, 8, 4, 1), (3, 64, 128, 256, 512, 1)
    layers = zip(sides, channels, channels[1:], strict=False)
    assert arithmetic.flops(traced) == sum(2 * 2 * s * s * 16 * a * b for s, a, b in layers)
