"""The discriminator that looks through a frozen net, with a tiny one in its place."""

from functools import partial

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict
import numpy as np
import pytest

from gan_jax import losses, nets
from gan_jax.errors import UserError
from gan_jax.nets import projected
from gan_jax.pretrained import efficientnet_lite0, features, frozen, squeezenet
from gan_jax.tasks import adversarial
from tests import gans

SHAPE = (32, 32, 3)
LEVELS = np.reshape(squeezenet.MEAN, (1, 1, 1, 3))


def build(**fields):
    section = {'name': 'projected', 'frozen': 'tiny', 'width': 4, 'channels': 4, 'pixel_width': 4}
    return nets.build('disc', section | fields, image_shape=SHAPE)


def images(seed=0, count=4):
    return np.tanh(gans.normal(seed, count, *SHAPE))


def initial(net, x):
    return net.init_with_output(jax.random.key(0), x, train=False)


@pytest.mark.parametrize('side', projected.SIDES)
def test_every_judge_has_as_many_logits(side):
    for weight, judges in ((0.0, 4), (0.5, 5)):
        net = build(side=side, pixel_weight=weight)
        logits, _ = jax.eval_shape(partial(initial, net), images())
        assert logits.shape[0] == 4 and len(net.judges()) == judges
        assert logits.shape[1] % judges == 0


def test_a_head_of_fewer_places_repeats_its_logits():
    net = build(pixel_weight=0.5)
    variables = gans.variables(net, images(), train=False)
    logits = jax.jit(partial(net.apply, train=False))(variables, images())
    parts = np.split(np.asarray(logits), 5, axis=1)
    assert [len(np.unique(part[0])) for part in parts] == [16, 16, 16, 4, 1]


@pytest.mark.parametrize('name', losses.LOSSES)
def test_the_mean_loss_is_the_weighted_sum_of_the_judges(name):
    judges = (losses.Judge(0.25), losses.Judge(0.75), losses.Judge(2.0, 'non_saturating'))
    real, fake = (gans.normal(n, 5, 6) for n in (0, 1))

    @jax.jit
    def both(real, fake):
        found, expected = losses.make(name, judges=judges), []
        for role in range(2):
            parts = zip(judges, np.split(np.arange(6), 3), strict=True)
            values = [
                judge.weight
                * losses.make(judge.loss or name)[role](real[:, columns], fake[:, columns]).mean()
                for judge, columns in parts
            ]
            expected.append(sum(values))
        return [loss(real, fake) for loss in found], expected

    for found, expected in zip(*jax.device_get(both(real, fake)), strict=True):
        assert found.shape == real.shape
        np.testing.assert_allclose(found.mean(), expected, rtol=1e-5)


@pytest.mark.parametrize('channels', [1, 4])
def test_the_frozen_net_sees_grey_as_colours_and_alpha_over_white(channels, monkeypatch):
    seen = []
    tiny = frozen.FROZEN['tiny']
    spy = tiny._replace(maps=lambda variables, x: seen.append(x) or tiny.maps(variables, x))
    monkeypatch.setitem(frozen.FROZEN, 'tiny', spy)
    x = np.tanh(gans.normal(0, 2, 128, 128, channels))
    x[0, ..., -1] = -1 if channels == 4 else 0.5  # without any alpha; a grey
    projected.maps_of('tiny', 128, jnp.asarray(x))
    assert seen[0].shape == (2, 128, 128, 3)
    expected = x[..., :3] + 1 - x[..., 3:] if channels == 4 else x.repeat(3, -1)
    np.testing.assert_allclose(seen[0], expected, atol=1e-6)


def test_alpha_needs_the_judge_of_pixels():
    section = {'name': 'projected', 'frozen': 'tiny'}
    with pytest.raises(UserError, match='config.disc.net.pixel_weight=0: the frozen net sees'):
        nets.build('disc', section, image_shape=(32, 32, 4))
    assert nets.build('disc', section | {'pixel_weight': 0.5}, image_shape=(32, 32, 4))


def test_what_is_never_trained_is_in_no_state():
    _, variables = jax.eval_shape(partial(initial, build()), images())
    assert set(variables) == {'params', 'batch_stats'}
    assert set(variables['params']) == {f'head{n}' for n in range(4)}


