"""Inception-v3 as the Frechet inception distance has it: the TensorFlow graph of 2015-12-05.

Szegedy et al. 2016, arXiv:1512.00567; Heusel et al. 2017, arXiv:1706.08500. It differs from later
nets of that name: average pools do not count their padding, the last block's pool is a maximum,
there are 1,008 classes, and images are resized as TensorFlow 1 did. Weights come from the user's
file, `pt_inception-2015-12-05-6726825d.pth` or one of the same names.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import layers, ops
from gan_jax.pretrained import weights

SIDE = 299
CLASSES = 1008
EPSILON = 1e-3  # of batch norm


class Filter(NamedTuple):
    """A convolution and ReLU; those of stride 2 are never padded, the others 'SAME'."""

    name: str
    width: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padded: bool = True


class Branch(NamedTuple):
    """Filters one after the other."""

    filters: tuple[Filter, ...]  # their maps feed the next one
    # filters of the last map side by side; without any it is the result itself
    fork: tuple[Filter, ...] = ()
    # before them, of 3x3: average | maximum | halve (a maximum of stride 2); '': none
    pool: str = ''


def _chain(name: str, *given: tuple[Any, ...]) -> tuple[Filter, ...]:
    """Filters name_1, name_2, ..."""
    return tuple(Filter(f'{name}_{number}', *rest) for number, rest in enumerate(given, 1))


WIDE, TALL = (1, 7), (7, 1)


def _a(pooled: int) -> tuple[Branch, ...]:
    return (
        Branch((Filter('branch1x1', 64),)),
        Branch(_chain('branch5x5', (48,), (64, (5, 5)))),
        Branch(_chain('branch3x3dbl', (64,), (96, (3, 3)), (96, (3, 3)))),
        Branch((Filter('branch_pool', pooled),), pool='average'),
    )


def _c(width: int) -> tuple[Branch, ...]:
    double = (width,), (width, TALL), (width, WIDE), (width, TALL), (192, WIDE)
    return (
        Branch((Filter('branch1x1', 192),)),
        Branch(_chain('branch7x7', (width,), (width, WIDE), (192, TALL))),
        Branch(_chain('branch7x7dbl', *double)),
        Branch((Filter('branch_pool', 192),), pool='average'),
    )


def _e(pool: str) -> tuple[Branch, ...]:
    def fork(name: str) -> tuple[Filter, Filter]:
        return Filter(f'{name}a', 384, (1, 3)), Filter(f'{name}b', 384, (3, 1))

    return (
        Branch((Filter('branch1x1', 320),)),
        Branch(_chain('branch3x3', (384,)), fork('branch3x3_2')),
        Branch(_chain('branch3x3dbl', (448,), (384, (3, 3))), fork('branch3x3dbl_3')),
        Branch((Filter('branch_pool', 192),), pool=pool),
    )


STEM = (  # filters and pools
    Filter('Conv2d_1a_3x3', 32, (3, 3), 2),
    Filter('Conv2d_2a_3x3', 32, (3, 3), padded=False),
    Filter('Conv2d_2b_3x3', 64, (3, 3)),
    'halve',
    Filter('Conv2d_3b_1x1', 80),
    Filter('Conv2d_4a_3x3', 192, (3, 3), padded=False),
    'halve',
)
BLOCKS: Mapping[str, tuple[Branch, ...]] = {
    'Mixed_5b': _a(32),
    'Mixed_5c': _a(64),
    'Mixed_5d': _a(64),
    'Mixed_6a': (
        Branch((Filter('branch3x3', 384, (3, 3), 2),)),
        Branch(_chain('branch3x3dbl', (64,), (96, (3, 3)), (96, (3, 3), 2))),
        Branch((), pool='halve'),
    ),
    'Mixed_6b': _c(128),
    'Mixed_6c': _c(160),
    'Mixed_6d': _c(160),
    'Mixed_6e': _c(192),
    'Mixed_7a': (
        Branch(_chain('branch3x3', (192,), (320, (3, 3), 2))),
        Branch(_chain('branch7x7x3', (192,), (192, WIDE), (192, TALL), (192, (3, 3), 2))),
        Branch((), pool='halve'),
    ),
    'Mixed_7b': _e('average'),
    'Mixed_7c': _e('maximum'),
}


def pooled(x: jax.Array, kind: str) -> jax.Array:
    """[N, H, W, C] under a 3x3 pool; see `Branch.pool`."""
    if kind == 'average':
        return nn.avg_pool(x, (3, 3), (1, 1), 'SAME', count_include_pad=False)
    if kind == 'maximum':
        return nn.max_pool(x, (3, 3), (1, 1), 'SAME')
    return nn.max_pool(x, (3, 3), (2, 2), 'VALID') if kind == 'halve' else x


class Convolution(nn.Module):
    """A `Filter` at work, with its batch norm folded in."""

    filter: Filter

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        _, width, size, stride, padded = self.filter
        kernel = self.param('kernel', layers.glorot_uniform, (*size, x.shape[-1], width))
        bias = self.param('bias', nn.initializers.zeros, (width,))
        padding: ops.Padding = 'SAME' if padded and stride == 1 else 0
        return nn.relu(ops.conv(x, kernel, stride, padding) + bias.reshape(1, 1, 1, -1))


class Mixed(nn.Module):
    """Branches side by side."""

    branches: tuple[Branch, ...]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        maps = []
        for branch in self.branches:
            y = pooled(x, branch.pool)
            for part in branch.filters:
                y = Convolution(part, name=part.name)(y)
            maps += [Convolution(part, name=part.name)(y) for part in branch.fork] or [y]
        return jnp.concatenate(maps, axis=-1)


class Net(nn.Module):
    """The net in use."""

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Features and logits.

        Args:
          x: float32 [N, H, W, 3], (level - 128) / 128; H and W at least 75, in use 299.

        Returns:
          float32 [N, 2048], the mean over the last map ('pool3'), and float32 [N, 1008].
        """
        chex.assert_shape(x, (None, None, None, 3))
        for part in STEM:
            if isinstance(part, Filter):
                x = Convolution(part, name=part.name)(x)
            else:
                x = pooled(x, part)
        for name, branches in BLOCKS.items():
            x = Mixed(branches, name=name)(x)
        features = jnp.mean(x, axis=(1, 2))
        return features, layers.Dense(CLASSES, name='fc')(features)


