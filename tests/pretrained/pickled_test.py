"""Arrays are read from a pickle without running what else is in it."""

import pickle

import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.pretrained import pickled
from tests.pretrained.pth_test import Trap


@pytest.fixture
def file(tmp_path):
    return tmp_path / 'weights.pkl'


@pytest.mark.newest
@pytest.mark.parametrize('protocol', [3, 4])
def test_arrays_are_read_as_they_were(protocol, file):
    kernel = np.arange(24, dtype='<f4').reshape(2, 3, 4)
    given = {'conv': [kernel, np.arange(4, dtype='>i8')], 'turned': [np.asfortranarray(kernel[0])]}
    file.write_bytes(pickle.dumps(given, protocol))
    found = pickled.read(file, '--weights')
    assert list(found) == ['conv/0', 'conv/1', 'turned/0']
    for name, array in zip(found, [*given['conv'], *given['turned']], strict=True):
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


REFUSED = {
    'another class': ({'x': [pytest.approx]}, 'which is not admitted'),
    'objects': ({'x': [np.array([None])]}, 'no pickle of arrays alone'),
    'no arrays': ({'x': [1]}, 'no pickle of arrays alone'),
    'no dictionary': ([1, 2], 'it holds no dictionary'),
}


@pytest.mark.parametrize('given, message', REFUSED.values(), ids=REFUSED)
def test_what_is_no_array_is_refused(given, message, file):
    file.write_bytes(pickle.dumps(given))
    with pytest.raises(UserError, match=message) as error:
        pickled.read(file, '--weights')
    assert str(error.value).startswith(f'--weights={file}: ')


def test_nothing_in_a_file_is_run(file, tmp_path):
    folder = tmp_path / 'made'
    file.write_bytes(pickle.dumps({'x': [Trap(folder)]}))
    with pytest.raises(UserError, match='which is not admitted'):
        pickled.read(file, '--weights')
    assert not folder.exists()
