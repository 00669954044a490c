"""When a run is measured, and which of its steps was best."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from gan_jax import data, observers, tasks
from gan_jax.errors import UserError
from gan_jax.evaluation import pairs
from gan_jax.types import DataSpec
from tests import gans


@pytest.mark.parametrize('stride', [1, 3, 7])
def test_a_period_that_is_not_whole_is_met_once_each(stride):
    observer = observers.Observer(Fraction(50, 8), lambda state: {}, {})
    due = [
        step
        for step in range(stride, 400, stride)
        if observers.is_due(step, observer.period, stride)
    ]
    ends = [-(-50 * n // 8) for n in range(1, 64)]  # the steps at which epoch n is over
    expected = [-(-end // stride) * stride for end in ends]
    assert due == [step for step in dict.fromkeys(expected) if step < 400]


@pytest.mark.parametrize(
    'num_examples, every, period', [(6400, 1, 800), (6400, 3, 2400), (64, 1, 50), (64, 10, 80)]
)
def test_epochs_that_are_shorter_than_a_log_line_are_measured_line_by_line(
    num_examples, every, period, monkeypatch
):
    monkeypatch.setattr(observers.balance, 'observer', lambda *_: None)
    config = gans.config('mlp', **{'evaluate.balance': every, 'log_every': 50})
    task = SimpleNamespace(logits=True)
    dataset = SimpleNamespace(spec=DataSpec((28, 28, 1), 10, num_examples), splits=('train',))
    [found] = observers.make(config, task, dataset, images_per_step=8, place=None)
    assert found.period == period


def observed(**changes):
    """The observer of samples of a run on eight digits, or on more."""
    own = {'evaluate.balance': 0, 'evaluate.every': 1, 'evaluate.num_samples': 20}
    config = gans.config('mlp', **own | changes)
    dataset = data.load(config.data)
    task = tasks.make(config, dataset.spec, axis_name=None)
    return observers.make(config, task, dataset, images_per_step=8, place=None)


@pytest.mark.parametrize('every, period', [(3, 15), (1 / 3, Fraction(5, 3)), (0.1, 1), (1e-7, 1)])
def test_samples_are_measured_at_every_step_at_most(every, period):
    [found] = observed(**{'evaluate.every': every, 'data.num_examples': 40})
    assert found.period == period and observers.is_due(1, period, 1) == (period == 1)


@pytest.fixture
def colour(monkeypatch):
    """The nets have the names of those of photographs, and no weights: they see no images."""
    like = observers.evaluation.load_net('digits')
    suffixes = {'efficientnet_lite0': 'efflite0', 'squeezenet': 'squeezenet'}
    named = lambda name, path: like._replace(name=name, suffix=suffixes[name])  # noqa: E731
    monkeypatch.setattr(observers.evaluation, 'load_net', named)


CLASSES = {'evaluate.metrics': ('classes',), 'data.num_examples': 40}


def test_a_checkpoint_is_chosen_by_classes_that_the_net_has(colour):
    assert observers.metrics.ranked('cat_share') == ('classes', -1)
    own = CLASSES | {'evaluate.features': 'efficientnet_lite0'}
    [found] = observed(**{'evaluate.best': 'cat_share'}, **own)
    assert found.by['features']['name'] == 'efficientnet_lite0'
    message = 'best=readable_share is not measured with the features of efficientnet_lite0: '
    with pytest.raises(UserError, match=message):
        observed(**{'evaluate.best': 'readable_share'}, **own)


@pytest.mark.parametrize(
    ('asked', 'judge', 'marked'),
    [('', 'squeezenet', False), ('efficientnet_lite0', 'efficientnet_lite0', True)],
)
def test_what_training_looks_through_does_not_judge_unless_asked(asked, judge, marked, colour):
    config = gans.projected(**{'data.name': 'folder', 'disc.net.frozen': 'efficientnet_lite0'})
    config.evaluate.update(features=asked, metrics=('classes',))
    net = observers._net(config)
    assert net.name == judge
    facts = net.facts(observers.nets.looked_through(config))
    assert facts.get('looked_through', False) == marked


def test_a_reference_that_is_too_small_is_refused_at_the_start():
    with pytest.raises(UserError, match='has 8 images, and the distances need at least 12'):
        observed(**{'data.num_examples': 8})


@pytest.mark.parametrize('better, best', [(1, 20), (-1, 40)])
def test_the_best_step_is_the_first_at_its_best(better, best, monkeypatch):
    monkeypatch.setattr(observers.metrics, 'ranked', lambda name: ('', better))
    values = {10: 2.0, 20: 1.0, 30: None, 40: 3.0, 50: 1.0, 60: 3.0}
    rows = [{'step': step, 'figure': value} for step, value in values.items()] + [{'step': 70}]
    assert observers.best_step(rows, 'figure') == best
    assert observers.best_step([{'step': 1, 'other': 1.0}], 'figure') is None


FELL = [5.0, 3.0, 4.0, 3.5, 3.1]


@pytest.mark.parametrize(
    'name, values, turned',
    [
        ('l1_held_out', FELL, 20),
        ('l1_held_out', FELL[:4], None),
        ('l1_held_out', [*FELL, 2.9], None),
        ('ssim_held_out', [-value for value in FELL], 20),
        ('l1', FELL, None),
        ('l1_held_out', [], None),
    ],
    ids=['three worse', 'two worse', 'better again', 'more is better', 'of training', 'nothing'],
)
def test_held_out_images_have_turned_once_three_measurements_are_worse(name, values, turned):
    rows = [{'step': 10 * n, name: value} for n, value in enumerate(values, 1)]
    assert observers.turned(rows, name) == turned


def translating(**changes):
    """The observer of a translator of random pairs, of which none are held out."""
    own = {'evaluate.every': 1.0, 'evaluate.metrics': (), 'data.num_examples': 40}
    config = gans.pix2pix(**own | changes)
    dataset = data.load(config.data)
    task = tasks.make(config, dataset.spec, axis_name=None)
    return observers.make(config, task, dataset, images_per_step=8, place=None)


def test_a_translator_is_measured_without_a_net_or_with_one(colour):
    [found] = translating(**{'evaluate.best': 'ssim'})
    assert found.by.keys() == {'reference', 'samples'} and found.by['samples'] == 40
    by_net = {'evaluate.metrics': ('classes',), 'evaluate.features': 'efficientnet_lite0'}
    [found] = translating(**{'evaluate.best': 'distance_efflite0'}, **by_net)
    assert found.by['features']['name'] == 'efficientnet_lite0'


def test_of_few_pairs_what_needs_more_is_not_measured_and_a_line_says_so(colour):
    few = {'data.num_examples': 6, 'evaluate.every': 1.0, 'evaluate.metrics': ('classes',)}
    by_net = {'evaluate.features': 'efficientnet_lite0', 'evaluate.best': 'distance_efflite0'}
    [found] = translating(**few, **by_net)
    assert found.by['samples'] == 6
    config = gans.pix2pix(**few, **by_net)
    [line] = observers.warnings(config, data.load(config.data))
    assert 'config.evaluate.metrics' in line
    features = np.random.default_rng(0).normal(size=(2, 4))
    assert pairs.distance(features, features[::-1]) == pytest.approx(1)


def test_without_held_out_pairs_no_step_is_the_best_and_a_line_says_so():
    config = gans.pix2pix(**{'data.num_examples': 40, 'evaluate.best': 'l1_held_out'})
    translating(**{'evaluate.best': 'l1_held_out'})
    [line] = observers.warnings(config, data.load(config.data))
    assert 'config.evaluate.best=l1_held_out' in line


@pytest.mark.parametrize('best', ['distance_efflite0', 'cat_share'])
def test_what_is_not_measured_of_a_translator_chooses_no_step(best):
    with pytest.raises(UserError, match=f'best={best} is not measured without config.evaluate.met'):
        translating(**{'evaluate.best': best})
