"""Latents: the distribution asked for, and mixtures around centres that never move."""

import functools

import jax
import numpy as np
import pytest

from gan_jax import config as config_lib
from gan_jax import rng
from gan_jax.tasks import latents

EXAMPLES = 10  # of the set


def draw(seed, count=2_000, **changes):
    config = config_lib.default()
    config.latent_dim = 16
    config.update_from_flattened_dict(changes)
    latent = latents.make(config, EXAMPLES)
    draw = jax.jit(lambda key: latent(rng.example_keys(key, count, None)))
    return np.asarray(draw(jax.random.key(seed)))


def test_a_distribution_alone():
    normal, uniform = draw(0), draw(0, latent='uniform')
    assert normal.shape == (2_000, 16)
    np.testing.assert_allclose([normal.mean(), normal.std()], [0, 1], atol=0.02)
    np.testing.assert_allclose([uniform.min(), uniform.max()], [-1, 1], atol=0.01)
    np.testing.assert_allclose(uniform.std(), 3**-0.5, atol=0.02)


@pytest.mark.parametrize('latent', latents.DISTRIBUTIONS)
def test_a_mixture_lies_around_the_same_centres_for_every_seed(latent):
    mixture = {'latent': latent, 'latent_mixture.components': 0.5}
    centres = np.unique(draw(0, **mixture, **{'latent_mixture.std': 0.0}), axis=0)
    assert len(centres) == 5
    np.testing.assert_array_equal(
        np.unique(draw(7, **mixture, **{'latent_mixture.std': 0.0}), axis=0), centres
    )
    z = draw(1, **mixture, **{'latent_mixture.std': 0.1})
    distances = np.linalg.norm(z[:, None] - centres, axis=-1)
    counts = np.bincount(distances.argmin(axis=1), minlength=5)
    assert counts.min() > 300  # each as probable as the others
    nearest = distances.min(axis=1)
    alone = np.linalg.norm(0.1 * draw(2, latent=latent), axis=-1)
    np.testing.assert_allclose(nearest.mean(), alone.mean(), rtol=0.05)


def test_an_example_has_its_latent_whatever_the_batch():
    mixture = {'latent_mixture.components': 0.9}
    np.testing.assert_array_equal(draw(3, 8, **mixture), draw(3, 64, **mixture)[:8])


def test_there_are_no_more_centres_than_can_be_drawn_from():
    config = config_lib.default()
    config.latent_mixture.components = 9e5
    jax.eval_shape(latents.make(config, 10**12), jax.random.split(jax.random.key(0), 2))


def test_there_are_as_many_centres_as_the_set_asks_for():
    config = config_lib.default()
    config.latent_dim, config.latent_mixture.std = 4, 0.0
    for share, examples, count in ((0.5, 40, 20), (0.01, 40, 1), (2.0, 40, 80)):
        config.latent_mixture.components = share
        keys = rng.example_keys(jax.random.key(0), 2_000, None)
        z = np.unique(jax.jit(latents.make(config, examples))(keys), axis=0)
        assert len(z) == count == latents.num_components(config, examples)
        means = jax.jit(functools.partial(latents.component_means, config))(np.arange(count))
        np.testing.assert_allclose(z, np.unique(means, axis=0), rtol=1e-6)  # of two programs
