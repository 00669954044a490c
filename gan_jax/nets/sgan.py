"""Semi-supervised GANs on digits: two pairs whose discriminator is a classifier.

- The book's, "GANs in Action" `Chapter_7_SGAN.ipynb`: at z 100 and 28x28x1 the generator has
  1,636,737 trainable parameters, the discriminator for ten classes 113,546 (its last map is
  4x4). Keras defaults: Glorot-uniform kernels, batch norm with momentum .99, epsilon 1e-3,
  and, as in the Keras of that time (`zero_debias=True`), debiased running statistics.
- Brownlee's, stronger and without batch norm: 1,164,289 and 316,938.

A discriminator has no logit of its own for "fake": with logits l of K classes an image is
real with probability Z / (Z + 1), Z = sum exp(l), which is sigmoid(logsumexp(l)).
"""

from functools import partial
import math
from typing import ClassVar

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp

from gan_jax import layers


class _ConvNet(layers.Net):
    sizes: ClassVar[str] = 'sides divisible by 4'

    @staticmethod
    def supports(image_shape: tuple[int, int, int]) -> bool:
        """A generator enlarges a map twice."""
        return all(side % 4 == 0 for side in image_shape[:2])

    def _book_norm(self, x: jax.Array, train: bool) -> jax.Array:
        return layers.batch_norm(self, momentum=0.99, epsilon=1e-3, debias=True)(x, train=train)


class _Classifier(_ConvNet):
    """Base class of the discriminators: hidden layers, dropout, one logit a class."""

    dropout: float = 0.5

    kind: ClassVar[layers.Kind] = layers.Kind.CLASSES

    @nn.compact
    def __call__(
        self, x: jax.Array, *, train: bool, return_features: bool = False
    ) -> jax.Array | tuple[jax.Array, jax.Array]:
        """float [N, H, W, C] -> float32 logits [N, num_classes]. `train` needs the rng 'dropout'.

        With `return_features` also the last hidden layer before dropout, float32 [N, F].
        """
        if self.num_classes < 2:
            raise ValueError(f'a classifier of at least 2 classes, not {self.num_classes}')
        chex.assert_shape(x, (None, *self.image_shape))
        features = self._features(x, train)
        dropped = layers.Dropout(self.dropout, self.axis_name)(features, train=train)
        logits = layers.Dense(self.num_classes)(dropped)
        return (logits, features.astype(jnp.float32)) if return_features else logits

    def _features(self, x: jax.Array, train: bool) -> jax.Array:
        raise NotImplementedError


class Generator(_ConvNet):
    """A dense layer, three transposed 3x3 convolutions, the second of stride 1; tanh.

    Attributes:
      width: channels of the last hidden map (64 in the book); those before have twice and
        four times as many.
    """

    width: int = 64

    kind: ClassVar[layers.Kind] = layers.Kind.LATENT
    pixel_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    @nn.compact
    def __call__(self, z: jax.Array, label: jax.Array | None = None, *, train: bool) -> jax.Array:
        """float [N, latent_dim] -> float32 [N, H, W, C] in [-1, 1]."""
        deconv = partial(layers.ConvTranspose, kernel_size=3, dtype=self.dtype)
        height, width, channels = self.image_shape
        first_map = (height // 4, width // 4, 4 * self.width)
        x = layers.Dense(math.prod(first_map), dtype=self.dtype)(self.latent(z, label))
        x = x.reshape(-1, *first_map)
        for features, stride in ((2 * self.width, 2), (self.width, 1)):
            x = self._book_norm(deconv(features, stride=stride)(x), train)
            x = layers.leaky_relu(0.01)(x)
        return jnp.tanh(deconv(channels, stride=2)(x).astype(jnp.float32))


class Discriminator(_Classifier):
    """Three 3x3 convolutions of stride 2, dropout, one logit a class.

    Attributes:
      width: channels of the first convolution (32 in the book); they double.
      dropout: probability of a zero before the logits.
    """

    width: int = 32

    def _features(self, x: jax.Array, train: bool) -> jax.Array:
        conv = partial(layers.Conv, kernel_size=3, stride=2, dtype=self.dtype)
        activate = layers.leaky_relu(0.01)
        x = activate(conv(self.width)(x))
        for features in (2 * self.width, 4 * self.width):
            x = activate(self._book_norm(conv(features)(x), train))
        return x.reshape(x.shape[0], -1)


class BrownleeGenerator(_ConvNet):
    """A dense layer, two transposed 4x4 convolutions, a 7x7 convolution, tanh; no norm.

    Attributes:
      width: channels of every hidden map.
    """

    width: int = 128

    kind: ClassVar[layers.Kind] = layers.Kind.LATENT
    pixel_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    @nn.compact
    def __call__(self, z: jax.Array, label: jax.Array | None = None, *, train: bool) -> jax.Array:
        """float [N, latent_dim] -> float32 [N, H, W, C] in [-1, 1]; `train` changes nothing."""
        activate = layers.leaky_relu(0.2)
        height, width, channels = self.image_shape
        first_map = (height // 4, width // 4, self.width)
        x = layers.Dense(math.prod(first_map), dtype=self.dtype)(self.latent(z, label))
        x = activate(x).reshape(-1, *first_map)
        for _ in range(2):
            x = activate(layers.ConvTranspose(self.width, 4, 2, dtype=self.dtype)(x))
        x = layers.Conv(channels, 7, dtype=self.dtype)(x)
        return jnp.tanh(x.astype(jnp.float32))


class BrownleeDiscriminator(_Classifier):
    """Some 3x3 convolutions of stride 2, dropout, one logit a class; no norm.

    Attributes:
      width: channels of every convolution.
      levels: convolutions: three for digits, which end in a map of 4x4, four for 64x64.
      dropout: probability of a zero before the logits.
    """

    width: int = 128
    levels: int = 3
    dropout: float = 0.4

    def _features(self, x: jax.Array, train: bool) -> jax.Array:
        for _ in range(self.levels):
            x = layers.Conv(self.width, 3, 2, dtype=self.dtype)(x)
            x = layers.leaky_relu(0.2)(x)
        return x.reshape(x.shape[0], -1)
