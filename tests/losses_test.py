"""Losses against values worked out by hand, and their properties."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import losses

REAL = jnp.array([0.0, 2.0, -1.0])
FAKE = jnp.array([0.0, -3.0, 1.0])


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


R, F = np.asarray(REAL, np.float64), np.asarray(FAKE, np.float64)
DISC_BCE = -np.log(sigmoid(R)) - np.log(1 - sigmoid(F))

# The formulas of the papers, in probabilities and without any trick for stability.
EXPECTED = {
    'non_saturating': (-np.log(sigmoid(F)), DISC_BCE),
    'minimax': (np.log(1 - sigmoid(F)), DISC_BCE),
    'least_squares': ((F - 1) ** 2 / 2, ((R - 1) ** 2 + F**2) / 2),
    'hinge': (-F, np.maximum(0, 1 - R) + np.maximum(0, 1 + F)),
    'wasserstein': (-F, F - R),
    'relativistic': (-np.log(sigmoid(F - R)), -np.log(sigmoid(R - F))),
}


@pytest.mark.parametrize('name', losses.LOSSES)
def test_is_the_formula_of_its_paper(name):
    loss = losses.make(name)
    gen, disc = EXPECTED[name]
    np.testing.assert_allclose(loss.gen(REAL, FAKE), gen, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(loss.disc(REAL, FAKE), disc, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize('name', losses.LOSSES)
def test_pushes_logits_apart_for_the_discriminator_and_fakes_up_for_the_generator(name):
    loss = losses.make(name)
    real, fake = jnp.zeros(1), jnp.zeros(1)
    slope = jax.grad(lambda r, f: jnp.sum(loss.disc(r, f)), (0, 1))(real, fake)
    assert slope[0] < 0
    assert name == 'least_squares' or slope[1] > 0  # its target for fakes is 0 itself
    assert jax.grad(lambda f: jnp.sum(loss.gen(real, f)))(fake) < 0


@pytest.mark.parametrize('name', losses.LOSSES)
def test_is_finite_with_finite_gradient_at_extreme_logits(name):
    loss = losses.make(name, 0.1 if losses.LOSSES[name].smooths else 0.0)
    extreme = jnp.array([-1e4, 1e4])
    for fn in loss:
        value, slope = jax.value_and_grad(lambda r, f, fn=fn: jnp.sum(fn(r, f)))(extreme, -extreme)
        assert np.isfinite(value) and np.all(np.isfinite(slope))


@pytest.mark.parametrize('name', [n for n, loss in losses.LOSSES.items() if loss.smooths])
def test_smoothing_moves_the_real_target_only(name):
    plain, smooth = losses.make(name), losses.make(name, 0.1)
    np.testing.assert_array_equal(plain.gen(REAL, FAKE), smooth.gen(REAL, FAKE))
    # The best logit for a real image: sigmoid^-1(0.9) for cross-entropies, 0.9 for squares.
    best = 0.9 if name == 'least_squares' else np.log(9)
    slope = jax.grad(lambda r: jnp.sum(smooth.disc(r, jnp.zeros(1))))(
        jnp.array([best], jnp.float32)
    )
    np.testing.assert_allclose(slope, 0, atol=1e-6)


def test_shapes_must_match():
    with pytest.raises(AssertionError):
        losses.make('hinge').disc(jnp.zeros(3), jnp.zeros(2))
