"""FastGAN's generator (Liu et al. 2021, arXiv:2101.04775), the light one of Projected GAN.

Sauer et al. 2021, arXiv:2111.01007, config `fastgan_lite` of the authors' code; here without
spectral norm, and with the tanh that keeps its images in [-1, 1]. At width 24, 64x64 and z 128
it has 3.7 million parameters.
"""

from functools import partial
import math
from typing import ClassVar

from flax import linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from gan_jax import layers

CHANNELS = {4: 16, 8: 8, 16: 4, 32: 2, 64: 2, 128: 1, 256: 0.5}  # of a map's side, over `width`
EXCITES = {4: 64, 8: 128, 16: 256}  # the side of a map: of that whose channels it weighs
SIDES = (64, 128, 256)


class Generator(layers.Net):
    """A 4x4 map of z, enlarged and convolved up to the image; small maps weigh large ones.

    Attributes:
      width: channels of the map of 128 pixels a side; others as of CHANNELS.
    """

    width: int = 24

    kind: ClassVar[layers.Kind] = layers.Kind.LATENT
    sizes: ClassVar[str] = layers.SIZES.format('64, 128 or 256')
    pixel_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    @staticmethod
    def supports(image_shape: tuple[int, int, int]) -> bool:
        """A short side of SIDES."""
        return layers.halves_to_four(image_shape, SIDES)

    @nn.compact
    def __call__(self, z: jax.Array, label: jax.Array | None = None, *, train: bool) -> jax.Array:
        """float [N, latent_dim] -> float32 [N, H, W, C] in [-1, 1]."""
        z = self.latent(z, label)
        z = z * jax.lax.rsqrt(jnp.mean(jnp.square(z), axis=-1, keepdims=True) + 1e-8)
        height, width, _ = self.image_shape
        short = min(height, width)
        far = height * 4 // short, width * 4 // short
        start = partial(self._layer(layers.ConvTranspose), kernel_size=far, padding=0)
        x = self._gated(start(2 * self._channels(4))(z[:, None, None, :]), train)
        maps = {4: x}
        for level in range(3, int(math.log2(short)) + 1):
            side = 2**level
            up = self._layer(layers.UpsampleConv)(2 * self._channels(side), kernel_size=3)
            x = self._gated(up(x), train)
            for small, large in EXCITES.items():
                if large == side:
                    x = x * Excitation(x.shape[-1], self.dtype)(maps[small])
            maps[side] = x
        conv = layers.Conv(
            self.image_shape[-1], 3, padding=1, kernel_init=layers.normal, dtype=self.dtype
        )
        return jnp.tanh(conv(x).astype(jnp.float32))

    def _channels(self, side: int) -> int:
        return max(1, int(self.width * CHANNELS[side]))

    def _layer(self, layer: type[nn.Module]) -> partial[nn.Module]:
        return partial(layer, use_bias=False, kernel_init=layers.normal, dtype=self.dtype)

    def _gated(self, x: jax.Array, train: bool) -> jax.Array:
        """Batch norm, then a gated linear unit: half of the channels gate the others."""
        x, gate = jnp.split(layers.norm(self, 'batch', x, train=train), 2, axis=-1)
        return x * nn.sigmoid(gate)


class Excitation(nn.Module):
    """Weights of a large map's channels by a small map: skip-layer excitation."""

    features: int  # channels of the large map
    dtype: DTypeLike = jnp.float32  # of the arithmetic

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[N, h, w, C], the short side a multiple of 4 -> [N, 1, 1, features] in (0, 1)."""
        conv = partial(
            layers.Conv,
            padding=0,
            use_bias=False,
            kernel_init=layers.normal,
            dtype=self.dtype,
        )
        window = (min(x.shape[1:3]) // 4,) * 2
        pooled = nn.avg_pool(x, window, window)
        whole = conv(self.features, pooled.shape[1:3])
        return nn.sigmoid(conv(self.features, 1)(nn.swish(whole(pooled))))
