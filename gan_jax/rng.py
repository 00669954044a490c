"""Random numbers as a function of (seed, rollbacks, step, purpose, global example index).

Nothing random is stored. A resumed run therefore draws what the uninterrupted run
would have drawn, and a run on several devices what one device would have drawn: an
example's key depends on its place in the global batch, not on the device it is on.
"""

import math
import zlib

import jax
import jax.numpy as jnp


def step_key(seed: int, state_step: jax.Array, rollbacks: jax.Array) -> jax.Array:
    """The key of one training step, from which `purpose_key` derives all others."""
    key = jax.random.fold_in(jax.random.key(seed), rollbacks)
    return jax.random.fold_in(key, state_step)


def purpose_key(key: jax.Array, *purpose: str | int) -> jax.Array:
    """The key for one use of randomness in a step, e.g. ('latent', 0)."""
    return jax.random.fold_in(key, zlib.crc32(repr(purpose).encode()))


def example_index(count: int, axis_name: str | None) -> jax.Array:
    """Global indices, int32 [count], of this device's `count` examples.

    Without an axis (one device, sampling, a test) they count from zero.
    """
    offset = 0 if axis_name is None else jax.lax.axis_index(axis_name) * count
    return offset + jnp.arange(count, dtype=jnp.int32)


def example_keys(key: jax.Array, count: int, axis_name: str | None) -> jax.Array:
    """One key for each of this device's examples, [count]."""
    return jax.vmap(jax.random.fold_in, (None, 0))(key, example_index(count, axis_name))


def normal(keys: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """N(0, 1) of `shape` for each key, float32 [B, *shape].

    Drawn flat: XLA takes seconds to compile the same draw in four dimensions on a CPU.
    """

    def draw(key: jax.Array) -> jax.Array:
        return jax.random.normal(key, (math.prod(shape),))

    return jax.vmap(draw)(keys).reshape(-1, *shape)


def uniform(keys: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """U(0, 1) of `shape` for each key, float32 [B, *shape]; flat like `normal`."""

    def draw(key: jax.Array) -> jax.Array:
        return jax.random.uniform(key, (math.prod(shape),))

    return jax.vmap(draw)(keys).reshape(-1, *shape)
