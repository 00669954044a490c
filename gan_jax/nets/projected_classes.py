"""A classifier that looks through a trained net, for photos of which few have a label.

Few labels train few weights: the maps of a frozen net are averaged over places, and one linear head
tells the classes apart. As of the other classifiers, an image is real with probability
sigmoid(logsumexp(l)), so that a generator can be trained against it (`nets.sgan`).
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp

from gan_jax import layers
from gan_jax.nets import projected
from gan_jax.pretrained.frozen import FROZEN


class Discriminator(layers.Net):
    """A linear head on the means of a frozen net's two smallest maps.

    Attributes:
      frozen: key of FROZEN.
      side: pixels a side to which images are resized for it.
      dropout: probability of a zero before the logits.
    """

    frozen: str = 'efficientnet_lite0'
    side: int = 128
    dropout: float = 0.5

    kind: ClassVar[layers.Kind] = layers.Kind.CLASSES
    takes_range: ClassVar[tuple[float, float] | None] = (-1.0, 1.0)
    sizes: ClassVar[str] = projected.Discriminator.sizes
    options: ClassVar[Mapping[str, Collection[Any]]] = MappingProxyType(
        {'frozen': FROZEN, 'side': projected.SIDES}
    )
    supports = staticmethod(projected.Discriminator.supports)

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool, return_features: bool = False
    ) -> jax.Array | tuple[jax.Array, jax.Array]:
        """float [N, H, W, C] in [-1, 1], C = 1, 3 or, over white, 4 -> logits [N, num_classes].

        With `return_features` also the means of the maps, which feature matching compares, float32
        [N, F]. Needs the rng 'dropout' if `train`.
        """
        chex.assert_shape(x, (None, *self.image_shape))
        maps = projected.maps_of(self.frozen, self.side, x.astype(jnp.float32))[-2:]
        parts = [_standardised(jnp.mean(part, axis=(1, 2))) for part in maps]
        features = jnp.concatenate(parts, axis=1)
        dropped = layers.Dropout(self.dropout, self.axis_name)(features, train=train)
        logits = layers.Dense(self.num_classes)(dropped)
        return (logits, features) if return_features else logits


def _standardised(x: jax.Array) -> jax.Array:
    """Each row with mean 0 and deviation 1: layer norm without parameters."""
    centred = x - jnp.mean(x, axis=1, keepdims=True)
    return centred / (jnp.std(x, axis=1, keepdims=True) + 1e-6)
