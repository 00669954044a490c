"""Properties of one step with few labels."""

import dataclasses
import functools
from types import SimpleNamespace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict
import numpy as np
import optax
import pytest

from gan_jax import optimizers
from gan_jax.errors import UserError
from gan_jax.tasks import semisupervised, shared
from gan_jax.types import Pair
from tests import gans

SPEC = gans.MNIST_SPEC
SUPERVISED = {f'semisupervised.{name}': 0.0 for name in ('adversarial', 'non_saturating')}


SMALL = {'gen.net.hidden': (8,), 'disc.net.levels': 1}


def setting(net='', **changes):
    """A recipe, its first state and a batch; each is made once."""
    return _setting(net, tuple(changes.items()))


@functools.cache
def _setting(net, changes):
    changes = dict(changes)
    pair, small = ((net,), {}) if net else (('mlp', 'sgan_brownlee'), SMALL)
    config = gans.config(*pair, task='semisupervised', **small | changes)
    recipe = semisupervised.make_recipe(config, SPEC, None)
    state = jax.jit(lambda: semisupervised.init(recipe, SPEC))()
    return recipe, state, gans.batch(SPEC, 2, config.batch_size)


def compiled(recipe):
    """The step as the trainer runs it."""
    return jax.jit(functools.partial(semisupervised.step, recipe))


def test_real_is_the_probability_of_any_class_beside_one_whose_logit_is_0():
    logits = np.array([[1.0, -2.0, 0.5], [-3.0, 0.0, 4.0]])
    exponent = np.exp(np.pad(logits, ((0, 0), (0, 1))))
    whole = exponent / exponent.sum(1, keepdims=True)
    real, found = jax.jit(lambda x: semisupervised._real(x, None, None))(np.float32(logits))
    np.testing.assert_allclose(real, -np.mean(np.log(whole[:, :3].sum(1))), rtol=1e-5)
    np.testing.assert_allclose(found['d_real'], np.mean(whole[:, :3].sum(1)), rtol=1e-6)
    fake, found = jax.jit(lambda x: semisupervised._fake(x, None, None))(np.float32(logits))
    np.testing.assert_allclose(fake, -np.mean(np.log(whole[:, 3])), rtol=1e-5)
    np.testing.assert_allclose(found['d_fake'], np.mean(whole[:, :3].sum(1)), rtol=1e-6)


def test_large_logits_overflow_nothing():
    terms = [
        jax.value_and_grad(lambda x, term=term: term(x, None, None)[0])
        for term in (semisupervised._real, semisupervised._fake)
    ]
    both = jax.jit(lambda x: [term(x) for term in terms])
    for size in (1e4, -1e4):
        found = jax.tree.leaves(both(np.float32([[size, size / 2]])))
        assert all(np.isfinite(leaf).all() for leaf in found)


@pytest.mark.newest
def test_no_label_of_the_unlabelled_batch_is_looked_at():
    recipe, state, batch = setting(**{'semisupervised.pseudo': 1.0})
    step = compiled(recipe)
    label = np.array(batch.label)
    label[1] = -1
    hidden = step(state, batch._replace(label=label))
    assert gans.same(step(state, batch), hidden)
    label[0] = (label[0] + 1) % 10
    assert not gans.same(step(state, batch._replace(label=label)), hidden)


def test_without_the_terms_of_the_gan_it_is_supervised_training():
    recipe, state, batch = setting(**SUPERVISED)
    step = compiled(recipe)
    after, metrics = step(state, batch)
    assert metrics.keys() == {'loss_supervised', 'accuracy', 'grad_norm_d'}
    assert gans.same(state.nets.gen, after.nets.gen)
    image = np.array(batch.image)
    image[1] = 255 - image[1]
    assert gans.same(after, step(state, batch._replace(image=image))[0])


