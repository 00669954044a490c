"""PyTorch files are read without PyTorch, as it reads them, and nothing in them is run."""

import collections
import io
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.pretrained import pth


class FloatStorage:
    """Stands for torch.FloatStorage in a pickle."""


class LongStorage:
    """Stands for torch.LongStorage in a pickle."""


def _rebuild_tensor_v2():
    """Stands for torch._utils._rebuild_tensor_v2 in a pickle."""


class Storage:
    def __init__(self, kind, key, count):
        self.pid = ('storage', kind, key, 'cpu', count)


class Tensor:
    """Pickled as PyTorch pickles a view of a storage."""

    def __init__(self, storage, offset, shape, strides):
        self.given = (storage, offset, shape, strides, False, collections.OrderedDict())

    def __reduce__(self):
        return _rebuild_tensor_v2, self.given


class Pickler(pickle._Pickler):
    """Writes references to storages, and PyTorch's names for the stand-ins above."""

    dispatch = dict(pickle._Pickler.dispatch)

    def persistent_id(self, thing):
        return (*thing.pid, None) if isinstance(thing, Storage) else None

    def save_global(self, thing, name=None):
        stand_ins = {
            FloatStorage: 'torch',
            LongStorage: 'torch',
            _rebuild_tensor_v2: 'torch._utils',
        }
        if thing not in stand_ins:
            return super().save_global(thing, name)
        self.write(f'c{stand_ins[thing]}\n{thing.__name__}\n'.encode())

    dispatch[type] = save_global
    dispatch[type(_rebuild_tensor_v2)] = save_global


def dump(thing):
    buffer = io.BytesIO()
    Pickler(buffer, protocol=2).dump(thing)
    return buffer.getvalue()


def in_a_row(tree, storages):
    """The layout before PyTorch 1.6."""
    parts = [dump(pth.MAGIC), dump(1001), dump({'little_endian': True}), dump(tree)]
    parts.append(dump(list(storages)))
    parts += [struct.pack('<q', len(data)) + data.tobytes() for data in storages.values()]
    return b''.join(parts)


def in_a_zip(tree, storages):
    """The layout since."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr('model/data.pkl', dump(tree))
        archive.writestr('model/byteorder', 'little')
        for key, data in storages.items():
            archive.writestr(f'model/data/{key}', data.tobytes())
    return buffer.getvalue()


LAYOUTS = {'row': in_a_row, 'zip': in_a_zip}
NUMBERS = np.arange(24, dtype='<f4')
COUNTS = np.array([7], '<i8')


def example():
    """A contiguous tensor, a transposed view with an offset, and a scalar."""
    numbers, counts = Storage(FloatStorage, '1', 24), Storage(LongStorage, '2', 1)
    tree = collections.OrderedDict(
        plain=Tensor(numbers, 0, (2, 3, 4), (12, 4, 1)),
        view=Tensor(numbers, 4, (4, 3), (1, 5)),
        scalar=Tensor(counts, 0, (), ()),
    )
    return tree, {'1': NUMBERS, '2': COUNTS}


@pytest.fixture
def file(tmp_path):
    return tmp_path / 'weights.pth'


@pytest.mark.newest
@pytest.mark.parametrize('layout', LAYOUTS)
def test_tensors_are_read_with_their_strides(layout, file):
    file.write_bytes(LAYOUTS[layout](*example()))
    found = pth.read(file, '--weights')
    assert list(found) == ['plain', 'view', 'scalar']
    np.testing.assert_array_equal(found['plain'], NUMBERS.reshape(2, 3, 4))
    expected = [[4, 9, 14], [5, 10, 15], [6, 11, 16], [7, 12, 17]]
    np.testing.assert_array_equal(found['view'], expected)
    assert found['view'].flags.c_contiguous and found['view'].dtype == np.float32
    assert found['scalar'].shape == () and found['scalar'] == 7


@pytest.mark.parametrize('zipped', [False, True])
def test_files_of_pytorch_itself(zipped, file):
    torch = pytest.importorskip('torch')
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    state = dict(net.state_dict(), half=torch.arange(6).half().reshape(2, 3).T)
    state['wide'] = torch.randn(5, 8)[1:4, ::2]
    torch.save(state, file, _use_new_zipfile_serialization=zipped)
    found = pth.read(file, '--weights')
    assert found.keys() == state.keys()
    for name, tensor in state.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())


class Trap:
    """Makes a folder when it is unpickled as pickle would."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def reaching(offset=0, shape=(24,), strides=(1,), count=24):
    return {'x': Tensor(Storage(FloatStorage, '1', count), offset, shape, strides)}


STORAGES = {'1': NUMBERS}
REFUSED = {
    'beyond the end': (reaching(offset=1), STORAGES, 'reaches beyond its storage'),
    'before the start': (reaching(strides=(-1,)), STORAGES, 'reaches beyond its storage'),
    'endless': (reaching(shape=(10**12,), strides=(0,)), STORAGES, 'repeats its storage'),
    'fewer numbers': (reaching(shape=(3,)), {'1': NUMBERS[:5]}, 'storage 1'),
    'other sides': (reaching(shape=(2, 2)), STORAGES, 'other strides than sides'),
    'not numbers': (reaching(shape=('a',)), STORAGES, 'not described as one'),
    'no tensor': ({'x': 1}, STORAGES, "its entry 'x' is no tensor"),
    'no dictionary': ([1, 2], STORAGES, 'it holds no dictionary'),
    'another class': ({'x': pytest.approx}, STORAGES, 'which is not admitted'),
}


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('tree, storages, message', REFUSED.values(), ids=REFUSED)
def test_what_is_no_tensor_is_refused(tree, storages, message, layout, file):
    file.write_bytes(LAYOUTS[layout](tree, storages))
    with pytest.raises(UserError, match=message) as error:
        pth.read(file, '--weights')
    assert str(error.value).startswith(f'--weights={file}: ')


@pytest.mark.newest
@pytest.mark.parametrize('layout', LAYOUTS)
def test_nothing_is_run(layout, file, tmp_path):
    tree, storages = example()
    tree['trap'] = Trap(tmp_path / 'sprung')
    file.write_bytes(LAYOUTS[layout](tree, storages))
    pytest.raises(UserError, pth.read, file, '--weights')
    assert not (tmp_path / 'sprung').exists()


def test_nothing_that_stays_is_changed(file):
    """A pickle can set attributes of what it names: here of a type and of a function."""
    attribute = b'}X\x01\x00\x00\x00aK\x01sb.'
    head = dump(pth.MAGIC) + dump(1001) + dump({})
    for name in (b'torch\nFloatStorage', b'torch._utils\n_rebuild_tensor_v2'):
        file.write_bytes(head + b'\x80\x02c' + name + b'\n' + attribute)
        pytest.raises(UserError, pth.read, file, '--weights')
    assert not hasattr(pth._rebuilt, 'a')


def test_a_compressed_file_is_refused(file):
    """A megabyte of zeros in a kilobyte: what is stored cannot be larger than the file."""
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('model/data.pkl', bytes(2**20))
    with pytest.raises(UserError, match='it is compressed'):
        pth.read(file, '--weights')


@pytest.mark.parametrize('layout', LAYOUTS)
def test_a_file_cut_short_is_refused(layout, file):
    content = LAYOUTS[layout](*example())
    for size in (0, 10, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:size])
        pytest.raises(UserError, pth.read, file, '--weights')


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match='none.pth: cannot be read .No such file'):
        pth.read(tmp_path / 'none.pth', '--weights')
