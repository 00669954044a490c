"""The probability of augmentation follows how far the discriminator overfits."""

import jax.numpy as jnp
import numpy as np

from gan_jax import ada
from gan_jax import config as base


def follow(found, signs):
    """The probability after each step."""
    memory = ada.start()
    history = []
    for step, sign in enumerate(signs):
        memory = ada.follow(found, memory, jnp.float32(sign), jnp.int32(step))
        history.append(float(memory['p']))
    return history


def made():
    config = base.default().ada
    config.update(target=0.5, every=1, images=100, limit=0.8)
    return ada.make(config, images_per_step=10)


def test_it_is_off_by_default():
    assert ada.make(base.default().ada, 64) is None


def test_it_rises_above_the_target_and_falls_below():
    np.testing.assert_allclose(follow(made(), [0.9, 0.6, 0.4, 0.9]), [0.1, 0.2, 0.1, 0.2])


def test_it_stays_between_zero_and_its_limit():
    assert follow(made(), [0.0, -1.0]) == [0.0, 0.0]
    np.testing.assert_allclose(follow(made(), [1.0] * 20)[-1], 0.8)


def test_it_rises_from_zero_to_one_in_the_given_number_of_images():
    """Whatever the batch and the interval are."""
    for batch_size, every in ((10, 1), (4, 5), (50, 2)):
        config = base.default().ada
        config.update(target=0.5, every=every, images=200, limit=1.0)
        steps = 200 // batch_size
        history = follow(ada.make(config, batch_size), [1.0] * steps)
        np.testing.assert_allclose(history[-1], 1.0, rtol=1e-5)
        assert history[steps // 2 - every] < 0.6


def test_it_changes_by_the_mean_sign_since_the_last_change():
    found = ada.Ada(target=0.5, every=4, change=0.25, limit=1.0)
    # Means of 0.75, 0.25 and 1.
    signs = [1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, -1.0, 1.0, 1.0, 1.0, 1.0]
    assert follow(found, signs) == [0.0] * 3 + [0.25] * 4 + [0.0] * 4 + [0.25]
