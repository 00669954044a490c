"""The discriminator of pairs that takes a frozen net's maps: its judges, and what they see."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import nets
from tests import gans

SHAPE = (64, 64, 3)
FIELDS = {
    'name': 'projected_patches',
    'channels': 4,
    'width': 4,
    'condition_width': 2,
    'pixel_width': 4,
    'pixel_layers': 1,
}


def images(seed, *shape):
    return np.tanh(gans.normal(seed, *(shape or (3, *SHAPE))))


@pytest.fixture(scope='module')
def net():
    return nets.build('disc', FIELDS, image_shape=SHAPE)


@pytest.fixture(scope='module')
def given():
    """An image, what it was made from, and a frozen net's maps of it."""
    image = images(0)
    return image, images(1), jax.device_get(jax.jit(gans.tiny_maps)(image))


@pytest.fixture(scope='module')
def variables(net, given):
    return gans.variables(net, *given, train=False)


@partial(jax.jit, static_argnums=0)
def judge(net, variables, *given):
    return net.apply(variables, *given, train=False)


def judged(net, variables, *given):
    """The logits of each judge."""
    logits = judge(net, variables, *given)
    return np.split(np.asarray(logits), len(net.judges()), axis=1)


def test_heads_have_as_many_logits_as_the_patches(net, variables, given):
    parts = judged(net, variables, *given)
    assert [len(np.unique(part[0])) for part in parts] == [4, 4, 4, 1, 30 * 30]


def test_heads_see_the_maps_and_the_condition_and_patches_the_pixels(net, variables, given):
    image, condition, maps = given
    before = judged(net, variables, *given)

    def moved(*given):
        after = judged(net, variables, *given)
        return [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]

    assert moved(image, images(2), maps) == [True] * 5
    assert moved(images(3), condition, maps) == [False] * 4 + [True]
    others = [part + 1 for part in maps]
    assert moved(image, condition, others) == [True] * 4 + [False]


def test_its_hidden_maps_are_those_of_the_patches(net, variables, given):
    call = partial(net.apply, variables, train=False, return_features=True)
    logits, maps = jax.eval_shape(call, *given)
    assert logits.dtype == jnp.float32
    assert [x.shape for x in maps] == [(3, 32, 32, 4), (3, 31, 31, 8)]


def test_without_a_weight_the_patches_judge_nothing(net):
    [*heads, patches] = net.judges()
    assert sum(judge.weight for judge in heads) == 1 == patches.weight
    assert net.clone(pixel_weight=0.0).judges()[-1].weight == 0
