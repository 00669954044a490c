"""The fully connected GAN: the nets of triwave33/GAN `gan.py`.

At z 100 and 28x28x1 the generator has 1,489,936 trainable parameters, the discriminator
533,505. Keras defaults: Glorot-uniform kernels, batch norm with epsilon 1e-3.
"""

from functools import partial
import math
from typing import ClassVar

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp

from gan_jax import layers


class Generator(layers.Net):
    """Dense, LeakyReLU and batch norm for each hidden size, then Dense and tanh.

    Attributes:
      hidden: sizes of the hidden layers.
    """

    hidden: tuple[int, ...] = (256, 512, 1024)

    kind: ClassVar[layers.Kind] = layers.Kind.LATENT
    pixel_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    @nn.compact
    def __call__(self, z: jax.Array, label: jax.Array | None = None, *, train: bool) -> jax.Array:
        """float [N, latent_dim] -> float32 [N, H, W, C] in [-1, 1]."""
        dense = partial(layers.Dense, dtype=self.dtype)
        x = self.latent(z, label)
        for features in self.hidden:
            x = layers.leaky_relu(0.2)(dense(features)(x))
            x = layers.batch_norm(self, momentum=0.8, epsilon=1e-3)(x, train=train)
        x = dense(math.prod(self.image_shape))(x)
        return jnp.tanh(x.astype(jnp.float32)).reshape(-1, *self.image_shape)


class Discriminator(layers.Net):
    """Dense and LeakyReLU for each hidden size, then a Dense logit; no batch norm.

    Attributes:
      hidden: sizes of the hidden layers.
      dropout: probability of a zero after each of them.
      spectral_norm: divide every kernel by its largest singular value.
    """

    hidden: tuple[int, ...] = (512, 256)
    dropout: float = 0.0
    spectral_norm: bool = False

    kind: ClassVar[layers.Kind] = layers.Kind.LOGIT

    @nn.compact
    def __call__(self, x: jax.Array, label: jax.Array | None = None, *, train: bool) -> jax.Array:
        """float [N, H, W, C] -> float32 logits [N]. Dropout needs the rng 'dropout' if `train`."""
        chex.assert_shape(x, (None, *self.image_shape))
        dense = partial(layers.Dense, spectral_norm=self.spectral_norm)
        x = x.reshape(x.shape[0], -1)
        for features in self.hidden:
            x = layers.leaky_relu(0.2)(dense(features, dtype=self.dtype)(x, train))
            x = layers.Dropout(self.dropout, self.axis_name)(x, train=train)
        logits = dense(1)(x, train)[:, 0]
        projection = layers.Projection(spectral_norm=self.spectral_norm)
        return logits + projection(x, self.code(label), train)
