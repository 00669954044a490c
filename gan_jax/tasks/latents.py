"""Latents, as functions of one key for each example."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp

from gan_jax import rng
from gan_jax.fields import Config

_MOST = 2**31 - 1  # components, which an int32 counts


class Latent(Protocol):
    """Draws latents."""

    def __call__(self, keys: jax.Array, truncation: float = 1.0) -> jax.Array:
        """Latents of keys [B]: float32 [B, latent_dim].

        `truncation` multiplies their distance from the mean, or from their component's: below 1
        samples are more alike and more typical (Karras et al. 2019, arXiv:1812.04948, appendix B).
        """


def slerp(start: jax.Array, end: jax.Array, along: float) -> jax.Array:
    """Spherical interpolation of latents [N, d] at `along` in [0, 1].

    The norm of a point between two Gaussian latents stays typical of the Gaussian, where a
    straight line would pass too near the origin (White 2016, arXiv:1609.04468).
    """
    norms = [jnp.linalg.norm(z, axis=-1, keepdims=True) for z in (start, end)]
    cosine = jnp.sum(start * end, axis=-1, keepdims=True) / (norms[0] * norms[1])
    angle = jnp.arccos(jnp.clip(cosine, -1, 1))
    sine = jnp.sin(angle)
    arc = sine > 1e-6  # parallel latents have none, and the limit is the straight line

    def weight(t: float) -> jax.Array:
        return jnp.where(arc, jnp.sin(t * angle) / jnp.where(arc, sine, 1.0), t)

    return weight(1 - along) * start + weight(along) * end


def lerp(start: jax.Array, end: jax.Array, along: float) -> jax.Array:
    """Straight interpolation, which stays inside the cube of uniform latents."""
    return (1 - along) * start + along * end


class Distribution(NamedTuple):
    """A distribution of latents."""

    draw: Callable[[jax.Array, tuple[int, ...]], jax.Array]  # (keys [N], shape) -> [N, *shape]
    # (start, end, along) -> latents [N, d] on the way between two, at `along` in [0, 1]
    between: Callable[[jax.Array, jax.Array, float], jax.Array]
    # (z, longest) -> latents [N, d] no less probable than those that are drawn, of which the
    # longest has that length
    inside: Callable[[jax.Array, jax.Array], jax.Array]


def _shortened(z: jax.Array, longest: jax.Array) -> jax.Array:
    length = jnp.linalg.norm(z, axis=-1, keepdims=True)
    return z * jnp.minimum(1, longest / (length + 1e-12))


DISTRIBUTIONS: Mapping[str, Distribution] = {
    'normal': Distribution(rng.normal, slerp, _shortened),
    'uniform': Distribution(
        lambda keys, shape: 2 * rng.uniform(keys, shape) - 1,
        lerp,
        lambda z, longest: jnp.clip(z, -1, 1),
    ),
}


def make(config: Config, num_examples: int) -> Latent:
    """How a run's config draws latents: from a distribution, or from a mixture of such.

    A mixture adds `std` times a draw to the mean of one of its components (`component_means`), each
    as probable. A set of few images is of separate kinds, between which a latent without gaps makes
    the generator pass, by images of no kind (DeLiGAN, Gurumurthy et al. 2017, arXiv:1706.02071,
    eq. 3, where means and deviations are learned).
    """
    draw, shape = DISTRIBUTIONS[config.latent].draw, (config.latent_dim,)
    count, std = num_components(config, num_examples), config.latent_mixture.std
    if not count:
        return lambda keys, truncation=1.0: truncation * draw(keys, shape)

    def mixture(keys: jax.Array, truncation: float = 1.0) -> jax.Array:
        choose, move = (jax.vmap(jax.random.fold_in, (0, None))(keys, use) for use in range(2))
        chosen = jax.vmap(lambda key: jax.random.randint(key, (), 0, count))(choose)
        return component_means(config, chosen) + (truncation * std) * draw(move, shape)

    return mixture


def num_components(config: Config, num_examples: int) -> int:
    """Components of the mixture for a set of so many images; 0: there is no mixture."""
    share = config.latent_mixture.components
    return min(max(1, round(share * num_examples)), _MOST) if share else 0


def component_means(config: Config, number: jax.Array) -> jax.Array:
    """Means of components by their numbers [N]: float32 [N, latent_dim], drawn from the prior.

    The same for every seed, and made as they are needed: there is no table of them in the state.
    """
    keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(0), number)
    return DISTRIBUTIONS[config.latent].draw(keys, (config.latent_dim,))
