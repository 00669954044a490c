"""The AUC of the two players, and when it says that the balance is lost."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from gan_jax import data, rng, tasks
from gan_jax.evaluation import balance
from tests import gans


def test_auc_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(0.5, 1, 60), np.round(rng.normal(0, 1, 41), 1)
    real[:10] = fake[:10]  # ties
    pairs = [(r > f) + 0.5 * (r == f) for r in real for f in fake]
    assert balance.auc(real, fake) == pytest.approx(np.mean(pairs))
    expected = stats.mannwhitneyu(real, fake).statistic / (60 * 41)
    assert balance.auc(real, fake) == pytest.approx(expected)
    assert balance.auc(fake, real) == pytest.approx(1 - expected)


def test_auc_at_its_ends():
    assert balance.auc(np.arange(3) + 10, np.arange(4)) == 1
    assert balance.auc(np.zeros(3), np.zeros(4)) == 0.5
    assert np.isnan(balance.auc(np.array([np.nan]), np.zeros(1)))


def rows(values, start=1, every=1):
    return [{'epoch': start + every * n + 0.01, 'auc': v} for n, v in enumerate(values)]


@pytest.mark.parametrize(
    'given, lost',
    [
        (rows([0.7] * 5 + [0.99] * 10), 6),
        (rows([0.7] * 5 + [0.99] * 9), None),
        (rows([1.0] * 9 + [0.9] + [1.0] * 9), None),
        (rows([1.0] * 9 + [0.9] + [1.0] * 30), 11),
        (rows([1.0] * 4, start=5, every=5), 5),
        (rows([1.0] * 2, start=5, every=5), None),
        (rows([0.9] + [1.0] * 3, start=16, every=16), 32),
        ([{'epoch': 3.0, 'frechet': 1.0}, *rows([1.0] * 10, start=4), {'epoch': 99.0}], 4),
        (rows([0.98999] * 50), None),
        ([], None),
    ],
)
def test_the_balance_is_lost_after_ten_epochs_in_a_row(given, lost):
    assert balance.epoch_lost(given) == lost


def dataset(count, **changes):
    small = {'gen.net.hidden': (8,), 'disc.net.hidden': (8,)}
    config = gans.noisy('mlp', **{'data.num_examples': count, **small, **changes})
    return data.load(config.data), config


@pytest.mark.parametrize('count', [7, 150])
def test_the_figure_is_that_of_the_networks_as_they_play(count):
    """Against both networks applied by hand; averages, augmentation and noise do not enter."""
    found, config = dataset(count)
    task = tasks.make(config, found.spec, axis_name=None)
    state = jax.jit(task.init)()
    observe = balance.observer(task.logits, {'auc': found, 'again': found}, config, lambda x: x)
    value = observe(state)
    assert value['auc'] == value['again']
    moved = jax.tree.map(lambda x: x + 1, jax.device_get(state.ema))
    assert observe(state.replace(ema=moved)) == value
    gen, disc = state.nets
    image, size = found.arrays().image, config.batch_size

    @jax.jit
    def by_hand(number, image):
        key = jax.random.fold_in(rng.purpose_key(jax.random.key(0), 'balance'), number)
        z = task.sampler.latent(key, size)
        fake, _ = gen.apply_fn(gen.variables, z, train=True, mutable=['batch_stats'])
        real = image / jnp.float32(127.5) - 1
        return [disc.apply_fn(disc.variables, x, train=False) for x in (real, fake)]

    logits = [[], []]
    for number in range(-(-count // size)):
        index = np.arange(number * size, (number + 1) * size) % count
        for side, found in zip(logits, by_hand(number, image[index]), strict=True):
            side.extend(np.asarray(found))
    whole = balance.auc(*(np.array(side[:count]) for side in logits))
    assert value['auc'] == pytest.approx(whole, abs=1e-6)


def test_a_classifier_ranks_by_its_evidence_for_any_class():
    config = gans.config('sgan', task='semisupervised')
    found, _ = dataset(7)
    task = tasks.make(config, found.spec, axis_name=None)
    state = jax.jit(task.init)()
    batch = found.arrays()
    logits = jax.jit(task.logits)
    real, fake = logits(state, jax.random.key(0), batch)
    disc = state.nets.disc
    head = np.array(disc.params['Dense_0']['bias'])
    assert real.shape == fake.shape == (7,) and head.shape == (10,)
    # Evidence for one class more is evidence for all.
    head[3] += 2
    params = {**disc.params, 'Dense_0': {**disc.params['Dense_0'], 'bias': head}}
    nets = state.nets._replace(disc=disc.replace(params=params))
    more, _ = logits(state.replace(nets=nets), jax.random.key(0), batch)
    assert np.all(np.asarray(more) > np.asarray(real))


def test_without_chance_and_by_the_moments_of_each_batch():
    """Dropout does not enter, nor running moments, which are those of neither batch."""
    config = gans.config('mnist_gan', **{'disc.net.dropout': 0.5})
    found, _ = dataset(8)
    task = tasks.make(config, found.spec, axis_name=None)
    state, logits = jax.jit(task.init)(), jax.jit(task.logits)
    batch = found.arrays()
    first = logits(state, jax.random.key(0), batch)
    nets = jax.tree.map(
        lambda net: net.replace(
            batch_stats=jax.tree.map(lambda x: x + 1, jax.device_get(net.batch_stats))
        ),
        state.nets,
        is_leaf=lambda node: hasattr(node, 'batch_stats'),
    )
    moved = logits(state.replace(nets=nets), jax.random.key(0), batch)
    np.testing.assert_array_equal(first, moved)


def test_a_large_set_is_sampled_the_same_every_time():
    found, config = dataset(900)
    sample, again = (balance._sample(found, config.data) for _ in range(2))
    assert len(sample.label) == balance.NUM_IMAGES
    np.testing.assert_array_equal(sample.image, again.image)
    assert len(set(sample.label.tolist())) == 10