def resized(image: jax.Array, side: int = SIDE) -> jax.Array:
    """float32 [N, H, W, C] at side x side as TensorFlow 1 resized: bilinear, not antialiased.

    Pixel i of the result is at i * H / side of the source, without the half pixel that is usual
    now; the last rows repeat.
    """
    height, width = image.shape[1:3]
    return _interpolated(_interpolated(image, height, side, 1), width, side, 2)


def _interpolated(image: jax.Array, size: int, side: int, axis: int) -> jax.Array:
    place = np.arange(side, dtype=np.float32) * np.float32(size / side)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, size - 1)
    shape = [1] * image.ndim
    shape[axis] = side
    weight = (place - low).reshape(shape)
    first, second = (jnp.take(image, index, axis=axis) for index in (low, high))
    return first + (second - first) * weight


def converted(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The net's arrays by path, from the tensors of a PyTorch state dict by name.

    Raises:
      KeyError: a tensor is missing.
    """
    arrays = {}
    stems = [part.name for part in STEM if isinstance(part, Filter)]
    inner = [
        f'{block}.{part.name}'
        for block, branches in BLOCKS.items()
        for branch in branches
        for part in (*branch.filters, *branch.fork)
    ]
    for name in stems + inner:
        path = f'params/{name.replace(".", "/")}'
        folded = weights.folded(tensors, f'{name}.conv', f'{name}.bn', EPSILON)
        arrays[f'{path}/kernel'], arrays[f'{path}/bias'] = folded
    arrays['params/fc/kernel'] = tensors['fc.weight'].T
    arrays['params/fc/bias'] = tensors['fc.bias']
    return arrays
