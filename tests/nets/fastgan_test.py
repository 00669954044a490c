"""FastGAN's light generator."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import nets
from gan_jax.nets import fastgan
from tests import gans


def build(side, width=2, **fields):
    section = {'name': 'fastgan', 'width': width, **fields}
    return nets.build('gen', section, image_shape=(side, side, 3))


@pytest.mark.parametrize('side', fastgan.SIDES)
def test_each_excitation_is_of_a_map_that_the_image_has(side):
    shapes = jax.eval_shape(
        partial(build(side, 24).init, train=False), jax.random.key(0), jnp.zeros((2, 128))
    )
    weighed = sum(large <= side for large in fastgan.EXCITES.values())
    assert sum(name.startswith('Excitation') for name in shapes['params']) == weighed


def test_the_length_of_a_latent_does_not_matter():
    z, net = gans.normal(1, 4, 8), build(64)
    variables = gans.variables(net, z, train=False)
    call = jax.jit(partial(net.apply, train=True, mutable=['batch_stats']))
    images, longer = (np.asarray(call(variables, length * z)[0]) for length in (1, 3))
    np.testing.assert_allclose(images, longer, atol=1e-4)
    assert images.shape == (4, 64, 64, 3) and np.abs(images).max() <= 1
