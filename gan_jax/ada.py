"""Adaptive discriminator augmentation: as much of it as the discriminator's overfitting asks for.

Karras et al. 2020, arXiv:2006.06676, section 3.3: the share of real images that the discriminator
takes for real, r = E[sign D(x)], is 0 while it cannot tell them from generated ones, and 1 once it
knows them all by heart. The probability of augmentation rises while r is above a target, and falls
while it is below.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gan_jax import fields


class Ada(NamedTuple):
    """How the probability follows."""

    target: float  # of r, in (0, 1)
    every: int  # steps between changes
    change: float  # of the probability, each time
    limit: float  # above which it does not rise


def make(config: fields.Ada, images_per_step: int) -> Ada | None:
    """Reads `config.ada`; None if it is off.

    Args:
      images_per_step: real images that a step uses, on all devices.
    """
    if not config.target:
        return None
    change = images_per_step * config.every / config.images
    return Ada(config.target, config.every, change, config.limit)


def start() -> dict[str, jax.Array]:
    """The memory of a fresh state: the probability `p`, and the sum of `signs` so far."""
    return {'p': jnp.zeros(()), 'signs': jnp.zeros(())}


def follow(
    ada: Ada, memory: Mapping[str, jax.Array], sign: jax.Array, step: jax.Array
) -> dict[str, jax.Array]:
    """The memory after a step.

    Args:
      sign: the mean sign of the step's logits of real images, over all devices.
      step: steps made before it, int32.
    """
    signs = memory['signs'] + sign
    due = (step + 1) % ada.every == 0
    p = memory['p'] + ada.change * jnp.sign(signs / ada.every - ada.target)
    return {
        'p': jnp.where(due, jnp.clip(p, 0.0, ada.limit), memory['p']),
        'signs': jnp.where(due, 0.0, signs),
    }
