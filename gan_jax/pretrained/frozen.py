"""Trained nets that a discriminator looks through. A new one is an entry of FROZEN.

Their weights are read from files and never trained: they are in no state, no optimizer and no
checkpoint.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from flax import linen as nn
import jax
import jax.numpy as jnp

Tree = Mapping[str, Any]


class Frozen(NamedTuple):
    """A net without its weights."""

    # (what needs it, a field with its value) -> its variables, as arrays on the host
    load: Callable[[str], Tree]
    # (variables, images float32 [N, S, S, 3] in [-1, 1]) -> maps of strides 4, 8, 16 and 32,
    # float32 [N, S / stride, S / stride, C]
    maps: Callable[[Tree, jax.Array], list[jax.Array]]


# The modules of feature nets are imported where they are used: they import this package.


def _load_efficientnet(asked: str) -> Tree:
    from gan_jax.pretrained import features

    return features.efficientnet_weights(asked).variables()


def _efficientnet_maps(variables: Tree, image: jax.Array) -> list[jax.Array]:
    from gan_jax.pretrained import efficientnet_lite0

    # From level / 127.5 - 1 to (level - 127) / 128.
    x = (127.5 * image + 0.5) / 128
    return _applied(efficientnet_lite0.Maps(parent=None), variables, x)


def _load_squeezenet(asked: str) -> Tree:
    from gan_jax.pretrained import features

    return features.squeezenet_weights(asked).variables()


def _squeezenet_maps(variables: Tree, image: jax.Array) -> list[jax.Array]:
    from gan_jax.pretrained import squeezenet

    x = 127.5 * (image + 1) - jnp.array(squeezenet.MEAN).reshape(1, 1, 1, 3)
    return _applied(squeezenet.Maps(parent=None), variables, x)


def _applied(net: nn.Module, variables: Tree, x: jax.Array) -> list[jax.Array]:
    maps: Any = net.apply(variables, x)
    return list(maps.values())


FROZEN: dict[str, Frozen] = {
    'efficientnet_lite0': Frozen(_load_efficientnet, _efficientnet_maps),
    'squeezenet': Frozen(_load_squeezenet, _squeezenet_maps),
}


@lru_cache
def read(name: str, asked: str) -> Tree:
    """The variables of FROZEN[name], read once.

    Raises:
      UserError: they cannot be had.
    """
    # Arrays of JAX, whoever calls first: each is one constant however often a program uses it.
    with jax.ensure_compile_time_eval():
        return jax.device_put(FROZEN[name].load(asked))
