"""Penalties of discriminators whose input gradient is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import penalties
from tests import gans

SHAPE = (4, 3, 3, 2)
REAL, FAKE = gans.normal(0, *SHAPE), gans.normal(1, *SHAPE)
KEYS = jax.random.split(jax.random.key(2), 4)
DIRECTION = gans.normal(3, *SHAPE[1:])


def linear(norm):
    """A discriminator whose gradient has length `norm` everywhere."""
    unit = DIRECTION / np.linalg.norm(DIRECTION)
    return lambda x: norm * jnp.sum(x * unit[None], axis=(1, 2, 3))


def quadratic(x):
    """Its gradient at x is x."""
    return 0.5 * jnp.sum(jnp.square(x), axis=(1, 2, 3))


def penalty(name, logits, real=REAL, fake=FAKE):
    """The penalty of each image, of one program."""
    call = jax.jit(lambda *given: penalties.PENALTIES[name](logits, *given, None))
    return np.asarray(call(real, fake, KEYS))


@pytest.mark.parametrize('name', ['gradient_penalty', 'dragan'])
def test_distance_from_one_on_a_linear_discriminator(name):
    @jax.jit
    def call(norm):
        return penalties.PENALTIES[name](linear(norm), REAL, FAKE, KEYS, None)

    for norm in (0.0, 1.0, 3.0):
        np.testing.assert_allclose(call(norm), np.full(4, (norm - 1) ** 2), atol=1e-5)


@pytest.mark.parametrize(('name', 'images'), [('r1', REAL), ('r2', FAKE)])
def test_r1_and_r2_are_half_the_squared_norm_where_they_say(name, images):
    expected = jax.jit(quadratic)(images)
    np.testing.assert_allclose(penalty(name, quadratic), expected, rtol=1e-6)


def test_gradient_penalty_is_taken_between_real_and_fake():
    # On the line from 0 to b the gradient of `quadratic` is t b, so the root of the penalty is
    # | t |b| - 1 | with 0 <= t <= 1.
    value = penalty('gradient_penalty', quadratic, np.zeros(SHAPE, np.float32))
    along = (1 + np.sqrt(value)) / np.sqrt(np.sum(FAKE**2, axis=(1, 2, 3)))
    assert np.all((along >= 0) & (along <= 1 + 1e-5))
    assert len(np.unique(np.round(along, 4))) == 4  # one t an example


def test_dragan_stays_within_half_a_standard_deviation_of_the_real_images():
    seen = []

    def spy(x):
        jax.debug.callback(lambda images: seen.append(np.asarray(images)), jax.lax.stop_gradient(x))
        return quadratic(x)

    penalty('dragan', spy)
    jax.effects_barrier()
    shift = seen[0] - REAL
    assert shift.min() >= 0 and shift.max() <= 0.5 * REAL.std() + 1e-6 and shift.max() > 0


@pytest.mark.parametrize('name', penalties.PENALTIES)
def test_is_differentiable_where_the_gradient_vanishes(name):
    value = lambda scale: penalties.PENALTIES[name](linear(scale), REAL, FAKE, KEYS, None)  # noqa: E731
    slope = jax.jit(jax.grad(lambda scale: jnp.sum(value(scale))))(0.0)
    assert np.isfinite(slope)


LECAM = penalties.Lecam(weight=0.5, decay=0.9, start=10)
LATER, EARLIER = jnp.int32(10), jnp.int32(9)
LOGITS = {'real': jnp.array([2.0, -3.0]), 'fake': jnp.array([-2.0, 1.5])}


def test_lecam_is_zero_where_logits_are_inside_the_averages_of_the_others():
    inside = {'real': jnp.float32(-2.5), 'fake': jnp.float32(2.5)}
    assert LECAM.value(*LOGITS.values(), inside, LATER) == 0
    slope = jax.grad(lambda r, f: LECAM.value(r, f, inside, LATER), (0, 1))(*LOGITS.values())
    np.testing.assert_array_equal(slope, np.zeros((2, 2)))


def test_lecam_is_the_formula_from_its_start_on():
    averages = {'real': jnp.float32(1.0), 'fake': jnp.float32(-1.0)}
    # D(x) is 3 above a_f, and -2 below it; D(G(z)) is 3 below a_r, and 0.5 above it.
    value = LECAM.value(*LOGITS.values(), averages, LATER)
    np.testing.assert_allclose(value, 0.5 * ((9 + 0) / 2 + (9 + 0) / 2))
    assert LECAM.value(*LOGITS.values(), averages, EARLIER) == 0
