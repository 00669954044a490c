"""The labels that training may see, and no others."""

import dataclasses

import numpy as np
import pytest

from gan_jax import data
from gan_jax.data import label_subsets, order
from gan_jax.errors import UserError

NAMES = tuple('0123456789')
LABELS = np.random.default_rng(0).permutation(np.arange(200, dtype=np.int32) % 10)


@pytest.fixture
def labels_config(make_config):
    """Builds `config.data.labels`."""

    def make(**fields):
        config = make_config().data.labels
        config.update(number=40, **fields)
        return config

    return make


def seen(dataset):
    """The labels that reach training, on each of the ways there."""
    arrays = dataset.arrays().label
    np.testing.assert_array_equal(dataset.source.labels(), arrays)
    np.testing.assert_array_equal(dataset.source.take(np.arange(len(arrays))).label, arrays)
    return arrays


def corrupted(dataset, kept, labels):
    """The set with other labels everywhere but at `kept`."""
    wrong = np.array(labels)
    wrong[kept] = dataset.source.labels()[kept]
    source = label_subsets.Shown(dataset.source, wrong, np.arange(len(wrong)))
    return dataclasses.replace(dataset, source=source)


@pytest.mark.parametrize('mode', label_subsets.MODES)
def test_only_the_labels_of_the_budget_are_left(digits, labels_config, mode):
    whole = data.load(digits.data)
    config = labels_config(mode=mode)
    # The packaged digits are sorted by class.
    names = whole.class_names
    shuffled = np.random.default_rng(1).permutation(200)
    whole = dataclasses.replace(
        whole, source=label_subsets.Shown(whole.source, whole.source.labels(), shuffled)
    )
    true = whole.source.labels()
    found = label_subsets.restrict(whole, config)
    labels = seen(found)
    assert (labels >= 0).sum() == 40 and set(labels[labels >= 0]) == set(range(10))
    np.testing.assert_array_equal(labels[labels >= 0], true[labels >= 0])
    np.testing.assert_array_equal(found.arrays().image, whole.arrays().image)
    assert found.spec == whole.spec and found.class_names == names
    # Corrupt every other label: to another class, or away, where the draw must know classes.
    away = np.full(200, label_subsets.NONE, np.int32)
    others = away if mode == 'balanced' else (true + 1) % 10
    again = label_subsets.restrict(corrupted(whole, np.flatnonzero(labels >= 0), others), config)
    np.testing.assert_array_equal(seen(again), labels)
    assert again.fingerprint == found.fingerprint != whole.fingerprint


def test_the_fingerprint_is_of_what_training_gets(digits, labels_config, monkeypatch):
    whole = data.load(digits.data)
    prints = {
        label_subsets.restrict(whole, labels_config(seed=seed)).fingerprint for seed in range(3)
    }
    assert len(prints) == 3
    # Read in parts, as of a set too large to reside.
    monkeypatch.setattr(label_subsets.cache, 'RESIDENT_LIMIT', 0)
    monkeypatch.setattr(label_subsets, 'CHUNK', 7)
    assert label_subsets.restrict(whole, labels_config(seed=0)).fingerprint in prints
    shown = label_subsets.Shown(whole.source, whole.source.labels(), np.arange(200))
    assert label_subsets._fingerprint(shown, 1) == whole.fingerprint


def test_balanced_draws_are_balanced_nested_and_differ_by_seed(labels_config):
    small = label_subsets.draw(LABELS, NAMES, labels_config(seed=3)).training
    assert (np.bincount(LABELS[small]) == 4).all()
    config = labels_config(seed=3)
    config.number = 80
    large = label_subsets.draw(LABELS, NAMES, config).training
    assert (np.bincount(LABELS[large]) == 8).all() and set(small) < set(large)
    assert set(small) != set(label_subsets.draw(LABELS, NAMES, labels_config(seed=4)).training)


def test_first_is_the_first_of_those_that_have_a_label(labels_config):
    labels = np.array(LABELS)
    labels[:10] = label_subsets.NONE
    found = label_subsets.draw(labels, NAMES, labels_config(mode='first')).training
    np.testing.assert_array_equal(found, np.arange(10, 50))


