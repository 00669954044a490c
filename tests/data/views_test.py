"""Training sees crops and mirror images, the same for both panels of a pair."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import rng
from gan_jax.data import datasets, views
from gan_jax.types import Batch, DataSpec

SIDE, JITTER = 5, 3
STORED = SIDE + JITTER
SPEC = DataSpec((SIDE, 2 * SIDE, 1), 0, 64, panels=2)
COUNT = 400


def panel():
    """Pixels that tell where they are: 10 * row + column."""
    place = np.arange(STORED)
    return np.uint8(10 * place[:, None] + place)[..., None]


PAIR = np.concatenate([panel(), panel() + 100], axis=1)  # the photo's are 100 larger
CROPS = {
    (top, left, mirrored): panel()[top : top + SIDE, left : left + SIDE][:, :: 1 - 2 * mirrored]
    for top, left in itertools.product(range(JITTER + 1), repeat=2)
    for mirrored in (0, 1)
}


def config(make_config, **fields):
    return make_config(**{'flip': True, 'jitter': JITTER} | fields)


def batch(count=COUNT, image=PAIR):
    return Batch(np.broadcast_to(image, (1, count, *image.shape)), np.zeros((1, count), np.int32))


def key(step=0, seed=0):
    zero = jnp.zeros((), jnp.int32)
    return rng.step_key(seed, zero + step, zero)


def seen(made, **changes):
    return np.asarray(jax.jit(views.make(made.data, SPEC, None))(key(**changes), batch()).image[0])


def test_both_panels_get_the_same_crop_and_flip_and_each_occurs(make_config):
    images = seen(config(make_config))
    assert images.shape == (COUNT, SIDE, 2 * SIDE, 1)
    np.testing.assert_array_equal(images[:, :, SIDE:], images[:, :, :SIDE] + 100)
    # Every one is a window of the stored panel, so nothing wraps around or is padded.
    found = [next(k for k, v in CROPS.items() if (v == image[:, :SIDE]).all()) for image in images]
    counts = np.array([found.count(place) for place in CROPS])
    assert len(CROPS) == 32 and counts.min() > 0
    # 400 draws of 32 equal chances: 12.5 each, standard deviation 3.5.
    assert counts.max() < 12.5 + 5 * 3.5


@pytest.mark.parametrize('fields', [dict(flip=False), dict(jitter=0)])
def test_each_can_be_had_alone(make_config, fields):
    made = config(make_config, **fields)
    stored = datasets.stored_shape(made.data, SPEC)
    image = PAIR if made.data.jitter else np.concatenate([PAIR[:SIDE, :SIDE]] * 2, axis=1)
    assert image.shape == stored
    view = views.make(made.data, SPEC, None)
    images = np.asarray(view(key(), batch(image=image)).image[0])[:, :, :SIDE]
    kinds = len(np.unique(images.reshape(COUNT, -1), axis=0))
    assert kinds == (16 if made.data.jitter else 2)
    if not made.data.flip:
        assert (np.diff(images[..., 0].astype(int), axis=2) > 0).all()


def test_without_either_there_is_no_view(make_config):
    assert views.make(make_config().data, SPEC, None) is None


def test_shapes_of_what_is_stored_and_seen(make_config):
    made = config(make_config).data
    assert datasets.stored_shape(made, SPEC) == (8, 16, 1)
    assert datasets.seen_shape(made, (8, 16, 1), 2) == SPEC.image_shape


def test_four_devices_see_what_one_does(make_config):
    made = config(make_config).data
    alone = views.make(made, SPEC, None)(key(7), batch(32))
    shared = views.make(made, SPEC, 'data')
    parts = jax.tree.map(lambda x: np.stack(np.split(x, 4, axis=1)), batch(32))
    found = jax.vmap(shared, in_axes=(None, 0), axis_name='data')(key(7), parts).image
    np.testing.assert_array_equal(np.concatenate(list(np.asarray(found)), axis=1), alone.image)


def test_draws_steps_and_seeds_differ_and_a_step_is_always_the_same(make_config):
    made = config(make_config)
    base = seen(made, step=3)
    np.testing.assert_array_equal(base, seen(made, step=3))
    assert not (base == seen(made, step=4)).all() and not (base == seen(made, seed=1)).all()
    two = jax.tree.map(lambda leaf: np.concatenate([leaf, leaf]), batch())
    first, second = views.make(made.data, SPEC, None)(key(3), two).image
    np.testing.assert_array_equal(first, base)
    assert not (first == second).all()
