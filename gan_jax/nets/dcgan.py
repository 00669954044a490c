"""DCGAN (arXiv:1511.06434) for 32 to 256 pixels, as PyTorch's `examples/dcgan`.

At z 100 and 64x64x3 the generator has 3,576,704 parameters, the discriminator 2,765,568
(trainable). Other sizes have one level of stride 2 less or more. Initialised as PyTorch's
example is: kernels from N(0, .02^2), batch-norm scales from N(1, .02^2).
"""

from functools import partial
import math
from typing import ClassVar

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp

from gan_jax import layers


class _Net(layers.Net):
    width: int = 64  # channels of the map of half the image's size

    sizes: ClassVar[str] = layers.SIZES.format('32, 64, 128 or 256')

    @staticmethod
    def supports(image_shape: tuple[int, int, int]) -> bool:
        """A short side of a power of two; the map at the far end is 4x4, or 4xN."""
        return layers.halves_to_four(image_shape, (32, 64, 128, 256))

    def _widths(self) -> list[int]:
        """Channels of the maps from half the image's size down to the far end."""
        levels = int(math.log2(min(self.image_shape[:2]) // 4))
        return [self.width * 2**level for level in range(levels)]

    def _far(self) -> tuple[int, int]:
        """Height and width of the map at the far end, whose short side is 4."""
        height, width, _ = self.image_shape
        return height * 4 // min(height, width), width * 4 // min(height, width)


class Generator(_Net):
    """Transposed convolutions from a 1x1 map to 4x4, or 4xN, and on to twice the size each; tanh.

    Attributes:
      width: channels of the last hidden map (`ngf` in PyTorch's example); they double with
        every halving of the size.
    """

    kind: ClassVar[layers.Kind] = layers.Kind.LATENT
    pixel_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    @nn.compact
    def __call__(self, z: jax.Array, label: jax.Array | None = None, *, train: bool) -> jax.Array:
        """float [N, latent_dim] -> float32 [N, H, W, C] in [-1, 1]."""
        deconv = partial(
            layers.ConvTranspose,
            kernel_size=4,
            use_bias=False,
            kernel_init=layers.normal,
            dtype=self.dtype,
        )
        first, *others = reversed(self._widths())
        far = partial(deconv, kernel_size=self._far(), stride=1, padding=0)
        x = far(first)(self.latent(z, label)[:, None, None, :])
        for features in (*others, self.image_shape[-1]):
            x = nn.relu(layers.norm(self, 'batch', x, train=train))
            x = deconv(features, stride=2, padding=1)(x)
        return jnp.tanh(x.astype(jnp.float32))


class Discriminator(_Net):
    """Convolutions of stride 2 down to a 4x4 or 4xN map, and one of that whole map to a logit.

    Attributes:
      width: channels of the first convolution (`ndf` in PyTorch's example); they double
        with every halving of the size.
      norm: 'batch', on all convolutions but the first and the last, or 'none' as a
        gradient penalty wants it; these convolutions then have a bias in its place.
      dropout: probability of a zero after each of these.
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
            use_bias=False,
            kernel_init=layers.normal,
            spectral_norm=self.spectral_norm,
        )
        down = partial(conv, stride=2, padding=1, dtype=self.dtype)
        activate = layers.leaky_relu(0.2)
        first, *others = self._widths()
        x = activate(down(first)(x, train))
        for features in others:
            x = down(features, use_bias=self.norm == 'none')(x, train)
            x = layers.norm(self, self.norm, x, train=train)
            x = layers.Dropout(self.dropout, self.axis_name)(activate(x), train=train)
        logits = conv(1, kernel_size=self._far(), padding=0)(x, train)[:, 0, 0, 0]
        projection = layers.Projection(layers.normal, self.spectral_norm)
        summed = jnp.sum(x.astype(jnp.float32), axis=(1, 2))
        return logits + projection(summed, self.code(label), train)
