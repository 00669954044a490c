"""pix2pix's discriminator (arXiv:1611.07004): one logit for every patch.

With three layers of stride 2 a logit sees 70x70 pixels; at 256x256 the map is 30x30, and
with six channels in and batch norm the net has 2,768,705 parameters, those of junyanz's
`NLayerDiscriminator`. Initialised as theirs: kernels from N(0, .02^2), batch-norm scales
from N(1, .02^2).
"""

from collections.abc import Collection, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Literal, overload

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp

from gan_jax import layers


class Discriminator(layers.Net):
    """4x4 convolutions: `n_layers` of stride 2, one of stride 1, and one to the logits.

    Attributes:
      width: channels of the first convolution (64 in the paper); they double, up to eight
        times as many.
      n_layers: convolutions of stride 2. A logit sees 16, 34, 70, 142 or 286 pixels a side
        for 1 to 5 of them; 0 is the paper's pixelGAN, three 1x1 convolutions.
      norm: key of `layers.NORMS`, on all convolutions but the first and the last; only 'instance'
        gives these a bias. All but 'none' let a logit depend on more than its own patch.
    """

    width: int = 64
    n_layers: int = 3
    norm: str = 'batch'

    kind: ClassVar[layers.Kind] = layers.Kind.PATCHES
    options: ClassVar[Mapping[str, Collection[Any]]] = MappingProxyType(
        {'norm': layers.NORMS, 'n_layers': range(6)}
    )

    def misfit(self) -> str:
        """The two convolutions of stride 1 take a row and a column off each."""
        least = 3 * 2**self.n_layers if self.n_layers else 1
        if min(self.image_shape[:2]) >= least:
            return ''
        height, width, _ = self.image_shape
        return (
            f'n_layers={self.n_layers} needs images of at least {least} pixels a side, and'
            f' those of config.data are {height}x{width}: use less'
        )

    @overload
    def __call__(
        self,
        x: jax.Array,
        condition: jax.Array,
        *,
        train: bool,
        return_features: Literal[False] = False,
    ) -> jax.Array: ...
    @overload
    def __call__(
        self, x: jax.Array, condition: jax.Array, *, train: bool, return_features: Literal[True]
    ) -> tuple[jax.Array, list[jax.Array]]: ...
    @nn.compact
    def __call__(
        self, x: jax.Array, condition: jax.Array, *, train: bool, return_features: bool = False
    ) -> jax.Array | tuple[jax.Array, list[jax.Array]]:
        """Whether each patch is real, given what the image was made from.

        Args:
          x: float [N, H, W, C], real or generated.
          condition: float [N, H, W, any], what it is, or pretends to be, the translation of.
          train: whether the running statistics move.
          return_features: also return the hidden maps, which feature matching compares.

        Returns:
          float32 logits [N, h, w]; at 256x256 and three layers 30x30, at none 256x256. Or these
          and maps, float32 [N, h, w, C], one of each hidden layer.
        """
        chex.assert_shape(x, (None, *self.image_shape))
        chex.assert_shape(condition, (len(x), *self.image_shape[:2], None))
        activate = layers.leaky_relu(0.2)
        normalize = partial(layers.norm, self, self.norm, train=train)
        first, *hidden, last = self._convolutions()
        x = activate(first(jnp.concatenate([condition, x.astype(condition.dtype)], axis=-1)))
        maps = [x]
        for conv in hidden:
            maps.append(activate(normalize(conv(maps[-1]))))
        logits = last(maps[-1]).astype(jnp.float32)[..., 0]
        return (logits, [x.astype(jnp.float32) for x in maps]) if return_features else logits

    def _convolutions(self) -> list[layers.Conv]:
        conv = partial(
            layers.Conv,
            use_bias=self.norm == 'instance',
            kernel_init=layers.normal,
            dtype=self.dtype,
        )
        if not self.n_layers:
            pixel = partial(conv, kernel_size=1, padding=0)
            return [pixel(self.width, use_bias=True), pixel(2 * self.width), pixel(1)]
        conv = partial(conv, kernel_size=4, padding=1)
        down = partial(conv, stride=2)
        widths = [self.width * min(2**level, 8) for level in range(self.n_layers + 1)]
        return [
            down(widths[0], use_bias=True),
            *[down(width) for width in widths[1:-1]],
            conv(widths[-1]),
            conv(1, use_bias=True),
        ]
