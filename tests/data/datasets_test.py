import numpy as np
import pytest

from gan_jax import data
from gan_jax.data import cache, datasets
from gan_jax.errors import UserError


def test_single_examples_equal_the_arrays(digits):
    dataset = data.load(digits.data)
    images, labels = dataset.arrays()
    assert len(dataset.source) == len(images) == dataset.spec.num_examples == 200
    for i in (0, 7, 199):
        example = dataset.source[i]
        assert (example.image.dtype, example.label.dtype) == (np.uint8, np.int32)
        np.testing.assert_array_equal(example.image, images[i])
        assert example.label == labels[i]
    some = np.array([5, 3, 3, 199])
    batch = dataset.source.take(some)
    np.testing.assert_array_equal(batch.image, images[some])
    np.testing.assert_array_equal(batch.label, labels[some])


def test_arrays_without_a_decoded_copy_are_the_same(own_cache, digits, monkeypatch):
    expected = data.load(digits.data)
    images, labels = expected.arrays()
    monkeypatch.setenv('GAN_JAX_CACHE', str(own_cache / 'other'))
    monkeypatch.setattr(cache, 'RESIDENT_LIMIT', 0)
    dataset = data.load(digits.data)
    assert dataset.fingerprint == expected.fingerprint
    np.testing.assert_array_equal(dataset.arrays().image, images)
    np.testing.assert_array_equal(dataset.arrays().label, labels)


def test_smaller_subsets_lie_in_larger_ones(digits):
    def chosen(count, seed=0):
        digits.data.update(num_examples=count, subset_seed=seed)
        return datasets.subset(digits.data, 5000)

    small, large, other = chosen(50), chosen(1000), chosen(50, seed=1)
    assert set(small) < set(large)
    assert set(small) != set(other)
    for indices in (small, large, other):
        assert (np.diff(indices) > 0).all()
    assert len(small) == 50
    np.testing.assert_array_equal(chosen(0), np.arange(5000))
    np.testing.assert_array_equal(chosen(5000), np.arange(5000))


def test_the_fingerprint_is_of_the_images_used(digits):
    def fingerprint(**fields):
        digits.data.update(fields)
        return data.load(digits.data).fingerprint

    prints = [
        fingerprint(num_examples=200),
        fingerprint(num_examples=201),
        fingerprint(num_examples=200, subset_seed=1),
        fingerprint(num_examples=0),
    ]
    assert len(set(prints)) == 4
    assert fingerprint(num_examples=5000) == prints[-1]


@pytest.mark.parametrize('count', [5001, -1])
def test_more_examples_than_there_are_is_an_error(digits, count):
    digits.data.num_examples = count
    with pytest.raises(UserError, match=f'config.data.num_examples={count} .*5000 images'):
        data.load(digits.data)


def test_a_negative_subset_seed_is_an_error(digits):
    digits.data.subset_seed = -1
    with pytest.raises(UserError, match='config.data.subset_seed=-1'):
        data.load(digits.data)