def test_the_mixing_depends_on_its_seed_alone():
    first, again, other = (
        jax.tree.leaves(projected.mixing.__wrapped__((3, 5), 4, seed)) for seed in (1, 1, 2)
    )
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)
    sizes = [leaf.shape[2:] for leaf in first]
    assert sizes == [(3, 4), (1, 4), (4, 4), (1, 4), (5, 8), (1, 8), (8, 4), (1, 4)]


def test_large_maps_see_the_small_ones_but_not_the_other_way_round():
    maps = [gans.normal(0, 1, 8, 8, 3), gans.normal(1, 1, 4, 4, 3)]
    mixed = jax.jit(partial(projected.mixed, width=4, seed=1))
    before, large, small = jax.device_get(
        [mixed(maps), mixed([maps[0] + 1, maps[1]]), mixed([maps[0], maps[1] + 1])]
    )
    assert not np.allclose(before[0], small[0]) and not np.allclose(before[0], large[0])
    np.testing.assert_array_equal(before[1], large[1])
    assert [x.shape for x in before] == [(1, 8, 8, 4), (1, 4, 4, 4)]


def test_gradient_penalties_are_refused_in_one_line():
    config = gans.projected(**{'penalties.r1': 0.5})
    with pytest.raises(UserError, match=r'^config.penalties.r1=0.5: .*projected.*set it to 0$'):
        adversarial.make_recipe(config, gans.DCGAN_SPEC, None)


def test_a_missing_package_is_one_line(monkeypatch):
    missing = features.EFFICIENTNET._replace(module='no_such_package')
    monkeypatch.setattr(features, 'EFFICIENTNET', missing)
    frozen.read.cache_clear()
    net = build(frozen='efficientnet_lite0')
    with pytest.raises(UserError, match=r'^config.disc.net.frozen=eff.*pip install'):
        jax.eval_shape(partial(initial, net), images())


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'net', 'seen', 'channels'),
    [
        ('efficientnet_lite0', efficientnet_lite0, lambda x: (x - 127) / 128, (24, 40, 112, 320)),
        ('squeezenet', squeezenet, lambda x: x - LEVELS, (128, 256, 384, 512)),
    ],
)
def test_frozen_nets_see_levels_as_feature_nets_do(name, net, seen, channels):
    variables = frozen.read(name, 'this test')
    level = jnp.arange(64 * 64 * 3).reshape(1, 64, 64, 3) % 256.0
    maps = jax.jit(frozen.FROZEN[name].maps)(variables, level / 127.5 - 1)
    sides = [(1, 64 // stride, 64 // stride) for stride in (4, 8, 16, 32)]
    assert [x.shape for x in maps] == [(*s, c) for s, c in zip(sides, channels, strict=True)]
    expected = jax.jit(net.Maps().apply)(variables, seen(level)).values()
    for ours, theirs in zip(maps, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3 * float(jnp.abs(theirs).max()))


@pytest.mark.parametrize(('shared', 'looks'), [(True, 2), (False, 4)])
def test_a_step_looks_at_real_and_generated_images_once(shared, looks, monkeypatch):
    recipe = adversarial.make_recipe(gans.projected(share_latent=shared), gans.DCGAN_SPEC, None)
    state = jax.eval_shape(lambda: adversarial.init(recipe, gans.DCGAN_SPEC))
    mixed, looked = projected.mixed, []
    monkeypatch.setattr(projected, 'mixed', lambda *given: looked.append(1) or mixed(*given))
    jax.eval_shape(partial(adversarial.step, recipe), state, gans.batch(gans.DCGAN_SPEC, 1, 4))
    assert len(looked) == looks


def test_logits_are_one_number_an_image():
    task = adversarial.make(gans.projected(), gans.DCGAN_SPEC, axis_name=None)
    batch = jax.tree.map(lambda x: x[0], gans.batch(gans.DCGAN_SPEC, 1, 6))
    found = jax.eval_shape(task.logits, jax.eval_shape(task.init), jax.random.key(0), batch)
    for logits in found:
        assert logits.shape == (6,)


def test_a_generator_of_another_pixel_range_is_refused():
    config = gans.projected()
    config.gen.net = ConfigDict(dict(name='mnist_gan'))
    config.disc.net.pixel_weight = 0.0
    spec = gans.DCGAN_SPEC._replace(image_shape=(28, 28, 1))
    with pytest.raises(UserError, match=r'^config.gen.net.name=mnist_gan: .*projected.*-1'):
        adversarial.make(config, spec, axis_name=None)
