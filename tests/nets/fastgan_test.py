"""FastGAN's light generator."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import nets
from gan_jax.nets import fastgan


def build(side, width=2, **fields):
    section = {'name': 'fastgan', 'width': width, **fields}
    return nets.build('gen', section, image_shape=(side, side, 3))


def draw(net, z):
    return jax.jit(partial(net.init_with_output, train=True))(jax.random.key(0), z)


@pytest.mark.parametrize('side', fastgan.SIDES)
def test_each_excitation_is_of_a_map_that_the_image_has(side):
    shapes = jax.eval_shape(
        partial(build(side, 24).init, train=False), jax.random.key(0), jnp.zeros((2, 128))
    )
    weighed = sum(large <= side for large in fastgan.EXCITES.values())
    assert sum(name.startswith('Excitation') for name in shapes['params']) == weighed


def test_the_length_of_a_latent_does_not_matter():
    z = jax.random.normal(jax.random.key(1), (4, 8))
    net = build(64)
    images, longer = draw(net, z)[0], draw(net, 3 * z)[0]
    np.testing.assert_allclose(images, longer, atol=1e-4)
    assert images.shape == (4, 64, 64, 3) and float(jnp.abs(images).max()) <= 1
