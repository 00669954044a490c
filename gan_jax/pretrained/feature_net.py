"""Feature nets: the outputs images are compared by, and how images come to the net's size.

A distance of features means nothing without the net, its weights and the way images are resized
for it, so `FeatureNet` carries their names wherever features go.
"""

from collections.abc import Callable, Collection, Mapping
import functools
from typing import Any, Generic, NamedTuple, TypeVar

import chex
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.io import pixels
from gan_jax.ops import target
from gan_jax.terminal import progress

CHUNK = 50  # images in one call on a CPU: 250 are slower and take gigabytes at 224x224


T = TypeVar('T')


class Outputs(NamedTuple, Generic[T]):
    """A net's outputs for images, arrays of NumPy or, inside a program, of JAX."""

    features: T  # float32 [N, D]
    best: T  # int32 [N], the most probable class
    confidence: T  # float32 [N], its probability


class FeatureNet(NamedTuple):
    """A net with its weights."""

    name: str  # key of `features.NETS`
    version: str  # of net and weights
    fingerprint: str  # 64 hex digits of the weights
    resize: str  # how images come to the net's size, in words
    suffix: str  # what follows the name of a metric: 'digits' in 'frechet_digits'
    frechet: str  # what a reader knows the two distances of its features by
    kernel: str  # what a reader knows the two distances of its features by
    # what the classes say of images, beyond distances: names and numbers
    measure: Callable[[Outputs[np.ndarray]], Mapping[str, Any]]
    training_limit: int  # training images that are worth their time; of more a random part is taken
    # uint8 [n, H, W, C], C = 1 or 3 -> Outputs of jax arrays; compiled once a shape
    call: Callable[[np.ndarray], Outputs[jax.Array]]

    def __call__(self, image: np.ndarray, bar: str = '') -> Outputs[np.ndarray]:
        """Applies the net to uint8 [N, H, W, C] in chunks; `bar` names a progress bar, if any.

        Transparent images are seen over white.
        """
        chex.assert_rank(image, 4)
        image = pixels.on_white(image)
        found = []
        size = min(target.images_at_once(CHUNK), len(image))
        starts = range(0, len(image), size)
        for start in progress.over(starts, len(starts), bar):
            # The last call is filled up with the first images, so that one program serves all.
            index = np.arange(start, start + size) % len(image)
            outputs = self.call(image[index])
            found.append(Outputs(*(np.asarray(leaf)[: len(image) - start] for leaf in outputs)))
        return Outputs(*map(np.concatenate, zip(*found, strict=True)))

    def facts(self, looked_through: Collection[str] = ()) -> dict[str, Any]:
        """Facts that every metric is shown with, fit for JSON.

        Args:
          looked_through: nets by which what is measured was trained: if this is one of them, it
            is said.
        """
        facts = {
            'name': self.name,
            'suffix': self.suffix,
            'frechet': self.frechet,
            'kernel': self.kernel,
            'version': self.version,
            'fingerprint': self.fingerprint,
            'resize': self.resize,
        }
        return facts | ({'looked_through': True} if self.name in looked_through else {})


def compiled(
    apply: Callable[[Any, jax.Array], Outputs[jax.Array]], variables: Any
) -> Callable[[np.ndarray], Outputs[jax.Array]]:
    """A net of images alone: compiled once a shape, its variables on the device."""

    def exact(variables: Any, image: jax.Array) -> Outputs[jax.Array]:
        # Accelerators would round products to fewer bits, and machines would not agree.
        with jax.default_matmul_precision('float32'):
            return apply(variables, image)

    # The variables as an argument: as constants they would be compiled into every program.
    return functools.partial(jax.jit(exact), jax.device_put(variables))


def grey(image: jax.Array) -> jax.Array:
    """Luma (ITU-R BT.601) of [N, H, W, C], C = 1 or 3: [N, H, W, 1]."""
    if image.shape[-1] == 1:
        return image
    weight = jnp.array([0.299, 0.587, 0.114], image.dtype)
    return (image @ weight)[..., None]


def colour(image: jax.Array) -> jax.Array:
    """[N, H, W, C], C = 1 or 3, in three channels."""
    return jnp.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image


def resized(image: jax.Array, side: int, method: str) -> jax.Array:
    """float32 [N, H, W, C] at side x side, antialiased, by a filter of `jax.image.resize`."""
    count, height, width, channels = image.shape
    if height == width == side:
        return image
    shape = (count, side, side, channels)
    return jax.image.resize(image, shape, method, antialias=True)


def outputs(features: jax.Array, logits: jax.Array) -> Outputs[jax.Array]:
    """Outputs from features [N, D] and logits [N, K]."""
    probability = jax.nn.softmax(logits)
    return Outputs(features, jnp.argmax(logits, 1).astype(jnp.int32), jnp.max(probability, 1))
