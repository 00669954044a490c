"""pix2pix's generator (arXiv:1611.07004): a U-Net from an image to an image.

At 256x256, three channels to three, with batch norm it has 54,413,955 parameters, those of
junyanz's `unet_256`. Other sizes have a level less or more, and one layer of dropout
less or more. Initialised as theirs: kernels from N(0, .02^2), batch-norm scales from
N(1, .02^2).

With `depth`, `upsample` and `join_input` it becomes what small albums and small machines ask for: a
net of a tenth of the parameters that leaves no checkerboard (Odena et al. 2016,
doi:10.23915/distill.00003).
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
import math
from types import MappingProxyType
from typing import Any, ClassVar

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp

from gan_jax import layers


class Generator(layers.Net):
    """4x4 convolutions of stride 2 down to a small map and back, joined at every size; tanh.

    Attributes:
      width: channels of the map of half the image's size (64 in the paper); they double
        with every halving, up to eight times as many.
      depth: halvings; 0: as many as both sides allow, to a 1x1 map of a power of two.
      norm: key of `layers.NORMS`; only 'instance' gives its convolutions a bias.
      dropout: probability of a zero after each of the first depth - 5 layers of the
        decoder, as in the paper (junyanz has as many, one layer later).
      upsample: 'transposed', 4x4 convolutions of stride 2, or 'resize', repetition of each
        element and a 3x3 convolution, which leaves no checkerboard.
      join_input: whether the decoder ends in a map of the image's size, with half of `width`
        channels, that is joined with the net's input before a last 3x3 convolution.
    """

    width: int = 64
    depth: int = 0
    norm: str = 'batch'
    dropout: float = 0.5
    upsample: str = 'transposed'
    join_input: bool = False

    kind: ClassVar[layers.Kind] = layers.Kind.TRANSLATION
    pixel_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    sizes: ClassVar[str] = 'images of 64 to 512 pixels a side, in multiples of 32'
    options: ClassVar[Mapping[str, Collection[Any]]] = MappingProxyType(
        {'norm': layers.NORMS, 'upsample': ('transposed', 'resize'), 'depth': range(10)}
    )

    @staticmethod
    def supports(image_shape: tuple[int, int, int]) -> bool:
        """Sides that can be halved five times."""
        return all(64 <= side <= 512 and side % 32 == 0 for side in image_shape[:2])

    def _halvings(self) -> int:
        """How often both sides can be halved; of squares of a power of two down to 1x1."""
        common = math.gcd(*self.image_shape[:2])
        return int(math.log2(common & -common))

    def misfit(self) -> str:
        """No map is smaller than 1x1."""
        most = self._halvings()
        if self.depth <= most:
            return ''
        height, width, _ = self.image_shape
        return f'depth={self.depth} is at most {most} for images of {height}x{width}'

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        *,
        train: bool,
        batch_statistics: bool | None = None,
        dropout: bool | None = None,
    ) -> jax.Array:
        """The image made from x.

        Out of training a net with batch norm has three ways to make it: with the running
        statistics (`train=False`); with the batch's own (`batch_statistics=True`); and with dropout
        besides (`dropout=True`), which is the paper's, whose batch is one image. In a larger
        batch an image made with the batch's statistics depends on the others.

        Args:
          x: float [N, H, W, any] in [-1, 1].
          train: whether the running statistics move.
          batch_statistics: whether batch norm takes the batch's statistics; None: in training.
          dropout: whether there is dropout, which needs the rng 'dropout'; None: in training.

        Returns:
          float32 [N, H, W, C] in [-1, 1].
        """
        chex.assert_shape(x, (None, *self.image_shape[:2], None))
        normalize = partial(
            layers.norm, self, self.norm, train=train, batch_statistics=batch_statistics
        )
        dropout = train if dropout is None else dropout
        given = x
        *skips, x = self._encode(x, normalize)
        for number, skip in enumerate(reversed(skips)):
            x = normalize(self._up(skip.shape[-1])(nn.relu(x)))
            if number < len(skips) - 4:
                x = layers.Dropout(self.dropout, self.axis_name)(x, train=dropout)
            x = jnp.concatenate([skip, x], axis=-1)
        x = nn.relu(x)
        channels = self.image_shape[-1]
        last: nn.Module
        if self.join_input:
            x = nn.relu(normalize(self._up(max(self.width // 2, 1))(x)))
            x = jnp.concatenate([given.astype(x.dtype), x], axis=-1)
            last = layers.Conv(channels, 3, kernel_init=layers.normal, dtype=self.dtype)
        else:
            last = self._up(channels, use_bias=True)
        return jnp.tanh(last(x).astype(jnp.float32))

    def _encode(self, x: jax.Array, normalize: Callable[[jax.Array], jax.Array]) -> list[jax.Array]:
        """The maps from half the image's size down to the smallest, not yet activated."""
        levels = self.depth or self._halvings()
        maps = []
        for level in range(levels):
            if level:
                x = layers.leaky_relu(0.2)(x)
            x = self._down(self.width * min(2**level, 8))(x)
            # Not the first, nor a bottleneck whose channels have one element each.
            if level and x.shape[1] * x.shape[2] > 1:
                x = normalize(x)
            maps.append(x)
        return maps

    def _down(self, features: int) -> layers.Conv:
        return layers.Conv(features, 4, 2, 1, **self._shared())

    def _up(self, features: int, **changes: bool) -> nn.Module:
        if self.upsample == 'resize':
            return layers.UpsampleConv(features, 3, **self._shared() | changes)
        return layers.ConvTranspose(features, 4, 2, 1, **self._shared() | changes)

    def _shared(self) -> dict[str, Any]:
        return dict(use_bias=self.norm == 'instance', kernel_init=layers.normal, dtype=self.dtype)