def test_of_separate_updates_those_of_the_game_share_an_optimizer():
    changes = {'semisupervised.separate': True, 'disc.optimizer.name': 'adam'}
    recipe, state, batch = setting(**changes)
    assert [turn.batches for turn in recipe.turns] == [('labelled',), ('unlabelled',), ('fake',)]
    after = compiled(recipe)(state, batch)[0].nets.disc
    assert after.step == 3
    counts = {name: int(own[0].count) for name, own in after.opt_state.items()}
    assert counts == {'classes': 1, 'game': 2}
    assert not gans.same(after.opt_state['classes'][0].mu, after.opt_state['game'][0].mu)


def test_of_separate_updates_the_labelled_one_moves_the_running_moments():
    changes = {'semisupervised.separate': True, 'gen.net.width': 2, 'disc.net.width': 2}
    recipe, state, batch = setting('sgan', **changes)
    step = compiled(recipe)
    moments = step(state, batch)[0].nets.disc.batch_stats
    assert not gans.same(moments, state.nets.disc.batch_stats)
    image = np.array(batch.image)
    image[1] = 255 - image[1]  # the unlabelled ones, which come after
    assert gans.same(moments, step(state, batch._replace(image=image))[0].nets.disc.batch_stats)
    image[0] = 255 - image[0]
    assert not gans.same(moments, step(state, batch._replace(image=image))[0].nets.disc.batch_stats)


def test_the_turn_of_one_leaves_the_others_state_alone():
    tx = optimizers.in_turns(optax.adam(1.0), ('a', 'b'))
    params = {'w': np.ones((), np.float32)}
    state = jax.jit(tx.init)(params)
    _, after = jax.jit(functools.partial(tx.update, turn='a'))(params, state, params)
    assert gans.same(after['b'], state['b']) and not gans.same(after['a'], state['a'])


def test_feature_matching_is_zero_between_equal_batches():
    recipe, _, _ = setting()
    game = shared.Game(recipe, jax.random.key(0), jnp.zeros(4, jnp.int32), jnp.int32(0), None)
    features, logits = gans.normal(1, 4, 3), np.zeros((4, 2), np.float32)
    match = jax.jit(functools.partial(semisupervised._match, game))
    assert match((logits, features), (logits, features)) == 0
    # Means that differ by 2 in each feature: the mean square is 4.
    moved = match((logits, features), (logits, features + 2))
    np.testing.assert_allclose(moved, 4, rtol=1e-5)


def test_pseudo_labels_are_of_sure_images_only_and_by_the_average():
    recipe, state, batch = setting(**{'disc.ema_decay': 0.9, 'semisupervised.confidence': 0.2})
    image, disc = batch.image[1] / np.float32(255), state.nets.disc
    variables = jax.tree.map(lambda leaf: 3 * leaf, jax.device_get(disc.variables))
    state = state.replace(ema=state.ema._replace(disc=variables))
    never = dataclasses.replace(recipe, confidence=1.1)

    @jax.jit
    def found(state):
        logits = disc.apply_fn(state.ema.disc, image, train=False)
        labels = [semisupervised.pseudo_labels(own, state, image)[0] for own in (recipe, never)]
        nothing = semisupervised._pseudo(logits, jnp.full(len(image), -1), None)
        return jax.nn.softmax(logits), *labels, nothing

    probability, own, none, (loss, metrics) = jax.device_get(found(state))
    sure = probability.max(1) >= 0.2
    np.testing.assert_array_equal(own, np.where(sure, probability.argmax(1), -1))
    assert (none == -1).all() and loss == 0 and metrics['share_pseudo'] == 0


def test_a_class_that_is_seldom_seen_needs_less_confidence():
    own = {'semisupervised.pseudo': 1.0, 'semisupervised.confidence': 1.0}
    recipe, state, batch = setting(**own, **{'semisupervised.adaptive': True})
    image, disc = batch.image[1] / np.float32(255), state.nets.disc
    shares = jax.nn.softmax(jax.jit(disc.apply_fn, static_argnames='train')(
        disc.variables, image, train=False))  # fmt: skip
    guess, best = jax.device_get((shares.argmax(1), shares.max(1)))
    seldom = np.full(10, 1.0, np.float32)
    seldom[guess[0]] = best[0] / 2  # half of what the first image needs
    state = state.replace(memory={'mass': seldom})
    found, mass = jax.jit(functools.partial(semisupervised.pseudo_labels, recipe))(state, image)
    np.testing.assert_array_equal(found, np.where(guess == guess[0], guess[0], -1))
    expected = 0.99 * seldom + 0.01 * np.mean(shares, axis=0)
    np.testing.assert_allclose(mass, expected, rtol=1e-5)
    after, _ = compiled(recipe)(state, batch)
    assert not gans.same(after.memory, state.memory)


