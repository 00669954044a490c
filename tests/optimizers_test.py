"""Learning rates over a run."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import optimizers
from gan_jax.config import optimizer
from tests import gans


@pytest.mark.parametrize(
    ('name', 'expected'),
    [('constant', [1, 1, 1, 1]), ('linear', [1, 1, 0.55, 0.1]), ('cosine', [1, 1, 0.55, 0.1])],
)
def test_schedules_at_start_hold_middle_and_end(name, expected):
    config = optimizer(1.0, 0.5)
    config.update(dict(schedule=name, constant_steps=20, final_fraction=0.1))
    rate = optimizers.schedule(config, 120)
    np.testing.assert_allclose([float(rate(n)) for n in (0, 20, 70, 120)], expected, rtol=1e-5)


@pytest.mark.parametrize('name', optimizers.OPTIMIZERS)
def test_every_optimizer_goes_downhill(name):
    config = optimizer(0.1, 0.0)
    config.name = name
    tx = optimizers.make(config, 10)
    params = {'w': np.float32(1.0)}
    updates, _ = tx.update({'w': np.float32(2.0)}, tx.init(params), params)
    assert updates['w'] < 0


def test_adam_is_that_of_optax():
    rate = optax.constant_schedule(0.1)
    ours, theirs = optimizers.adam(rate, 0.5, 0.99, 1e-8), optax.adam(rate, 0.5, 0.99, 1e-8)
    params = {'w': jnp.array([1.0, -2.0, 3.0]), 'b': jnp.array(0.0)}
    states, seen = [tx.init(params) for tx in (ours, theirs)], [params, params]
    chex.assert_trees_all_equal_structs(*states)
    for _ in range(5):
        for i, tx in enumerate((ours, theirs)):
            grads = jax.tree.map(lambda p: jnp.sin(3 * p) + 0.1, seen[i])
            updates, states[i] = tx.update(grads, states[i], seen[i])
            seen[i] = optax.apply_updates(seen[i], updates)
    chex.assert_trees_all_close(*seen, rtol=1e-6)
    chex.assert_trees_all_close(*states, rtol=1e-6)


@pytest.mark.newest
@pytest.mark.skipif(jax.__version_info__ < (0, 12), reason='older XLA fuses across the barrier')
def test_adam_on_a_cpu_copies_no_moment():
    tx = optimizers.adam(optax.constant_schedule(0.1), 0.5, 0.99, 1e-8)
    params = jnp.ones((300, 400))

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params, state, grads):
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    with gans.optimized():
        text = step.lower(params, tx.init(params), params).compile().as_text()
    assert not [line for line in text.splitlines() if '= f32[300,400]' in line and ' copy(' in line]


def test_the_first_blocks_of_every_path_are_frozen_but_never_the_last():
    layer = lambda: {'kernel': jnp.ones(2)}  # noqa: E731
    params = {
        'condition': layer(),
        'mixed': layer(),
        'long': {'Conv_0': layer(), 'Norm_0': {'scale': jnp.ones(2)}, 'Conv_1': layer()},
        'short': {'Conv_0': layer()},
    }
    tx = optimizers.freezing(optax.sgd(1.0), 1)
    state = tx.init(params)
    updates, _ = jax.jit(tx.update)(params, state, params)
    moved = jax.tree.map(lambda leaf: bool(jnp.any(leaf != 0)), updates)
    assert moved == {
        'condition': {'kernel': False},
        'mixed': {'kernel': True},
        'long': {
            'Conv_0': {'kernel': False},
            'Norm_0': {'scale': False},
            'Conv_1': {'kernel': True},
        },
        'short': {'Conv_0': {'kernel': True}},
    }
