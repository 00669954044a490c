"""A discriminator of pairs that looks through a trained net, beside one of patches of pixels.

As `projected`, after Sauer et al. 2021, arXiv:2111.01007: the maps of a frozen net, mixed by random
projections, have a small trained head each. Here a head sees what the image was made from too. It
takes the maps, not a net: the generator's loss compares by the same ones, which are computed once.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp

from gan_jax import layers, losses
from gan_jax.nets import patch, projected

STRIDE = 4  # of the largest map


class Discriminator(layers.Net):
    """Heads on the maps of a frozen net, and a discriminator of patches.

    Attributes:
      channels: of the largest mixed map; they double with every halving of the size.
      mixing_seed: of the random projections.
      width: channels of a head at an eighth of the side; twice and four times as many at a
        sixteenth and below.
      condition_width: channels in which each head sees the condition.
      pixel_weight: of the loss of the discriminator of patches; the heads together have 1.
      pixel_width: its `width`; it is the discriminator of `patch`.
      pixel_layers: its `n_layers`.
      norm: its `norm`.
      pixel_loss: key of `losses.LOSSES`, its own.
    """

    channels: int = 24
    mixing_seed: int = 1
    width: int = 32
    condition_width: int = 16
    pixel_weight: float = 1.0
    pixel_width: int = 16
    pixel_layers: int = 3
    norm: str = 'instance_affine'
    pixel_loss: str = 'non_saturating'

    kind: ClassVar[layers.Kind] = layers.Kind.PATCHES
    takes_maps: ClassVar[bool] = True
    sizes: ClassVar[str] = 'images of at least 64 pixels a side, in multiples of 32'
    weights: ClassVar[Collection[str]] = ('pixel_weight',)
    options: ClassVar[Mapping[str, Collection[Any]]] = MappingProxyType(
        {'norm': layers.NORMS, 'pixel_loss': losses.LOSSES, 'pixel_layers': range(4)}
    )

    @staticmethod
    def supports(image_shape: tuple[int, int, int]) -> bool:
        """Images that leave the frozen net's last map two pixels a side."""
        return all(side >= 64 and side % 32 == 0 for side in image_shape[:2])

    def judges(self) -> tuple[losses.Judge, ...]:
        """The heads, which share a weight of 1, and the discriminator of patches."""
        heads = (losses.Judge(1 / len(projected.DOWN_BLOCKS)),) * len(projected.DOWN_BLOCKS)
        return (*heads, losses.Judge(self.pixel_weight, self.pixel_loss))

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        condition: jax.Array,
        maps: list[jax.Array],
        *,
        train: bool,
        return_features: bool = False,
    ) -> jax.Array | tuple[jax.Array, list[jax.Array]]:
        """Logits of every judge, as many of each, float32 [N, L]: who has fewer repeats them.

        Arguments are as of `patch`, and x's maps, float32 [N, h, w, any], of strides 4 to 32; the
        hidden maps to return are those of the discriminator of patches.
        """
        chex.assert_shape(x, (None, *self.image_shape))
        shared = {name: getattr(self, name) for name in layers.SHARED} | {'num_classes': 0}
        mixed = projected.mixed(maps, self.channels, self.mixing_seed)
        logits = [
            projected.Head(**shared, width=self.width, level=level, name=f'head{level}')(
                jnp.concatenate(pair, axis=-1), None, train
            )
            for level, pair in enumerate(zip(mixed, self._seen(condition), strict=True))
        ]
        pixels = patch.Discriminator(
            **shared,
            width=self.pixel_width,
            n_layers=self.pixel_layers,
            norm=self.norm,
            name='pixels',
        )
        patches, hidden = pixels(x, condition, train=train, return_features=True)
        found = projected.together([*logits, patches.reshape(len(x), -1)])
        return (found, hidden) if return_features else found

    def _seen(self, condition: jax.Array) -> list[jax.Array]:
        """The condition at the size of each map."""
        found, x = [], condition.astype(jnp.float32)
        for level in range(len(projected.DOWN_BLOCKS)):
            stride = 2 if level else STRIDE
            conv = layers.Conv(
                self.condition_width,
                stride,
                stride,
                padding=0,
                kernel_init=layers.normal,
                dtype=self.dtype,
                name=f'condition{level}',
            )
            x = layers.leaky_relu(0.2)(conv(x))
            found.append(x.astype(jnp.float32))
        return found
