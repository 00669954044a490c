"""A DCGAN for digits: the nets of triwave33/GAN `dcgan.py`.

At 28x28x1 the generator has 6,656,129 trainable parameters at z 5 and 6,753,409 at z 100,
the discriminator 1,026,305 (its second convolution is 'valid', its map 5x5). Keras
defaults: Glorot-uniform kernels, batch norm with momentum .99 and epsilon 1e-3.
"""

from functools import partial
from typing import ClassVar

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp

from gan_jax import layers


class _Net(layers.Net):
    width: int = 64  # channels of the 14x14 maps; the others scale with it

    sizes: ClassVar[str] = 'sides divisible by 4, at least 12'

    @staticmethod
    def supports(image_shape: tuple[int, int, int]) -> bool:
        """Two strides of 2, the second of a 5x5 window on half the size without padding."""
        return all(side % 4 == 0 and side >= 12 for side in image_shape[:2])


class Generator(_Net):
    """Two dense layers, two 5x5 convolutions of enlarged maps, tanh.

    Attributes:
      width: channels of the last hidden map (64 in the recipe); the first has twice as
        many, the first dense layer 16 times.
    """

    kind: ClassVar[layers.Kind] = layers.Kind.LATENT
    pixel_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    @nn.compact
    def __call__(self, z: jax.Array, label: jax.Array | None = None, *, train: bool) -> jax.Array:
        """float [N, latent_dim] -> float32 [N, H, W, C] in [-1, 1]."""
        dense = partial(layers.Dense, dtype=self.dtype)
        up_conv = partial(layers.UpsampleConv, kernel_size=5, dtype=self.dtype)
        norm = partial(layers.batch_norm, self, momentum=0.99, epsilon=1e-3)
        height, width, channels = self.image_shape
        first_map = (height // 4, width // 4, 2 * self.width)
        x = self.latent(z, label)
        for features in (16 * self.width, first_map[0] * first_map[1] * first_map[2]):
            x = nn.relu(norm()(dense(features)(x), train=train))
        x = up_conv(self.width)(x.reshape(-1, *first_map))
        x = up_conv(channels)(nn.relu(norm()(x, train=train)))
        return jnp.tanh(x.astype(jnp.float32))


class Discriminator(_Net):
    """Two 5x5 convolutions of stride 2, a dense layer with dropout, a dense logit.

    Attributes:
      width: channels of the first convolution (64 in the recipe); the second has twice
        as many, the dense layer 4 times.
      dropout: probability of a zero after the dense layer.
      spectral_norm: divide every kernel by its largest singular value.
    """

    dropout: float = 0.5
    spectral_norm: bool = False

    kind: ClassVar[layers.Kind] = layers.Kind.LOGIT

    @nn.compact
    def __call__(self, x: jax.Array, label: jax.Array | None = None, *, train: bool) -> jax.Array:
        """float [N, H, W, C] -> float32 logits [N]. Needs the rng 'dropout' if `train`."""
        chex.assert_shape(x, (None, *self.image_shape))
        conv = partial(
            layers.Conv,
            kernel_size=5,
            stride=2,
            dtype=self.dtype,
            spectral_norm=self.spectral_norm,
        )
        dense = partial(layers.Dense, spectral_norm=self.spectral_norm)
        activate = layers.leaky_relu(0.2)
        x = activate(conv(self.width)(x, train))
        x = activate(conv(2 * self.width, padding=0)(x, train))
        x = activate(dense(4 * self.width, dtype=self.dtype)(x.reshape(x.shape[0], -1), train))
        x = layers.Dropout(self.dropout, self.axis_name)(x, train=train)
        logits = dense(1)(x, train)[:, 0]
        projection = layers.Projection(spectral_norm=self.spectral_norm)
        return logits + projection(x, self.code(label), train)
