"""Distance of images by the maps of a trained net (Johnson et al. 2016, arXiv:1603.08155).

Every channel of a map is divided by its standard deviation over the real images, so that all
count alike whatever their scale. The deviations are those of all real images that training has
seen so far: moments in the training state, which a resumed run has too.
"""

from collections.abc import Callable
import functools

import jax
from jax import lax
import jax.numpy as jnp

from gan_jax.pretrained import frozen

Moments = list[dict[str, jax.Array]]  # by map: 'mean' and 'square', E[x] and E[x^2], float32 [C]

_EPSILON = 1e-6  # added to variances: a channel that never varies is not divided by 0


Maps = Callable[[jax.Array], list[jax.Array]]  # images [N, S, S, 3] in [-1, 1] -> [N, h, w, C]


def make(net: str, asked: str) -> Maps:
    """The maps of a frozen net, the largest first.

    Raises:
      UserError: the net's weights cannot be had.
    """
    return functools.partial(frozen.FROZEN[net].maps, frozen.read(net, asked))


def start(maps: list[jax.Array]) -> Moments:
    """Moments of no image; of the maps only the channels count."""
    return [{name: jnp.zeros(x.shape[-1]) for name in ('mean', 'square')} for x in maps]


def update(
    moments: Moments,
    real: list[jax.Array],
    step: jax.Array,
    average: Callable[[Moments], Moments],
) -> Moments:
    """The moments with those of another batch, each batch with the same weight.

    Args:
      moments: of `step` batches.
      real: maps of this device's share of the next batch.
      step: int32 scalar.
    """

    def mean(x: jax.Array) -> jax.Array:
        return jnp.mean(x, axis=(0, 1, 2))

    batch = average([{'mean': mean(x), 'square': mean(jnp.square(x))} for x in real])
    weight = 1 / (step.astype(jnp.float32) + 1)
    return jax.tree.map(lambda old, new: old + weight * (new - old), moments, batch)


def distance(fake: list[jax.Array], real: list[jax.Array], moments: Moments) -> jax.Array:
    """The mean absolute difference in standard deviations; every map counts the same."""
    return jnp.mean(jnp.stack([_of_map(*of) for of in zip(fake, real, moments, strict=True)]))


def _of_map(fake: jax.Array, real: jax.Array, moments: dict[str, jax.Array]) -> jax.Array:
    variance = jnp.maximum(moments['square'] - jnp.square(moments['mean']), 0)
    scale = lax.rsqrt(variance + _EPSILON).reshape(1, 1, 1, -1)
    return jnp.mean(jnp.abs(fake - real) * scale)
