"""A discriminator that looks through a trained net: Projected GAN.

Sauer et al. 2021, arXiv:2111.01007. Images go through a frozen net; its maps of strides 4, 8, 16
and 32 are mixed across channels and across scales by random projections that are never trained;
each mixed map has a small trained head. A head gives a logit a place.

Other than in the authors' code, a mixed map keeps its size (theirs has twice as many rows), and
what comes from the deeper map is enlarged with aligned pixels, not aligned corners.
"""

from collections.abc import Collection, Mapping
from functools import lru_cache, partial
import math
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp

from gan_jax import layers, losses, ops
from gan_jax.io import images
from gan_jax.nets import dcgan
from gan_jax.pretrained.frozen import FROZEN, read

DOWN_BLOCKS = (3, 2, 1, 1)  # of the head of each map
SIDES = (64, 96, 128, 224)

Mixing = list[dict[str, tuple[jax.Array, jax.Array]]]


@lru_cache
def mixing(channels: tuple[int, ...], width: int, seed: int) -> Mixing:
    """The random projections, kernels [1, 1, in, out] and biases [1, 1, 1, out] of each map.

    Across channels ('channels') to `width` and twice as many with each map, then across scales
    ('scales') to half of these, of the first map to as many. From U(-b, b), b = fan_in^-1/2.

    Args:
      channels: of the frozen net's maps, the largest map first.
      width: channels of the largest mixed map.
    """

    def project(level: int, number: int, inner: int, outer: int) -> tuple[jax.Array, jax.Array]:
        key = jax.random.fold_in(jax.random.key(seed), 2 * level + number)
        drawn = jax.random.uniform(key, (inner + 1, outer), minval=-1, maxval=1) * inner**-0.5
        return drawn[:-1].reshape(1, 1, inner, outer), drawn[-1].reshape(1, 1, 1, outer)

    with jax.ensure_compile_time_eval():
        return [
            {
                'channels': project(level, 0, count, width * 2**level),
                'scales': project(level, 1, width * 2**level, width * 2 ** max(level - 1, 0)),
            }
            for level, count in enumerate(channels)
        ]


def mixed(maps: list[jax.Array], width: int, seed: int) -> list[jax.Array]:
    """Maps [N, h, w, C] mixed across channels, then from the smallest map to the largest."""
    projections = mixing(tuple(x.shape[-1] for x in maps), width, seed)

    def project(x: jax.Array, projection: tuple[jax.Array, jax.Array]) -> jax.Array:
        kernel, bias = projection
        return ops.conv(x, kernel, padding=0) + bias

    found: list[jax.Array] = []
    for x, projection in reversed(list(zip(maps, projections, strict=True))):
        x = project(x, projection['channels'])
        if found:
            x = x + jax.image.resize(found[-1], x.shape, 'linear')
        found.append(project(x, projection['scales']))
    return found[::-1]


class Seen(NamedTuple):
    """Images, and what does not depend on the discriminator's parameters."""

    maps: list[jax.Array]  # mixed, float32 [N, h, w, C]
    image: jax.Array  # float [N, H, W, C]