@pytest.mark.parametrize('mode', label_subsets.MODES)
def test_validation_is_a_part_of_the_budget_that_training_does_not_get(labels_config, mode):
    whole = label_subsets.draw(LABELS, NAMES, labels_config(mode=mode))
    split = label_subsets.draw(LABELS, NAMES, labels_config(mode=mode, validation=10))
    assert len(whole.validation) == 0 and len(split.validation) == 10
    assert set(split.training) | set(split.validation) == set(whole.training)
    assert len(set(split.training) & set(split.validation)) == 0


def test_validation_images_keep_their_labels_and_training_does_not_see_them(digits):
    digits.data.labels.update(number=40, validation=10)
    training, validation = data.load(digits.data), data.validation(digits.data)
    assert (seen(training) >= 0).sum() == 30 and training.spec.num_examples == 200
    assert (np.bincount(seen(validation)) == 1).all() and validation.spec.num_examples == 10
    digits.data.labels.validation = 0
    with pytest.raises(UserError, match='config.data.labels.validation=0: the run kept no label'):
        data.validation(digits.data)


def test_alone_leaves_the_labelled_images(digits):
    digits.data.labels.update(number=20, alone=True)
    found = data.load(digits.data)
    assert (np.bincount(seen(found)) == 2).all()
    assert found.spec.num_examples == len(found.source) == len(found.arrays().image) == 20


MISTAKES = {
    'more labels than images': (LABELS, NAMES, dict(number=300), 'labels.number=300 must lie'),
    'all for validation': (LABELS, NAMES, dict(validation=40), 'must lie above'),
    'more than a class has': (
        np.where(LABELS == 3, 2, LABELS), NAMES, {}, "takes 4 images of each class, and class '3'"
    ),
    'not balanced': (LABELS, NAMES, dict(number=25), 'labels.number=25 cannot be balanced over'),
    'a class without a label': (
        LABELS, NAMES, dict(number=10, mode='first'), "has no label among the 10 for training"
    ),
    'a class too many': (LABELS, NAMES[:9], {}, 'has the label 9, and those of 9 classes are 0'),
    'a class below none': (LABELS - 2, NAMES, {}, 'has the label -2, and those of 10 classes'),
    'one class': (np.zeros(50, np.int32), ('cats',), {}, 'the set has 1 class, and a budget'),
    'no class': (np.zeros(50, np.int32), (), {}, 'the set has no classes, and a budget'),
}  # fmt: skip


@pytest.mark.parametrize('labels, names, fields, message', MISTAKES.values(), ids=MISTAKES)
def test_a_budget_that_cannot_be_is_one_line(labels_config, labels, names, fields, message):
    config = labels_config(mode=fields.pop('mode', 'balanced'))
    config.update(fields)
    with pytest.raises(UserError) as caught:
        label_subsets.draw(labels, names, config)
    assert message in str(caught.value)


def test_batches_are_drawn_from_their_pools_as_a_function_of_the_step():
    labels = np.full(100, label_subsets.NONE, np.int32)
    labels[[3, 50, 77]] = 1
    pools = 'labelled', 'unlabelled', 'in_turn'
    found = order.make(pools, labels, 8, seed=0)
    steps = np.stack([found(step) for step in range(200)])
    assert steps.shape == (200, 3, 8) and steps.dtype == np.int32
    assert set(steps[:, 0].ravel()) == {3, 50, 77}
    assert set(steps[:, 1].ravel()) == set(range(100)) - {3, 50, 77}
    in_turn = order.DataOrder(100, 8, 0, 1)
    for step in (0, 7, 199):
        np.testing.assert_array_equal(found(step), steps[step])
        np.testing.assert_array_equal(steps[step, 2], in_turn.indices(step)[0])
    assert (order.make(pools, labels, 8, seed=1)(0) != steps[0]).any()


@pytest.mark.parametrize(('pool', 'label'), [('labelled', -1), ('unlabelled', 0)])
def test_an_empty_pool_is_one_line(pool, label):
    with pytest.raises(UserError, match='config.data has no'):
        order.make([pool], np.full(10, label, np.int32), 4, seed=0)
