"""Penalties on the discriminator, which are added to its loss.

Each of PENALTIES is a gradient penalty, one value an example, of which the mean is taken: a
function (disc, real, fake, keys, axis_name) -> float32 [B] where `disc` maps images
[B, H, W, C] to logits [B] (labels closed over, statistics not updated), and `keys` [B] holds one
random key an example. Weights are the caller's. `Lecam` is of the logits themselves.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gan_jax import fields, rng

Disc = Callable[[jax.Array], jax.Array]
Penalty = Callable[[Disc, jax.Array, jax.Array, jax.Array, str | None], jax.Array]


def input_gradient(disc: Disc, images: jax.Array) -> jax.Array:
    """Gradient of each image's own logit with respect to that image, [B, H, W, C].

    The sum over the batch gives all of them in one pass. With batch norm in the
    discriminator it also holds the terms that go through the shared statistics.
    """
    return jax.grad(lambda x: jnp.sum(disc(x)))(images)


def _squared_norm(gradient: jax.Array) -> jax.Array:
    return jnp.sum(jnp.square(gradient), axis=(1, 2, 3))


def _distance_from_one(disc: Disc, images: jax.Array) -> jax.Array:
    """(||grad|| - 1)^2; the root is kept away from 0, where its derivative has no limit."""
    norm = jnp.sqrt(_squared_norm(input_gradient(disc, images)) + 1e-12)
    return jnp.square(norm - 1)


def gradient_penalty(
    disc: Disc, real: jax.Array, fake: jax.Array, keys: jax.Array, axis_name: str | None
) -> jax.Array:
    """(||grad D(x)|| - 1)^2 on lines from real to fake. Gulrajani et al. 2017, arXiv:1704.00028."""
    del axis_name
    along = rng.uniform(keys, (1, 1, 1))
    return _distance_from_one(disc, real + along * (fake - real))


def dragan(
    disc: Disc, real: jax.Array, fake: jax.Array, keys: jax.Array, axis_name: str | None
) -> jax.Array:
    """(||grad D(x)|| - 1)^2 around real images. Kodali et al. 2017, arXiv:1705.07215.

    As in the authors' code: on the line from x to x + std(batch) / 2 * U(0, 1).
    """
    del fake
    moments = jnp.stack([jnp.mean(real), jnp.mean(jnp.square(real))])
    if axis_name is not None:
        moments = jax.lax.pmean(moments, axis_name)
    std = jnp.sqrt(moments[1] - jnp.square(moments[0]))
    noise_keys, along_keys = jnp.unstack(jax.vmap(jax.random.split)(keys), axis=1)
    noise = 0.5 * std * rng.uniform(noise_keys, real.shape[1:])
    return _distance_from_one(disc, real + rng.uniform(along_keys, (1, 1, 1)) * noise)


def r1(
    disc: Disc, real: jax.Array, fake: jax.Array, keys: jax.Array, axis_name: str | None
) -> jax.Array:
    """||grad D(x)||^2 / 2 on real images. Mescheder et al. 2018, arXiv:1801.04406, eq. 9."""
    del fake, keys, axis_name
    return 0.5 * _squared_norm(input_gradient(disc, real))


def r2(
    disc: Disc, real: jax.Array, fake: jax.Array, keys: jax.Array, axis_name: str | None
) -> jax.Array:
    """||grad D(x)||^2 / 2 on generated images. Mescheder et al. 2018, arXiv:1801.04406, eq. 10."""
    del real, keys, axis_name
    return 0.5 * _squared_norm(input_gradient(disc, fake))


PENALTIES: dict[str, Penalty] = {
    'gradient_penalty': gradient_penalty,
    'dragan': dragan,
    'r1': r1,
    'r2': r2,
}


class Lecam(NamedTuple):
    """A penalty on logits that lie further from the other kind's mean than need be.

    Tseng et al. 2021, arXiv:2104.03310, eq. 4, with the hinge of the authors' code:
    E[max(0, D(x) - a_f)^2] + E[max(0, a_r - D(G(z)))^2], where a_r and a_f are moving averages of
    the logits of real and of generated images.
    """

    weight: float  # of the penalty
    decay: float  # of the averages
    # the step from which it applies; until then the averages are those of the last batch
    start: int

    def value(
        self,
        real_logits: jax.Array,
        fake_logits: jax.Array,
        averages: Mapping[str, jax.Array],
        step: jax.Array,
    ) -> jax.Array:
        """The weighted penalty, a scalar, of logits float32 [B] or [B, L]."""
        above = jnp.mean(jnp.square(jax.nn.relu(real_logits - averages['fake'])))
        below = jnp.mean(jnp.square(jax.nn.relu(averages['real'] - fake_logits)))
        return jnp.where(step >= self.start, self.weight, 0.0) * (above + below)

    def follow(
        self,
        averages: Mapping[str, jax.Array],
        means: Mapping[str, jax.Array],
        step: jax.Array,
    ) -> dict[str, jax.Array]:
        """The averages after a batch, whose mean logits over all devices are `means`."""
        decay = jnp.where(step >= self.start, self.decay, 0.0)
        return {name: decay * averages[name] + (1 - decay) * means[name] for name in averages}


def make_lecam(config: fields.Lecam) -> Lecam | None:
    """Reads `config.lecam`; None if it is off."""
    return Lecam(config.weight, config.decay, config.start) if config.weight else None
