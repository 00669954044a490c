"""Small GANs for tests: every source of randomness on, every kind of layer."""

from collections.abc import Callable, Iterator
import contextlib
import dataclasses
from functools import partial
from typing import Any
import zlib

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp
from ml_collections import ConfigDict
import numpy as np
import optax

from gan_jax import config as base
from gan_jax import ops
from gan_jax.config import experiments
from gan_jax.pretrained import frozen
from gan_jax.tasks import shared
from gan_jax.types import Batch, DataSpec, Pair

MNIST_SPEC = DataSpec(image_shape=(28, 28, 1), num_classes=10, num_examples=64)
DCGAN_SPEC = DataSpec(image_shape=(32, 32, 3), num_classes=0, num_examples=64)


def config(net: str, disc: str = '', **changes) -> ConfigDict:
    """A tiny config of `net`, against `disc` or its own; `changes` by dotted path."""
    result = base.default()
    for role, name in (('gen', net), ('disc', disc or net)):
        result[role].net = ConfigDict(dict(name=name))
    experiments.fill_nets(result)
    for role in ('gen', 'disc'):
        if 'width' in result[role].net:
            result[role].net.width = 4
    result.latent_dim = 8
    result.batch_size = 8
    result.num_samples = 4
    result.update_from_flattened_dict(changes)
    return result


def noisy(net: str, disc: str = '', **changes) -> ConfigDict:
    """The same with noise, augmentation and moving average."""
    return config(
        net,
        disc,
        **{
            'augment': 'color,translation,cutout',
            'instance_noise.std': 0.1,
            'gen.ema_decay': 0.99,
            **changes,
        },
    )


def pix2pix(**changes) -> ConfigDict:
    """A tiny U-Net against patches of 16 pixels, on pairs at 64x64."""
    return config(
        'pix2pix',
        **{
            'task': 'translation',
            'batch_size': 2,
            'gen.net.width': 2,
            'disc.net.width': 2,
            'disc.net.n_layers': 1,
            'data.name': 'synthetic',
            'data.image_size': 64,
            'data.input': 'grey',
            **changes,
        },
    )


def pix2pix_small(**changes) -> ConfigDict:
    """The same as small albums ask for: no checkerboard, every term, on a frozen net of no file."""
    return pix2pix(
        **{
            'gen.net.depth': 4,
            'gen.net.norm': 'instance_affine',
            'gen.net.dropout': 0.0,
            'gen.net.upsample': 'resize',
            'gen.net.join_input': True,
            'disc.net.norm': 'instance_affine',
            'gen.ema_decay': 0.9,
            'translation.perceptual': 5.0,
            'translation.frozen': 'tiny',
            'translation.matching': 10.0,
            **changes,
        }
    )


def pix2pix_projected(**changes) -> ConfigDict:
    """The same against heads on the frozen net, and patches."""
    config = pix2pix_small()
    config.disc.net = ConfigDict(dict(name='projected_patches'))
    experiments.fill_nets(config)
    own = {
        'loss': 'hinge',
        'disc.net.channels': 4,
        'disc.net.width': 4,
        'disc.net.condition_width': 2,
        'disc.net.pixel_width': 2,
        'disc.net.pixel_layers': 1,
    }
    config.update_from_flattened_dict({**own, **changes})
    return config


def projected(**changes) -> ConfigDict:
    """Tiny heads and a tiny DCGAN, the heads on a frozen net without a file, on 32x32."""
    return noisy(
        'dcgan',
        'projected',
        **{
            'loss': 'hinge',
            'disc.net.frozen': 'tiny',
            'disc.net.channels': 4,
            'disc.net.pixel_weight': 0.5,
            'disc.net.pixel_width': 4,
            **changes,
        },
    )


def _tiny_maps(variables, image: jax.Array) -> list[jax.Array]:
    maps = []
    for kernel in variables['kernels']:
        stride = 2 if maps else 4
        image = jnp.tanh(ops.conv(image, kernel, stride))
        maps.append(image)
    return maps


