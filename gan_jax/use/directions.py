"""Directions in a generator's latents along which its images change the most.

GANSpace (Harkonen et al. 2020, arXiv:2004.02546, section 3.1): the principal components of what the
first layer makes of random latents, carried back to the latents by linear regression.
"""

from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.states import GanState, Sampler

MOST = 20  # directions that are of use
SAMPLES = 512  # latents whose activations are looked at


def find(sampler: Sampler, state: GanState, count: int, seed: int = 0) -> np.ndarray:
    """The first principal directions, the strongest first: float32 [count, latent_dim].

    A latent plus `value` times a direction has moved by as many standard deviations of that
    component. Each direction's largest entry is positive, so that the same run has the same ones.
    A generator with classes is looked at in the first. `count` is at most latent_dim.
    """
    z = np.asarray(sampler.latent(jax.random.key(seed), SAMPLES))
    first = _first_layer(sampler, state, z)
    centred = first - first.mean(axis=0)
    # Of the Gram matrix, as a layer has many more activations than there are latents. With
    # y = q sqrt(w) the scores of the components, regression of z on y is z^T q / sqrt(w), and a
    # standard deviation of y is sqrt(w / SAMPLES).
    _, q = np.linalg.eigh((centred @ centred.T).astype(np.float64))
    found = (q[:, ::-1][:, :count].T @ z) / np.sqrt(SAMPLES)
    largest = np.take_along_axis(found, np.abs(found).argmax(axis=1)[:, None], axis=1)
    return (found * np.sign(largest)).astype(np.float32)


def _first_layer(sampler: Sampler, state: GanState, z: np.ndarray) -> np.ndarray:
    """The output of the generator's first layer for latents: float32 [N, D]."""
    label = jnp.zeros(len(z), jnp.int32)

    @jax.jit
    def activations(state: GanState, z: jax.Array) -> jax.Array:
        found: list[jax.Array] = []

        def keep(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
            made = call(*args, **kwargs)
            if isinstance(made, jax.Array) and context.method_name == '__call__':
                found.append(made.reshape(len(z), -1))
            return made

        with nn.intercept_methods(keep):
            sampler.generate(state, z, label)
        return found[0].astype(np.float32)

    return np.asarray(activations(state, z))