def test_marginal_entropy_is_least_of_one_class_and_greatest_of_all_alike():
    term = jax.jit(lambda x: semisupervised._marginal(x, None, lambda share: share)[0])
    one, each = np.zeros((4, 4), np.float32), 50 * np.eye(4, dtype=np.float32)
    np.testing.assert_allclose(term(each), -np.log(4), rtol=1e-5)  # sure, each of another class
    np.testing.assert_allclose(term(one), -np.log(4), rtol=1e-5)
    np.testing.assert_allclose(term(50 * np.eye(4)[[0] * 4]), 0, atol=1e-5)


def test_from_a_step_on_all_parameters_count_alike_in_the_average():
    class Net(NamedTuple):
        variables: dict[str, np.ndarray]

    values = np.float32([5, 1, 7, 3, 4])
    recipe = SimpleNamespace(ema_decay=Pair(0.0, 0.0), started=False)
    ema = Pair({'w': np.float32(0)}, {})
    for step, value in enumerate(values):
        state = SimpleNamespace(ema=ema, step=np.int32(step))
        ema = shared.update_ema(recipe, state, Pair(Net({'w': value}), Net({'w': value})), 2)
    np.testing.assert_allclose(ema.gen['w'], values[2:].mean(), rtol=1e-6)
    assert ema.disc == {}


def test_classes_come_from_the_average():
    own = SMALL | {'disc.ema_decay': 0.9}
    config = gans.config('mlp', 'sgan_brownlee', task='semisupervised', **own)
    task = semisupervised.make(config, SPEC, axis_name=None)
    state, image = jax.jit(task.init)(), gans.batch(SPEC, 1, 3).image[0]
    logits, features = task.classifier(state, image)
    assert logits.shape == (3, 10) and logits.dtype == jnp.float32
    assert features.shape[0] == 3 and features.dtype == jnp.float32
    moved = jax.tree.map(lambda leaf: leaf + np.float32(0.1), jax.device_get(state.ema.disc))
    other = state.replace(ema=state.ema._replace(disc=moved))
    assert not np.allclose(task.classifier(other, image)[0], logits)
    live = state.nets._replace(disc=state.nets.disc.replace(params=moved['params']))
    np.testing.assert_array_equal(task.classifier(state.replace(nets=live), image)[0], logits)


REFUSED = {
    'nothing to do': (
        SUPERVISED | {'semisupervised.supervised': 0.0},
        'one of supervised, adversarial, pseudo, marginal must be above 0',
    ),
    'no opponent': (
        {'semisupervised.adversarial': 0.0},
        'config.semisupervised.non_saturating=1.0 is against a discriminator that',
    ),
}


@pytest.mark.parametrize('changes, message', REFUSED.values(), ids=REFUSED)
def test_what_this_task_does_not_do_is_refused(changes, message):
    config = gans.config('sgan', task='semisupervised', **changes)
    with pytest.raises(UserError) as caught:
        semisupervised.make(config, SPEC, axis_name=None)
    assert message in str(caught.value)


@pytest.mark.parametrize('count', [0, 1])
def test_one_class_is_not_enough(count):
    config = gans.config('sgan', task='semisupervised')
    spec = SPEC._replace(num_classes=count)
    with pytest.raises(UserError, match='at least 2 classes.* has (none|1) here'):
        semisupervised.make(config, spec, axis_name=None)


def test_a_discriminator_without_classes_is_refused():
    config = gans.config('sgan', task='semisupervised')
    config.disc.net = ConfigDict({'name': 'mlp'})
    with pytest.raises(UserError, match='config.disc.net.name=mlp gives one logit an image'):
        semisupervised.make(config, SPEC, axis_name=None)
