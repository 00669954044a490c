"""Losses against values worked out by hand, and their properties."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import losses

REAL = np.float32([0, 2, -1])
FAKE = np.float32([0, -3, 1])
ZERO = np.zeros(1, np.float32)


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
    found = jax.jit(lambda *logits: [role(*logits) for role in losses.make(name)])(REAL, FAKE)
    for role, expected in zip(found, EXPECTED[name], strict=True):
        np.testing.assert_allclose(role, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize('name', losses.LOSSES)
def test_is_finite_with_finite_gradient_at_extreme_logits(name):
    loss = losses.make(name, 0.1 if losses.LOSSES[name].smooths else 0.0)
    extreme = np.float32([-1e4, 1e4])
    sums = [jax.value_and_grad(lambda r, f, role=role: jnp.sum(role(r, f))) for role in loss]
    found = jax.jit(lambda *logits: [call(*logits) for call in sums])(extreme, -extreme)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(found))


@pytest.mark.parametrize('name', [n for n, loss in losses.LOSSES.items() if loss.smooths])
def test_smoothing_moves_the_real_target_only(name):
    plain, smooth = losses.make(name), losses.make(name, 0.1)
    generators = jax.jit(lambda *logits: [loss.gen(*logits) for loss in (plain, smooth)])
    np.testing.assert_array_equal(*generators(REAL, FAKE))
    # The best logit for a real image: sigmoid^-1(0.9) for cross-entropies, 0.9 for squares.
    best = 0.9 if name == 'least_squares' else np.log(9)
    slope = jax.jit(jax.grad(lambda r: jnp.sum(smooth.disc(r, ZERO))))(np.float32([best]))
    np.testing.assert_allclose(slope, 0, atol=1e-6)


def test_shapes_must_match():
    with pytest.raises(AssertionError):
        losses.make('hinge').disc(np.zeros(3), np.zeros(2))