def _tiny_variables(asked: str) -> dict[str, list[np.ndarray]]:
    del asked
    rng = np.random.default_rng(0)
    shapes = [(4, 4, 3, 3), (2, 2, 3, 4), (2, 2, 4, 5), (2, 2, 5, 6)]
    return {'kernels': [rng.normal(0, 0.3, shape).astype(np.float32) for shape in shapes]}


def tiny_maps(image: jax.Array) -> list[jax.Array]:
    """The maps of the frozen net 'tiny' for images [N, S, S, 3]."""
    return _tiny_maps(_tiny_variables(''), image)


# What has no file to be read from: the tests need no extra.
frozen.FROZEN['tiny'] = frozen.Frozen(_tiny_variables, _tiny_maps)


def normal(seed: int, *shape: int) -> np.ndarray:
    """float32 normal draws; by NumPy, for which nothing is compiled."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def variables(net: nn.Module, *args, **mode) -> dict[str, Any]:
    """The variables of a net, with kernels drawn by NumPy: to compile its draws takes seconds."""
    shapes = jax.eval_shape(partial(net.init, **mode), jax.random.key(0), *args)

    def fill(path, leaf):
        name = path[-1].key
        if name in ('bias', 'mean', 'updates'):
            return np.zeros(leaf.shape, leaf.dtype)
        if name in ('scale', 'var'):
            return np.ones(leaf.shape, leaf.dtype)
        drawn = normal(zlib.crc32(jax.tree_util.keystr(path).encode()), *leaf.shape)
        if name == 'u':  # of spectral norm, a unit vector
            return drawn / np.linalg.norm(drawn)
        return drawn / np.float32(np.sqrt(np.prod(leaf.shape[:-1])))

    return jax.tree.map_with_path(fill, shapes)


def batch(spec: DataSpec, draws: int, size: int, seed: int = 0) -> Batch:
    """Random uint8 images [batches, size, H, W, C] with labels in range."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (draws, size, *spec.image_shape), np.uint8)
    label = rng.integers(0, max(spec.num_classes, 1), (draws, size), np.int32)
    return Batch(image, label)


RATE = 1e-3


def remembering(recipe: shared.Recipe) -> shared.Recipe:
    """The recipe by SGD at RATE whose state is the last gradient, whosever turn it is."""

    def update(grads, state, params=None, **extra):
        del state, params, extra
        return jax.tree.map(lambda g: -RATE * g, grads), grads

    optimizer = optax.GradientTransformationExtraArgs(
        lambda params: jax.tree.map(jnp.zeros_like, params), update
    )
    return dataclasses.replace(recipe, optimizers=Pair(optimizer, optimizer))


def same(one: chex.ArrayTree, other: chex.ArrayTree) -> bool:
    """Whether all leaves are equal to the bit."""
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(a, b) for a, b in leaves)


def tree_norm(tree: chex.ArrayTree) -> float:
    """The norm of all leaves together, on the host."""
    return np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(tree)))


def assert_close(found: chex.ArrayTree, wanted: chex.ArrayTree, tolerance: float = 1e-5) -> None:
    """Gradients of some networks agree, up to `tolerance` norms of each network's."""
    for got, want in zip(found, wanted, strict=True):
        norm = tree_norm(want)
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
            np.testing.assert_allclose(a, b, atol=tolerance * norm)


@contextlib.contextmanager
def optimized() -> Iterator[None]:
    """Programs compiled as users get them; see conftest."""
    jax.config.update('jax_disable_most_optimizations', False)
    try:
        yield
    finally:
        jax.config.update('jax_disable_most_optimizations', True)


def assert_jit_agrees(gradients: Callable[[], chex.ArrayTree], tolerance: float) -> None:
    """The compiled program at full optimisation agrees with one operation at a time.

    Args:
      gradients: () -> the gradients of some networks.
      tolerance: of an entry, in norms of its network's gradient.
    """
    with optimized():
        fast = jax.jit(gradients)()
    with jax.disable_jit():
        slow = gradients()
    assert_close(fast, slow, tolerance)


def identity_gather(data, item):
    """Items that are batches already."""
    del data
    return item


def host(tree):
    """A copy on the host, by path."""
    leaves = jax.tree.leaves_with_path(jax.device_get(tree))
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}
