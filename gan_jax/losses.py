"""Adversarial losses: elementwise functions of logits, one formula each.

Every loss is a `Loss` of two functions (real_logits, fake_logits) -> loss, float32 of
the logits' shape, [N] or [N, L], to be minimised and averaged by the caller. r and f below are
the logits of a real and a generated image. The two terms of a discriminator's loss are
summed, not halved.

The L logits of an image are those of the discriminator's judges, as many of each, so that a mean
over L counts the judges alike.

`smoothing` s makes the target of real images 1 - s and leaves that of generated ones
at 0 (one-sided label smoothing, Salimans et al. 2016, arXiv:1606.03498, section 3.4).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import chex
import jax
from jax.nn import softplus
import jax.numpy as jnp

from gan_jax.types import Pair

Logits = jax.Array
LossFn = Callable[[Logits, Logits], jax.Array]


class Loss(NamedTuple):
    """How a loss is made from its hyperparameters."""

    # (smoothing) -> Pair of the generator's and the discriminator's LossFn
    make: Callable[[float], Pair[LossFn]]
    smooths: bool  # whether its real images have a target that smoothing can move
    centred: bool  # whether a logit above 0 says that an image is real
    probability: bool  # whether a logit's sigmoid is trained to be the probability that it is


class Judge(NamedTuple):
    """A part of a discriminator that judges by itself."""

    weight: float = 1.0  # of its loss, the mean over its logits; those of all judges are summed
    loss: str = ''  # key of LOSSES; '': the run's own


def per_image(logits: Logits) -> Logits:
    """The mean logit of each image, [N] or [N, L] -> [N]."""
    return logits if logits.ndim == 1 else jnp.mean(logits, axis=1)


def _cross_entropy(logits: Logits, target: float) -> jax.Array:
    """-t log sigmoid(l) - (1 - t) log(1 - sigmoid(l)), without overflow."""
    return target * softplus(-logits) + (1 - target) * softplus(logits)


def _bce_disc(smoothing: float) -> LossFn:
    return lambda r, f: _cross_entropy(r, 1 - smoothing) + softplus(f)


def non_saturating(smoothing: float = 0.0) -> Pair[LossFn]:
    """D: -log D(x) - log(1 - D(G(z))); G: -log D(G(z)). Goodfellow et al. 2014, arXiv:1406.2661."""
    return Pair(gen=lambda r, f: softplus(-f), disc=_bce_disc(smoothing))


def minimax(smoothing: float = 0.0) -> Pair[LossFn]:
    """D as non-saturating; G: log(1 - D(G(z))). Goodfellow et al. 2014, eq. 1."""
    return Pair(gen=lambda r, f: -softplus(f), disc=_bce_disc(smoothing))


def least_squares(smoothing: float = 0.0) -> Pair[LossFn]:
    """D: ((r - 1)^2 + f^2) / 2; G: (f - 1)^2 / 2. Mao et al. 2017, arXiv:1611.04076, eq. 9."""
    return Pair(
        gen=lambda r, f: 0.5 * jnp.square(f - 1),
        disc=lambda r, f: 0.5 * (jnp.square(r - (1 - smoothing)) + jnp.square(f)),
    )


def hinge(smoothing: float = 0.0) -> Pair[LossFn]:
    """D: max(0, 1 - r) + max(0, 1 + f); G: -f. Miyato et al. 2018, arXiv:1802.05957, eq. 16."""
    del smoothing
    return Pair(gen=lambda r, f: -f, disc=lambda r, f: jax.nn.relu(1 - r) + jax.nn.relu(1 + f))


def wasserstein(smoothing: float = 0.0) -> Pair[LossFn]:
    """D: f - r; G: -f. Arjovsky et al. 2017, arXiv:1701.07875."""
    del smoothing
    return Pair(gen=lambda r, f: -f, disc=lambda r, f: f - r)


def relativistic(smoothing: float = 0.0) -> Pair[LossFn]:
    """D: -log sigmoid(r - f); G: -log sigmoid(f - r), real and fake paired by position.

    Jolicoeur-Martineau 2019, arXiv:1807.00734, section 4.1 (RpGAN); with R1 and R2 it is
    the loss of R3GAN (Huang et al. 2024, arXiv:2501.05441).
    """
    return Pair(
        gen=lambda r, f: softplus(r - f),
        disc=lambda r, f: _cross_entropy(r - f, 1 - smoothing),
    )


LOSSES: dict[str, Loss] = {
    'minimax': Loss(minimax, smooths=True, centred=True, probability=True),
    'non_saturating': Loss(non_saturating, smooths=True, centred=True, probability=True),
    'least_squares': Loss(least_squares, smooths=True, centred=False, probability=False),
    'hinge': Loss(hinge, smooths=False, centred=True, probability=False),
    'wasserstein': Loss(wasserstein, smooths=False, centred=False, probability=False),
    'relativistic': Loss(relativistic, smooths=True, centred=False, probability=False),
}


def make(name: str, smoothing: float = 0.0, judges: Sequence[Judge] = (Judge(),)) -> Pair[LossFn]:
    """The two loss functions, which check shapes; an image's L logits are of `judges`, in turn."""
    of_judges = [LOSSES[judge.loss or name].make(smoothing) for judge in judges]

    def checked(role: str) -> LossFn:
        def call(real_logits: Logits, fake_logits: Logits) -> jax.Array:
            chex.assert_equal_shape([real_logits, fake_logits])
            if len(judges) == 1:
                return judges[0].weight * getattr(of_judges[0], role)(real_logits, fake_logits)
            parts = [jnp.split(x, len(judges), axis=1) for x in (real_logits, fake_logits)]
            # The caller takes the mean over all, where the judges' own means are to be summed.
            values = [
                len(judges) * judge.weight * getattr(loss, role)(real, fake)
                for judge, loss, real, fake in zip(judges, of_judges, *parts, strict=True)
            ]
            return jnp.concatenate(values, axis=1)

        return call

    return Pair(gen=checked('gen'), disc=checked('disc'))
