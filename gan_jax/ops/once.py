"""A barrier for what XLA's CPU compiler is to compute once, however many use it."""

import jax
import jax.numpy as jnp


def computed_once(x: jax.Array) -> jax.Array:
    """x, and where it is differentiated its cotangent, written to memory before any use.

    XLA's CPU compiler drops barriers before it fuses, and computes sums and transposed reads anew
    for each use, such as the moments of Adam. It takes a division for too dear for that.
    """
    return x / jnp.where(x == x, 1.0, jnp.nan)
