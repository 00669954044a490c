"""Augmentations: what they may change, and for whom they are drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import augment
from gan_jax import config as base

IMAGES = np.random.default_rng(0).uniform(-1, 1, (64, 16, 16, 3)).astype(np.float32)
KEYS = jax.random.split(jax.random.key(1), 64)


def compiled(name):
    """The augmentation as one program, to the host."""
    program = jax.jit(augment.AUGMENTATIONS[name])
    return lambda images, keys: np.asarray(program(images, keys))


@pytest.mark.parametrize('name', augment.AUGMENTATIONS)
def test_each_image_depends_on_its_own_key_only(name):
    call = compiled(name)
    whole = call(IMAGES, KEYS)
    images, keys = IMAGES[::-1].copy(), np.array(jax.random.key_data(KEYS))[::-1].copy()
    images[5:7], keys[5:7] = IMAGES[5:7], keys[::-1][5:7]
    images[0] = IMAGES[0]
    others = call(images, jax.random.wrap_key_data(keys))
    np.testing.assert_allclose(whole[5:7], others[5:7], atol=1e-6)
    assert not np.allclose(whole[0], others[0])


def test_colours_change_and_alpha_does_not():
    images = np.concatenate([IMAGES, IMAGES[..., :1]], axis=-1)
    made = compiled('color')(images, KEYS)
    np.testing.assert_array_equal(made[..., 3], images[..., 3])
    np.testing.assert_allclose(made[..., :3], compiled('color')(IMAGES, KEYS), atol=1e-6)


@pytest.mark.parametrize('name', augment.AUGMENTATIONS)
def test_gradients_flow_to_every_image(name):
    fn = augment.AUGMENTATIONS[name]
    slope = jax.jit(jax.grad(lambda x: jnp.sum(jnp.sin(fn(x, KEYS)))))(IMAGES)
    assert np.all(np.any(np.asarray(slope) != 0, axis=(1, 2, 3)))


def test_policy_composes_in_order_with_separate_draws():
    @jax.jit
    def by_hand(images, keys):
        keys = [jax.vmap(jax.random.fold_in, (0, None))(keys, n) for n in range(2)]
        return augment.cutout(augment.color(images, keys[0]), keys[1])

    made = jax.jit(lambda *given: augment.make('color, cutout')(*given, 1.0))(IMAGES, KEYS)
    np.testing.assert_allclose(made, by_hand(IMAGES, KEYS), atol=1e-6)
    np.testing.assert_array_equal(augment.make('')(IMAGES, KEYS, 1.0), IMAGES)


POLICY = 'color,translation,cutout,affine'


@pytest.mark.newest
def test_each_augmentation_is_applied_to_an_image_with_its_probability():
    """A share p of 2,000 images is changed; which are is drawn anew for each augmentation."""
    images, keys = IMAGES[:1].repeat(2_000, 0), jax.random.split(jax.random.key(2), 2_000)
    changed = {}
    for name in ('color', 'cutout'):
        made = jax.jit(augment.make(name))(images, keys, 0.3)
        changed[name] = np.any(np.asarray(made) != images, axis=(1, 2, 3))
        assert abs(changed[name].mean() - 0.3) < 4 * (0.3 * 0.7 / 2_000) ** 0.5
    both = jax.jit(augment.make('color,cutout'))(images, keys, 0.3)
    share = np.any(np.asarray(both) != images, axis=(1, 2, 3)).mean()
    assert abs(share - (1 - 0.7**2)) < 0.05


def test_a_probability_that_adapts_reaches_both_its_ends():
    call = jax.jit(augment.make(POLICY))
    np.testing.assert_array_equal(call(IMAGES, KEYS, jnp.float32(0)), IMAGES)
    always = jax.jit(lambda x, k: augment.make(POLICY)(x, k, 1.0))(IMAGES, KEYS)
    np.testing.assert_allclose(call(IMAGES, KEYS, jnp.float32(1)), always, atol=1e-5)


def test_what_is_chosen_at_a_low_probability_is_chosen_at_a_higher_one():
    call = jax.jit(augment.make('translation'))
    few, many = (
        np.any(np.asarray(call(IMAGES, KEYS, np.float32(p))) != IMAGES, axis=(1, 2, 3))
        for p in (0.2, 0.7)
    )
    assert few.sum() < many.sum() and not np.any(few & ~many)


def test_translation_is_a_shift_of_up_to_an_eighth_with_zeros_moving_in():
    moved = compiled('translation')(IMAGES + 2, KEYS)  # no pixel is 0 before
    reach = 16 // 8
    padded = np.pad(IMAGES + 2, ((0, 0), (reach,) * 2, (reach,) * 2, (0, 0)))
    shifts = set()
    for image, source in zip(moved, padded, strict=True):
        found = [
            (top, left)
            for top in range(2 * reach + 1)
            for left in range(2 * reach + 1)
            if np.array_equal(image, source[top : top + 16, left : left + 16])
        ]
        assert len(found) == 1
        shifts.update(found)
    assert len(shifts) > 15  # of 25


def test_cutout_zeroes_one_rectangle_of_at_most_half_the_side():
    cut = compiled('cutout')(IMAGES + 2, KEYS)
    holes = (cut == 0).all(axis=-1)
    for hole in holes:
        rows, columns = np.nonzero(hole.any(1))[0], np.nonzero(hole.any(0))[0]
        assert 4 <= len(rows) <= 8 and 4 <= len(columns) <= 8
        assert hole.sum() == len(rows) * len(columns)
    np.testing.assert_array_equal(cut[~holes], (IMAGES + 2)[~holes])


def test_color_keeps_shapes_of_grey_levels():
    """One affine map an image and channel mean: pixels of equal colour stay equal."""
    flat = np.broadcast_to(IMAGES[:, :1, :1], IMAGES.shape)
    spread = np.ptp(compiled('color')(flat, KEYS), axis=(1, 2))
    np.testing.assert_allclose(spread, 0, atol=1e-6)


def follow(found, signs):
    """The probability after each step."""
    memory = augment.start_ada()
    history = []
    for step, sign in enumerate(signs):
        memory = found.follow(memory, jnp.float32(sign), jnp.int32(step))
        history.append(float(memory['p']))
    return history


def made_ada():
    config = base.default().ada
    config.update(target=0.5, every=1, images=100, limit=0.8)
    return augment.make_ada(config, images_per_step=10)


def test_ada_stays_between_zero_and_its_limit():
    assert follow(made_ada(), [0.0, -1.0]) == [0.0, 0.0]
    np.testing.assert_allclose(follow(made_ada(), [1.0] * 20)[-1], 0.8)


def test_ada_rises_from_zero_to_one_in_the_given_number_of_images():
    """Whatever the batch and the interval are."""
    for batch_size, every in ((10, 1), (4, 5), (50, 2)):
        config = base.default().ada
        config.update(target=0.5, every=every, images=200, limit=1.0)
        steps = 200 // batch_size
        history = follow(augment.make_ada(config, batch_size), [1.0] * steps)
        np.testing.assert_allclose(history[-1], 1.0, rtol=1e-5)
        assert history[steps // 2 - every] < 0.6


def test_ada_changes_by_the_mean_sign_since_the_last_change():
    found = augment.Ada(target=0.5, every=4, change=0.25, limit=1.0)
    # Means of 0.75, 0.25 and 1.
    signs = [1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, -1.0, 1.0, 1.0, 1.0, 1.0]
    assert follow(found, signs) == [0.0] * 3 + [0.25] * 4 + [0.0] * 4 + [0.25]
