"""What a generator starts from: latents, as functions of one key for each example."""

from collections.abc import Callable, Mapping

import jax
from ml_collections import ConfigDict

from gan_jax import rng

Latent = Callable[[jax.Array], jax.Array]  # keys [B] -> z, float32 [B, latent_dim]

DISTRIBUTIONS: Mapping[str, Callable[[jax.Array, tuple[int, ...]], jax.Array]] = {
    'normal': rng.normal,
    'uniform': lambda keys, shape: 2 * rng.uniform(keys, shape) - 1,
}


def make(config: ConfigDict) -> Latent:
    """How a run's config draws latents: from a distribution, or from a mixture of such.

    A mixture has so many centres, drawn once from the distribution, and adds to one of them, each
    as probable, `spread` times another draw. A set of few images is of separate kinds, between
    which a latent without gaps makes the generator pass, by images of no kind (DeLiGAN, Gurumurthy
    et al. 2017, arXiv:1706.02071, eq. 3, where centres and spread are learned).

    Args:
      config: the run's: `latent`, `latent_dim`, `latent_mixture`.
    """
    draw, shape = DISTRIBUTIONS[config.latent], (config.latent_dim,)
    components, spread = config.latent_mixture.components, config.latent_mixture.spread
    if not components:
        return lambda keys: draw(keys, shape)

    def mixture(keys: jax.Array) -> jax.Array:
        centres = make_centres(config)
        choose, move = (jax.vmap(jax.random.fold_in, (0, None))(keys, use) for use in range(2))
        chosen = jax.vmap(lambda key: jax.random.randint(key, (), 0, components))(choose)
        return centres[chosen] + spread * draw(move, shape)

    return mixture


def make_centres(config: ConfigDict) -> jax.Array:
    """The centres of a mixture, float32 [components, latent_dim].

    The same at every call and for every seed: no state, and XLA computes them once.
    """
    keys = jax.random.split(jax.random.key(0), config.latent_mixture.components)
    return DISTRIBUTIONS[config.latent](keys, (config.latent_dim,))