class Discriminator(layers.Net):
    """Heads on a frozen net, and beside them, if wanted, a discriminator of pixels.

    Attributes:
      frozen: key of FROZEN.
      side: pixels a side to which images are resized for it.
      channels: of the largest mixed map; they double with every halving of the size.
      mixing_seed: of the random projections.
      width: channels of a head at an eighth of the side; twice and four times as many at a
        sixteenth and below.
      pixel_weight: of the loss of the discriminator of pixels; the heads together have 1. 0: none.
      pixel_width: its width; it is DCGAN's.
      pixel_loss: key of `losses.LOSSES`, its own.
    """

    frozen: str = 'efficientnet_lite0'
    side: int = 128
    channels: int = 48
    mixing_seed: int = 1
    width: int = 64
    pixel_weight: float = 0.0
    pixel_width: int = 32
    pixel_loss: str = 'non_saturating'

    kind: ClassVar[layers.Kind] = layers.Kind.LOGIT
    takes_range: ClassVar[tuple[float, float] | None] = (-1.0, 1.0)
    sizes: ClassVar[str] = 'images of at least 16 pixels a side'
    weights: ClassVar[Collection[str]] = ('pixel_weight',)
    penalties: ClassVar[bool] = False
    options: ClassVar[Mapping[str, Collection[Any]]] = MappingProxyType(
        {'frozen': FROZEN, 'side': SIDES, 'pixel_loss': losses.LOSSES}
    )

    @staticmethod
    def supports(image_shape: tuple[int, int, int]) -> bool:
        """The frozen net sees all images as squares."""
        height, width, _ = image_shape
        return min(height, width) >= 16

    def misfit(self) -> str:
        """The discriminator of pixels is not for all sizes, and alpha is not without it."""
        height, width, channels = self.image_shape
        if not self.pixel_weight and channels == 4:
            return (
                'pixel_weight=0: the frozen net sees images over white, and white from transparent'
                ' the pixels alone can tell: set it to 0.5, or config.data.channels=rgb'
            )
        if not self.pixel_weight or dcgan.Discriminator.supports(self.image_shape):
            return ''
        return (
            f'pixel_weight={self.pixel_weight} needs {dcgan.Discriminator.sizes}, and the images of'
            f' config.data are {height}x{width}: set it to 0'
        )

    def judges(self) -> tuple[losses.Judge, ...]:
        """The heads, which share a weight of 1, and the discriminator of pixels."""
        heads = (losses.Judge(1 / len(DOWN_BLOCKS)),) * len(DOWN_BLOCKS)
        pixels = (losses.Judge(self.pixel_weight, self.pixel_loss),) if self.pixel_weight else ()
        return heads + pixels

    def __call__(self, x: jax.Array, label: jax.Array | None = None, *, train: bool) -> jax.Array:
        """float [N, H, W, 1, 3 or 4] in [-1, 1] -> float32 logits [N, L], as many of each judge."""
        return self.judge(self.look(x), label, train=train)

    def look(self, image: jax.Array) -> Seen:
        """Through the frozen net, and at the pixels."""
        chex.assert_shape(image, (None, *self.image_shape))
        maps = maps_of(self.frozen, self.side, image.astype(jnp.float32))
        return Seen(mixed(maps, self.channels, self.mixing_seed), image)

    @nn.compact
    def judge(self, seen: Seen, label: jax.Array | None = None, *, train: bool) -> jax.Array:
        """Does as the call, of images that were looked at."""
        shared = {name: getattr(self, name) for name in layers.SHARED}
        logits = [
            Head(**shared, width=self.width, level=level, name=f'head{level}')(part, label, train)
            for level, part in enumerate(seen.maps)
        ]
        if self.pixel_weight:
            pixels = dcgan.Discriminator(**shared, width=self.pixel_width, name='pixels')
            logits.append(pixels(seen.image, label, train=train)[:, None])
        return together(logits)


def maps_of(frozen: str, side: int, x: jax.Array) -> list[jax.Array]:
    """Maps of a frozen net, of strides 4, 8, 16 and 32, float32 [N, side / stride, ..., C].

    Args:
      side: pixels a side to which images are resized for it.
      x: float32 [N, H, W, C] in [-1, 1], C = 1, 3 or, seen over white, 4.
    """
    x = images.on_white(x)
    if x.shape[1:3] != (side, side):
        x = jax.image.resize(x, (len(x), side, side, 3), 'linear')
    return FROZEN[frozen].maps(read(frozen, f'config.disc.net.frozen={frozen}'), x)


def together(logits: list[jax.Array]) -> jax.Array:
    """Logits [N, l] of several judges as [N, L]: those that have fewer repeat theirs.

    Else a mean over all logits, and so the loss, would count the judges by their places.
    """
    count = math.lcm(*(part.shape[1] for part in logits))
    return jnp.concatenate([jnp.repeat(x, count // x.shape[1], axis=1) for x in logits], axis=1)


class Head(layers.Net):
    """4x4 convolutions of stride 2 down to half the frozen net's last map, and one to logits.

    Each with spectral norm, all but the last with batch norm and a leaky ReLU of slope 0.2.

    Attributes:
      width: as of `Discriminator`.
      level: which map it judges, 0 the largest.
    """

    width: int = 64
    level: int = 0

    @nn.compact
    def __call__(self, x: jax.Array, label: jax.Array | None, train: bool) -> jax.Array:
        """[N, h, w, C] -> float32 [N, places]."""
        conv = partial(layers.Conv, kernel_init=layers.normal, spectral_norm=True)
        for block in range(DOWN_BLOCKS[self.level]):
            width = self.width * 2 ** min(self.level + block, 2)
            down = conv(width, 4, 2, 1, use_bias=False, dtype=self.dtype)
            x = layers.norm(self, 'batch', down(x, train), train=train)
            x = layers.leaky_relu(0.2)(x)
        x = x.astype(jnp.float32)
        logits = conv(1, 3, padding=1)(x, train).reshape(len(x), -1)
        projection = layers.Projection(layers.normal, spectral_norm=True)
        return logits + projection(jnp.sum(x, axis=(1, 2)), self.code(label), train)[:, None]
