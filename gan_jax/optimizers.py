"""Optimizers and learning-rate schedules from their config (`gan_jax.config.optimizer`)."""

from collections.abc import Callable, Collection

import jax
from jax import lax
import jax.numpy as jnp
import optax

from gan_jax.fields import Optimizer


def _linear(rate: float, config: Optimizer, steps: int) -> optax.Schedule:
    return optax.linear_schedule(rate, rate * config.final_fraction, steps)


def _cosine(rate: float, config: Optimizer, steps: int) -> optax.Schedule:
    return optax.cosine_decay_schedule(rate, steps, alpha=config.final_fraction)


SCHEDULES: dict[str, Callable[[float, Optimizer, int], optax.Schedule]] = {
    'constant': lambda rate, config, steps: optax.constant_schedule(rate),
    'linear': _linear,
    'cosine': _cosine,
}


def adam(rate: optax.Schedule, b1: float, b2: float, eps: float) -> optax.GradientTransformation:
    """Adam (arXiv:1412.6980), with the state and, up to rounding, the updates of `optax.adam`.

    On a CPU each new moment goes to memory before the parameter's update reads it. Left to
    itself, XLA computes it anew there, which needs the old moment after the new one was
    written: a copy of each, and 14 passes over the parameters in place of 10.
    """
    moments = optax.scale_by_adam(b1, b2, eps)

    def update(
        grads: optax.Updates, state: optax.ScaleByAdamState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.ScaleByAdamState]:
        count = optax.safe_increment(state.count)
        mu = jax.tree.map(lambda g, m: _stored(b1 * m + (1 - b1) * g), grads, state.mu)
        nu = jax.tree.map(lambda g, v: _stored(b2 * v + (1 - b2) * g * g), grads, state.nu)
        scale_mu, scale_nu = (1 - jnp.float32(decay) ** count for decay in (b1, b2))
        updates = jax.tree.map(lambda m, v: (m / scale_mu) / (jnp.sqrt(v / scale_nu) + eps), mu, nu)
        return updates, optax.ScaleByAdamState(count, mu, nu)

    return optax.chain(
        optax.GradientTransformation(moments.init, update), optax.scale_by_learning_rate(rate)
    )


def _stored(x: jax.Array) -> jax.Array:
    return lax.platform_dependent(x, cpu=lax.optimization_barrier, default=lambda x: x)


OPTIMIZERS: dict[str, Callable[[optax.Schedule, Optimizer], optax.GradientTransformation]] = {
    'adam': lambda rate, c: adam(rate, c.b1, c.b2, c.eps),
    'rmsprop': lambda rate, c: optax.rmsprop(rate, decay=c.b2, eps=c.eps, momentum=c.b1 or None),
    'sgd': lambda rate, c: optax.sgd(rate, momentum=c.b1 or None),
}


def schedule(config: Optimizer, updates: int) -> optax.Schedule:
    """The learning rate at each of a network's `updates` updates.

    Constant for `config.constant_steps` updates, then as `config.schedule` says, down to
    `config.final_fraction` of the initial rate at the last update.
    """
    decay = SCHEDULES[config.schedule](
        config.learning_rate, config, max(updates - config.constant_steps, 1)
    )
    return optax.join_schedules(
        [optax.constant_schedule(config.learning_rate), decay], [config.constant_steps]
    )


def make(config: Optimizer, updates: int) -> optax.GradientTransformation:
    """The optimizer of one network, which will make `updates` updates in the whole run."""
    return OPTIMIZERS[config.name](schedule(config, updates), config)


def in_turns(
    optimizer: optax.GradientTransformation, turns: Collection[str]
) -> optax.GradientTransformationExtraArgs:
    """One optimizer's state for each kind of update of the same parameters.

    Its `update` takes the keyword `turn`, one of `turns`, whose moments and count it uses.
    """

    def init(params: optax.Params) -> dict[str, optax.OptState]:
        return {turn: optimizer.init(params) for turn in turns}

    def update(
        grads: optax.Updates,
        state: dict[str, optax.OptState],
        params: optax.Params | None = None,
        *,
        turn: str,
    ) -> tuple[optax.Updates, dict[str, optax.OptState]]:
        updates, own = optimizer.update(grads, state[turn], params)
        return updates, {**state, turn: own}

    return optax.GradientTransformationExtraArgs(init, update)
