"""Feature nets: what images are compared by. A new one is an entry of NETS.

A distance of features means nothing without the net, its weights and the way images are resized
for it, so `FeatureNet` carries their names wherever features go.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.errors import UserError, nearest
from gan_jax.evaluation import digits, weights

CHUNK = 250  # images in one call


class Outputs(NamedTuple):
    """What a net says of images.

    Attributes:
      features: float32 [N, D].
      best: int32 [N], the most probable class.
      confidence: float32 [N], its probability.
    """

    features: np.ndarray
    best: np.ndarray
    confidence: np.ndarray


class FeatureNet(NamedTuple):
    """A net with its weights.

    Attributes:
      name: key of NETS.
      version: of net and weights.
      fingerprint: 64 hex digits of the weights.
      resize: how images come to the net's size, in words.
      suffix: what follows the name of a figure: 'digits' in 'frechet_digits'.
      figures: what the classes say of images, beyond distances: names and numbers.
      training_limit: training images that are worth their time; of more a random part is taken.
      call: uint8 [n, H, W, C], C = 1 or 3 -> Outputs of jax arrays; compiled once a shape.
    """

    name: str
    version: str
    fingerprint: str
    resize: str
    suffix: str
    figures: Callable[[Outputs], Mapping[str, Any]]
    training_limit: int
    call: Callable[[jax.Array], Outputs]

    def __call__(self, image: np.ndarray) -> Outputs:
        """Of uint8 [N, H, W, C], a chunk at a time."""
        chex.assert_rank(image, 4)
        found = []
        size = min(CHUNK, len(image))
        for start in range(0, len(image), size):
            # The last call is filled up with the first images, so that one program serves all.
            index = np.arange(start, start + size) % len(image)
            outputs = self.call(image[index])
            found.append(Outputs(*(np.asarray(leaf)[: len(image) - start] for leaf in outputs)))
        return Outputs(*map(np.concatenate, zip(*found, strict=True)))

    def facts(self) -> dict[str, Any]:
        """What every figure is shown with, fit for JSON."""
        return {
            'name': self.name,
            'suffix': self.suffix,
            'version': self.version,
            'fingerprint': self.fingerprint,
            'resize': self.resize,
        }


def grey(image: jax.Array) -> jax.Array:
    """Luma (ITU-R BT.601) of [N, H, W, C], C = 1 or 3: [N, H, W, 1]."""
    if image.shape[-1] == 1:
        return image
    weight = jnp.array([0.299, 0.587, 0.114], image.dtype)
    return (image @ weight)[..., None]


def resized(image: jax.Array, side: int, method: str) -> jax.Array:
    """float32 [N, H, W, C] at side x side, antialiased, by a filter of `jax.image.resize`."""
    count, height, width, channels = image.shape
    if height == width == side:
        return image
    shape = (count, side, side, channels)
    return jax.image.resize(image, shape, method, antialias=True)


def outputs(features: jax.Array, logits: jax.Array) -> Outputs:
    """Outputs from features [N, D] and logits [N, K]."""
    probability = jax.nn.softmax(logits)
    return Outputs(features, jnp.argmax(logits, 1).astype(jnp.int32), jnp.max(probability, 1))


def _digits(path: str) -> FeatureNet:
    if path:
        raise UserError(f'--weights={path}: the net digits has weights of its own; leave it out')
    stored = weights.read(digits.WEIGHTS, 'gan_jax')
    variables = stored.variables()

    @jax.jit
    def call(image: jax.Array) -> Outputs:
        x = resized(grey(image.astype(jnp.float32)), digits.SIDE, 'linear') / 255
        return outputs(*digits.Net().apply(variables, x))

    return FeatureNet(
        name='digits',
        version=stored.facts['version'],
        fingerprint=stored.fingerprint(),
        resize='grey (BT.601), bilinear, antialiased, to 28x28',
        suffix='digits',
        figures=digits.figures,
        training_limit=60_000,
        call=call,
    )


NETS: Mapping[str, Callable[[str], FeatureNet]] = {'digits': _digits}


def default(image_shape: tuple[int, int, int]) -> str:
    """The net for a run's images where none is asked for: digits if they are grey."""
    return 'digits' if image_shape[-1] == 1 else 'efficientnet_lite0'


def load(name: str, path: str = '') -> FeatureNet:
    """A feature net with its weights.

    Args:
      name: key of NETS.
      path: of a file with weights, where the net takes one; '' otherwise.

    Raises:
      UserError: there is no such net, or its weights cannot be had.
    """
    if name not in NETS:
        raise UserError(f'--features={name}: {nearest(name, NETS)}')
    return NETS[name](path)
