"""Properties of one step on pairs, and of the translator it trains."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import rng
from gan_jax.errors import UserError
from gan_jax.tasks import translation
from gan_jax.types import DataSpec, Pair
from tests import gans

SPEC = DataSpec(image_shape=(64, 128, 3), num_classes=0, num_examples=8, panels=2)


def setting(**changes):
    """A recipe, its first state and a batch of two pairs."""
    config = gans.pix2pix(**changes)
    recipe = translation.make_recipe(config, SPEC, None)
    state = jax.jit(lambda: translation.init(recipe, SPEC))()
    return recipe, state, gans.batch(SPEC, 1, config.batch_size)


@pytest.fixture(scope='module')
def small():
    """Networks of width 2 without dropout, and their batch."""
    return setting(**{'gen.net.dropout': 0.0})


def scaled(net, factor):
    """A net with larger weights, so that gradients are those of a net that does something."""
    params = jax.tree.map(lambda leaf: np.float32(factor) * leaf, jax.device_get(net.params))
    return net.replace(params=jax.device_put(params))


def test_without_them_the_recipe_has_no_other_terms(small):
    recipe, state, _ = small
    assert recipe.weights == {'l1': 100} and state.memory == {}


@pytest.mark.newest
def test_the_first_update_is_the_papers_with_the_other_terms():
    """Against eq. 4 written out on plain passes, D's loss halved, L1 times 100, and other terms."""
    others = {'translation.perceptual': 7.0, 'translation.matching': 9.0}
    frozen = {'translation.frozen': 'tiny', 'gen.net.dropout': 0.0, 'gen.net.depth': 2}
    recipe, state, batch = setting(**others, **frozen)
    recipe = gans.remembering(recipe)
    gen, disc = (
        net.replace(tx=tx, opt_state=tx.init(net.params))
        for net, tx in zip((scaled(n, 3.0) for n in state.nets), recipe.optimizers, strict=True)
    )
    state = state.replace(nets=Pair(gen, disc))
    given, photo = np.split(batch.image[0] / np.float32(127.5) - 1, 2, axis=2)

    def fake(params):
        variables = {'params': params, 'batch_stats': gen.batch_stats}
        return gen.apply_fn(variables, given, train=True, mutable=['batch_stats'])[0]

    def logits(params, image, **options):
        variables = {'params': params, 'batch_stats': disc.batch_stats}
        mode = dict(train=True, mutable=['batch_stats'], **options)
        return disc.apply_fn(variables, image, given, **mode)[0]

    def perceptual(made):
        """The distance by deviations of the photos' own maps: these are the first photos."""
        found = zip(*(gans.tiny_maps(image) for image in (made, photo)), strict=True)
        each = [jnp.abs(a - b) / jnp.std(b, axis=(0, 1, 2), keepdims=True) for a, b in found]
        return sum(map(jnp.mean, each)) / 4

    def matching(updated, made):
        maps = [logits(updated, image, return_features=True)[1] for image in (made, photo)]
        return sum(jnp.mean(jnp.abs(a - b)) for a, b in zip(*maps, strict=True)) / len(maps[0])

    def disc_loss(params):
        real, made = logits(params, photo), logits(params, fake(gen.params))
        found = jnp.mean(-jnp.log(jax.nn.sigmoid(real)))
        return 0.5 * (found - jnp.mean(jnp.log1p(-jax.nn.sigmoid(made))))

    def gen_loss(params, updated):
        made = fake(params)
        loss = jnp.mean(-jnp.log(jax.nn.sigmoid(logits(updated, made))))
        loss += 100 * jnp.mean(jnp.abs(made - photo))
        return loss + 7 * perceptual(made) + 9 * matching(updated, made)

    @jax.jit
    def expected():
        of_disc = jax.grad(disc_loss)(disc.params)
        # The generator plays against the discriminator after its update.
        updated = jax.tree.map(lambda p, g: p - gans.RATE * g, disc.params, of_disc)
        loss, of_gen = jax.value_and_grad(gen_loss)(gen.params, updated)
        return loss, Pair(of_gen, of_disc)

    after, metrics = jax.jit(functools.partial(translation.step, recipe))(state, batch)
    loss, wanted = expected()
    total = metrics['loss_g'] + sum(w * metrics[name] for name, w in recipe.weights.items())
    np.testing.assert_allclose(total, loss, rtol=1e-5)
    gans.assert_close([net.opt_state for net in after.nets], wanted, 1e-4)


