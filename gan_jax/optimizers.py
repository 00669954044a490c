"""Optimizers and learning-rate schedules from their config (`gan_jax.config.optimizer`)."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import jax
from jax import lax
import jax.numpy as jnp
import optax

from gan_jax.errors import UserError
from gan_jax.fields import Optimizer

SCHEDULES: dict[str, Callable[[float, Optimizer, int], optax.Schedule]] = {
    'constant': lambda rate, config, steps: optax.constant_schedule(rate),
    'linear': lambda rate, config, steps: optax.linear_schedule(
        rate, rate * config.final_fraction, steps
    ),
    'cosine': lambda rate, config, steps: optax.cosine_decay_schedule(
        rate, steps, alpha=config.final_fraction
    ),
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


def freezing(optimizer: optax.GradientTransformation, blocks: int) -> optax.GradientTransformation:
    """The optimizer, by which the first blocks of a network stay as they are: FreezeD.

    Mo et al. 2020, arXiv:2002.10964. A block is a layer with a kernel and what comes after it, such
    as a norm. Of a network with several paths, such as heads, it is the first of each; the last
    block of a path always moves. What moves is part of the optimizer's state.

    Raises:
      UserError: when it is initialised for a network with too few blocks.
    """
    if not blocks:
        return optimizer
    inner = optax.with_extra_args_support(optimizer)

    def init(params: optax.Params) -> tuple[Any, optax.OptState]:
        if blocks > (most := _blocks(params) - 1):
            raise UserError(
                f'config.disc.freeze={blocks}: must be at most {most}: config.disc.net has'
                f' {most + 1} blocks, and its last one moves'
            )
        return _moving(params, blocks), inner.init(params)

    def update(
        grads: optax.Updates,
        state: tuple[Any, optax.OptState],
        params: optax.Params | None = None,
        **extra: Any,
    ) -> tuple[optax.Updates, tuple[Any, optax.OptState]]:
        moving, own = state
        updates, own = inner.update(grads, own, params, **extra)
        return jax.tree.map(jnp.multiply, updates, moving), (moving, own)

    return optax.GradientTransformationExtraArgs(init, update)


def _blocks(params: Mapping[str, Any]) -> int:
    """How many the longest path has."""
    paths = [_blocks(own) for own in params.values() if isinstance(own, Mapping)]
    return max([_layers(params), *paths])


def _layers(params: Mapping[str, Any]) -> int:
    """How many layers of a module, not of its parts, have a kernel."""
    return sum(isinstance(own, Mapping) and _has_kernel(own) for own in params.values())


def _has_kernel(params: Mapping[str, Any]) -> bool:
    return 'kernel' in params and not isinstance(params['kernel'], Mapping)


def _moving(params: Mapping[str, Any], blocks: int) -> dict[str, Any]:
    """1, or 0 of what is frozen, for each parameter. These are in the order of their making."""
    found, number = {}, 0
    frozen = min(blocks, _layers(params) - 1)
    for name, own in params.items():
        if isinstance(own, Mapping) and any(isinstance(leaf, Mapping) for leaf in own.values()):
            found[name] = _moving(own, blocks)
            continue
        number += isinstance(own, Mapping) and _has_kernel(own)
        moves = jnp.float32(number > frozen)
        found[name] = jax.tree.map(lambda _, moves=moves: moves, own)
    return found
