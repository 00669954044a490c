"""A plain GAN for digits: the nets of hwalsuklee's `GAN.py`.

At z 62 and 28x28x1 the generator has 6,640,193 trainable parameters, the discriminator
6,559,169. Convolution kernels are drawn from a normal cut at two standard deviations,
those of transposed convolutions and dense layers from a whole one.
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

    sizes: ClassVar[str] = 'sides divisible by 4'

    @staticmethod
    def supports(image_shape: tuple[int, int, int]) -> bool:
        """Two strides of 2."""
        return all(side % 4 == 0 for side in image_shape[:2])

    def _batch_norm(self, x: jax.Array, train: bool) -> jax.Array:
        return layers.batch_norm(self, momentum=0.9, epsilon=1e-5)(x, train=train)


class Generator(_Net):
    """Two dense layers, two transposed convolutions, sigmoid.

    Attributes:
      width: channels of the last hidden map (64 in the recipe); the first has twice as
        many, the first dense layer 16 times.
    """

    kind: ClassVar[layers.Kind] = layers.Kind.LATENT
    pixel_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    @nn.compact
    def __call__(self, z: jax.Array, label: jax.Array | None = None, *, train: bool) -> jax.Array:
        """float [N, latent_dim] -> float32 [N, H, W, C] in [0, 1]."""
        dense = partial(layers.Dense, kernel_init=layers.normal, dtype=self.dtype)
        deconv = partial(
            layers.ConvTranspose,
            kernel_size=4,
            stride=2,
            kernel_init=layers.normal,
            dtype=self.dtype,
        )
        height, width, channels = self.image_shape
        first_map = (height // 4, width // 4, 2 * self.width)
        x = self.latent(z, label)
        for features in (16 * self.width, first_map[0] * first_map[1] * first_map[2]):
            x = nn.relu(self._batch_norm(dense(features)(x), train))
        x = deconv(self.width)(x.reshape(-1, *first_map))
        x = deconv(channels)(nn.relu(self._batch_norm(x, train)))
        return nn.sigmoid(x.astype(jnp.float32))


class Discriminator(_Net):
    """Two convolutions, a dense layer, a dense logit; batch norm but in the first and last.

    Attributes:
      width: channels of the first convolution (64 in the recipe); the second has twice
        as many, the dense layer 16 times.
      norm: 'batch', or 'none' as a gradient penalty wants it (a batch norm makes one
        example's gradient depend on the others).
      dropout: probability of a zero after the second convolution and the dense layer.
      spectral_norm: divide every kernel by its largest singular value.
    """

    norm: str = 'batch'
    dropout: float = 0.0
    spectral_norm: bool = False

    kind: ClassVar[layers.Kind] = layers.Kind.LOGIT

    @nn.compact
    def __call__(self, x: jax.Array, label: jax.Array | None = None, *, train: bool) -> jax.Array:
        """float [N, H, W, C] -> float32 logits [N]. Dropout needs the rng 'dropout' if `train`."""
        chex.assert_shape(x, (None, *self.image_shape))
        conv = partial(
            layers.Conv,
            kernel_size=4,
            stride=2,
            kernel_init=layers.truncated_normal,
            dtype=self.dtype,
            spectral_norm=self.spectral_norm,
        )
        dense = partial(layers.Dense, kernel_init=layers.normal, spectral_norm=self.spectral_norm)
        activate = layers.leaky_relu(0.2)

        def normalize(x: jax.Array) -> jax.Array:
            return self._batch_norm(x, train) if self.norm == 'batch' else x

        def drop(x: jax.Array) -> jax.Array:
            return layers.Dropout(self.dropout, self.axis_name)(x, train=train)

        x = activate(conv(self.width)(x, train))
        x = drop(activate(normalize(conv(2 * self.width)(x, train))))
        x = dense(16 * self.width, dtype=self.dtype)(x.reshape(x.shape[0], -1), train)
        x = drop(activate(normalize(x)))
        logits = dense(1)(x, train)[:, 0]
        projection = layers.Projection(layers.normal, self.spectral_norm)
        return logits + projection(x, self.code(label), train)
