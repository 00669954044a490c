"""Random pixels by index: the same everywhere, of any shape."""

from ml_collections import ConfigDict
import numpy as np
import pytest

from gan_jax import config as base
from gan_jax import data
from gan_jax.data import synthetic
from gan_jax.errors import UserError
from gan_jax.types import DataSpec


def section(**changes) -> ConfigDict:
    config = base.default().data
    config.update({'name': 'synthetic', 'image_size': 32, **changes})
    return config


def test_examples_do_not_depend_on_how_they_are_read():
    dataset = data.load(section(num_examples=1_000))
    assert dataset.spec == DataSpec((32, 32, 3), 10, 1_000)
    whole = dataset.arrays()
    indices = np.array([999, 0, 512])
    for part, leaf in zip(dataset.source.take(indices), whole, strict=True):
        np.testing.assert_array_equal(part, leaf[indices])
    assert dataset.source[999].label == whole.label[999]
    assert whole.image.dtype == np.uint8 and whole.label.dtype == np.int32
    assert dataset.fingerprint == data.load(section(num_examples=1_000)).fingerprint
    assert dataset.fingerprint != data.load(section()).fingerprint


@pytest.mark.parametrize('channels', [1, 3, 4])
@pytest.mark.parametrize('deep', [False, True])
def test_it_has_every_kind_of_pixels(channels, deep):
    name = {1: 'grey', 3: 'rgb', 4: 'rgba'}[channels]
    dataset = data.load(section(channels=name, deep=deep, num_examples=8))
    image = dataset.arrays().image
    assert image.shape == (8, 32, 32, channels) and image.dtype == dataset.spec.dtype
    assert (image.max() > 255) == deep
    assert channels < 4 or (image[..., :3] <= image[..., 3:]).all()
    usual = data.load(section(num_examples=8)).fingerprint
    assert (dataset.fingerprint == usual) == (channels == 3 and not deep)


def test_it_stands_in_for_another_set():
    like = DataSpec((28, 28, 1), 0, 7)
    dataset = synthetic.make(like, section(name='mnist', image_size=0))
    assert dataset.arrays().image.shape == (7, 28, 28, 1) and not dataset.class_names


def test_a_size_is_needed_here_and_refused_where_there_is_one():
    with pytest.raises(UserError, match='config.data.image_size=0: the synthetic set needs'):
        data.load(section(image_size=0))
    with pytest.raises(UserError, match='config.data.image_size=32: the images of mnist5k'):
        data.load(section(name='mnist5k'))
    with pytest.raises(UserError, match='must be empty'):
        data.load(section(path='/somewhere'))
