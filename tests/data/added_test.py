"""Images that a file adds to a set."""

import numpy as np
import pytest

from gan_jax import data
from gan_jax.data import added
from gan_jax.errors import UserError
from gan_jax.types import Batch


def digits(count, shape=(28, 28, 1), label=3):
    image = np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)
    return Batch(image, np.full(count, label, np.int32))


@pytest.fixture
def file(tmp_path):
    """Seven more digits, all threes."""
    added.write(tmp_path / 'more.npz', digits(7))
    return tmp_path / 'more.npz'


def test_added_images_follow_the_sets_own(make_config, file):
    labels = dict(number=20, mode='balanced', seed=0, validation=10, alone=False)
    config = make_config(name='mnist5k', num_examples=200, labels=labels)
    own = data.load(config.data)
    kept = data.validation(config.data)
    config.data.added = str(file)
    joined = data.load(config.data)
    more = digits(7)
    assert joined.spec == own.spec._replace(num_examples=207) and len(joined.source) == 207
    whole = joined.arrays()
    np.testing.assert_array_equal(whole.image, np.concatenate([own.arrays().image, more.image]))
    np.testing.assert_array_equal(whole.label, np.concatenate([own.arrays().label, more.label]))
    np.testing.assert_array_equal(joined.source.labels(), whole.label)
    assert joined.fingerprint != own.fingerprint
    assert data.validation(config.data).fingerprint == kept.fingerprint


def test_labels_that_mean_other_classes_are_refused(make_config, tmp_path):
    config = make_config(name='mnist5k', num_examples=200, added=str(tmp_path / 'more.npz'))
    added.write(tmp_path / 'more.npz', digits(7), tuple('0123456789'))
    assert data.load(config.data).spec.num_examples == 207
    added.write(tmp_path / 'more.npz', digits(7), ('cat', 'dog'))
    with pytest.raises(UserError, match='more.npz: its labels mean 0=cat, 1=dog, those of the set'):
        data.load(config.data)


def test_every_way_to_an_example_gives_the_same_one(digits, file):
    digits.data.added = str(file)
    source = data.load(digits.data).source
    whole = source.arrays()
    for indices in ([206, 0, 200, 199], [3, 1], [205, 200]):
        found = source.take(np.array(indices))
        np.testing.assert_array_equal(found.image, whole.image[indices])
        np.testing.assert_array_equal(found.label, whole.label[indices])
    assert source[206].label == 3 and source[206].image.shape == (28, 28, 1)


def _save_one(path):
    with path.open('wb') as file:
        np.save(file, np.zeros(3))


MISTAKES = {
    'no file': (lambda path: None, 'no .npz file with image and label'),
    'no archive': (lambda path: path.write_bytes(b'PK\x03\x04 broken'), 'no .npz file with'),
    'one array': (_save_one, 'no .npz file with'),
    'other arrays': (lambda path: np.savez(path, x=np.zeros(3)), 'no .npz file with'),
    'shape': (lambda path: added.write(path, digits(2, (8, 8, 1))), 'must hold uint8 images [28,'),
    'class': (lambda path: added.write(path, digits(2, label=10)), 'labels must be -1 or those'),
}


@pytest.mark.parametrize('write, message', MISTAKES.values(), ids=MISTAKES)
def test_a_file_that_does_not_fit_is_refused(write, message, digits, tmp_path):
    write(tmp_path / 'more.npz')
    digits.data.added = str(tmp_path / 'more.npz')
    with pytest.raises(UserError) as error:
        data.load(digits.data)
    assert f'config.data.added={tmp_path}/more.npz: ' in str(error.value)
    assert message in str(error.value)