def test_augmentation_moves_the_input_as_it_moves_the_photo():
    """The discriminator sees equal halves of a pair of equal halves; noise is on one alone."""
    config = gans.pix2pix(augment='color,translation,cutout', **{'instance_noise.std': 0.1})
    recipe = translation.make_recipe(config, SPEC, None)
    batch = gans.batch(SPEC, 1, config.batch_size)
    image = batch.image[0, :, :, :64] / np.float32(127.5) - 1

    @jax.jit
    def both(image):
        key = rng.purpose_key(jax.random.key(0), 'disc', 0)
        game = translation.shared.Game(recipe, key, batch.label[0], jnp.int32(0), None)
        games = game, game._replace(noise_std=0.1)
        return [translation._seen(game, image, image, [], 'real') for game in games]

    seen, noisy = jax.device_get(both(image))
    np.testing.assert_array_equal(*seen)
    assert not np.allclose(seen[0], image)
    assert np.std(noisy[0] - noisy[1]) == pytest.approx(0.1, rel=0.1)


def task_of(**changes):
    config = gans.pix2pix(**changes)
    return translation.make(config, SPEC, axis_name=None)


def test_a_preview_is_input_output_and_photo_and_its_output_that_of_the_translator(small):
    _, state, _ = small
    state = state.replace(nets=state.nets._replace(gen=scaled(state.nets.gen, 5.0)))
    task, shown = task_of(), jax.tree.map(lambda leaf: leaf[0], gans.batch(SPEC, 1, 3))
    grid = task.preview(state, shown)
    assert grid.shape == (3, 64, 192, 3) and grid.dtype == np.uint8
    np.testing.assert_array_equal(grid[:, :, :64], shown.image[:, :, :64])
    np.testing.assert_array_equal(grid[:, :, 128:], shown.image[:, :, 64:])
    variables = task.translator.variables(state)
    for row, image in zip(grid, shown.image, strict=True):
        made = task.translator.translate(variables, image[:, :64])
        np.testing.assert_array_equal(row[:, 64:128], made)
    assert made.std() > 0
    # Together they are what they are one by one, up to rounding.
    both = jax.jit(task.translator.call)(variables, shown.image[:, :, :64], np.uint32(0))
    levels = (np.asarray(both) + 1) * 127.5
    np.testing.assert_allclose(levels, grid[:, :, 64:128], atol=0.51)


def test_ways_to_translate_are_the_configs(small):
    """Moments of the image or running ones; dropout is the seed's, or there is none."""
    _, state, batch = small
    state = state.replace(nets=state.nets._replace(gen=scaled(state.nets.gen, 5.0)))
    image = batch.image[0, 0, :, :64]

    def made(seed=0, **changes):
        translator = task_of(**changes).translator
        return translator.translate(translator.variables(state), image, seed)

    own = made()
    np.testing.assert_array_equal(own, made(seed=1))
    assert not np.array_equal(own, made(**{'translation.batch_statistics': 'running'}))
    dropped = {'translation.dropout': True}
    assert not np.array_equal(own, made(**dropped))
    np.testing.assert_array_equal(made(**dropped), made(**dropped))
    assert not np.array_equal(made(**dropped), made(seed=1, **dropped))


def test_the_average_translates_where_there_is_one():
    recipe = translation.make_recipe(gans.pix2pix(**{'gen.ema_decay': 0.9}), SPEC, None)
    state = jax.eval_shape(lambda: translation.init(recipe, SPEC))
    assert task_of().translator.variables(state) is state.ema.gen
    assert state.ema.disc == {}


def test_single_images_are_refused():
    with pytest.raises(UserError, match='needs pairs, and config.data.name=synthetic has single'):
        translation.make(gans.pix2pix(), SPEC._replace(panels=1), axis_name=None)
