"""Walks through the latent space."""

import jax
import numpy as np
import pytest

from gan_jax.states import Sampler
from gan_jax.tasks import latents
from gan_jax.use import sampling
from tests import gans

START, END = gans.normal(0, 2, 5, 100)


def test_spherical_interpolation_keeps_to_the_sphere_at_even_speed():
    unit = [z / np.linalg.norm(z, axis=-1, keepdims=True) for z in (START, END)]
    between = jax.jit(latents.slerp)
    path = np.stack([between(*unit, np.float32(t)) for t in np.linspace(0, 1, 9)])
    np.testing.assert_allclose(np.linalg.norm(path, axis=-1), np.ones((9, 5)), atol=1e-5)
    turns = np.arccos(np.sum(path[1:] * path[:-1], axis=-1))
    np.testing.assert_allclose(turns, np.tile(turns[:1], (8, 1)), atol=1e-4)


@pytest.mark.parametrize('between', [latents.slerp, latents.lerp])
def test_interpolation_meets_its_ends(between):
    between = jax.jit(between)
    np.testing.assert_allclose(between(START, END, np.float32(0)), START, atol=1e-5)
    np.testing.assert_allclose(between(START, END, np.float32(1)), END, atol=1e-5)
    np.testing.assert_allclose(between(START, START, np.float32(0.3)), START, atol=1e-5)


def test_a_walk_is_closed_and_has_no_jump():
    sampler = Sampler(
        latent=lambda key, count, truncation: jax.random.normal(key, (count, 50)),
        generate=None,
        num_classes=0,
    )
    draw = sampling.Draw(sampler, None, 3, 0, ())
    path = np.stack(list(sampling.walk(draw, 80, 'normal')))
    strides = np.linalg.norm(np.roll(path, -1, axis=0) - path, axis=-1)
    np.testing.assert_allclose(path[0], draw.latent(0), atol=1e-5)
    assert strides.max() < 2 * strides.mean()


@pytest.mark.parametrize(
    'num, classes, columns',
    [(12, 3, 3), (64, 2, 8), (64, 3, 9), (64, 0, 8), (64, 100, 8), (10, 10, 4)],
)
def test_a_grid_is_near_to_a_square_with_classes_in_columns(num, classes, columns):
    draw = sampling.Draw(None, None, num, 0, tuple(range(classes)))
    assert draw.columns() == columns
    assert columns % classes == 0 if 1 < classes <= 8 else True


def test_whichever_sample_is_picked_one_program_draws_the_latents():
    counts = []

    def latent(key, count, truncation):
        counts.append(count)
        return jax.random.normal(key, (count, 5))

    draw = sampling.Draw(Sampler(latent=latent, generate=None, num_classes=0), None, 64, 0, ())
    all_of_them = draw.latent()
    for num in (1, 5, 17, 64):
        np.testing.assert_array_equal(draw._replace(num=num).latent(), all_of_them[:num])
    assert set(counts) == {64}
