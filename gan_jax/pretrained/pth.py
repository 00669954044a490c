"""Tensors from a PyTorch file, without PyTorch and without running what else may be in it.

A `.pth` is a pickle, and a pickle calls whatever it names. Here it can name ordered
dictionaries and tensors; anything else is refused. Both layouts are read: a .zip (PyTorch 1.6 and
later), and the older row of pickles followed by the bytes of each storage.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
import dataclasses
import functools
import io
import math
from pathlib import Path
import pickle
from typing import Any, NamedTuple
import zipfile

import numpy as np

from gan_jax.errors import UserError
from gan_jax.io import files

MAGIC = 0x1950A86A20F9469CFC6C  # how the older layout begins
TYPES = {
    'FloatStorage': '<f4',
    'DoubleStorage': '<f8',
    'HalfStorage': '<f2',
    'LongStorage': '<i8',
    'IntStorage': '<i4',
    'ShortStorage': '<i2',
    'CharStorage': 'i1',
    'ByteStorage': 'u1',
    'BoolStorage': '?',
}


class _Refused(Exception):
    """The file holds something else than tensors, or less than it says."""


@dataclasses.dataclass(frozen=True)
class _Storage:
    """Numbers that tensors are views of."""

    key: str
    dtype: np.dtype
    count: int


class _Tensor(NamedTuple):
    """A view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in elements


def read(path: Path, field: str) -> dict[str, np.ndarray]:
    """The tensors of a state dict by name, each a contiguous array.

    Raises:
      UserError: it cannot be read, or is no state dict of dense tensors.
    """
    try:
        content = files.regular(path).read_bytes()
    except OSError as error:
        raise UserError(f'{field}={path}: cannot be read ({error.strerror})') from None
    try:
        zipped = zipfile.is_zipfile(io.BytesIO(content))
        return (_read_zip if zipped else _read_row)(content)
    except Exception as error:  # pickle and zipfile raise what they like
        raise UserError(
            f'{field}={path}: no PyTorch file of tensors alone ({error}): give a state dict'
        ) from None


def _read_row(content: bytes) -> dict[str, np.ndarray]:
    file = io.BytesIO(content)
    if _Unpickler(file).load() != MAGIC:
        raise _Refused('it does not begin as one')
    for _ in ('version of the layout', 'sizes of types'):
        _Unpickler(file).load()
    tensors = _named(_Unpickler(file).load())
    keys = _Unpickler(file).load()
    counts = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    data = {}
    for key in keys:
        # Each begins with its own number of elements.
        [count] = np.frombuffer(file.read(8), '<i8')
        storage = counts.get(key)
        if storage is None or count != storage.count:
            raise _Refused(f'its storage {key} is not what a tensor is a view of')
        data[key] = file.read(count * storage.dtype.itemsize)
    return {name: _array(tensor, data.__getitem__) for name, tensor in tensors.items()}


def _read_zip(content: bytes) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise _Refused('it is compressed, which PyTorch does not do')
        [root] = [name for name in archive.namelist() if name.endswith('/data.pkl')]
        folder = root.removesuffix('data.pkl')
        if f'{folder}byteorder' in archive.namelist():
            order = archive.read(f'{folder}byteorder')
            if order != b'little':
                raise _Refused(f'its byte order is {order.decode("ascii", "replace")}')
        tensors = _named(_Unpickler(io.BytesIO(archive.read(root))).load())
        load = lambda key: archive.read(f'{folder}data/{key}')  # noqa: E731
        return {name: _array(tensor, load) for name, tensor in tensors.items()}


def _named(found: Any) -> dict[str, _Tensor]:
    """The tensors of a state dict, at its top or under the key 'state_dict'."""
    if isinstance(found, Mapping) and isinstance(found.get('state_dict'), Mapping):
        found = found['state_dict']
    if not isinstance(found, Mapping) or not found:
        raise _Refused('it holds no dictionary')
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, _Tensor):
            raise _Refused(f'its entry {name!r} is no tensor')
    return dict(found)


def _array(tensor: _Tensor, load: Callable[[str], bytes]) -> np.ndarray:
    """The numbers of a tensor, in C order whatever its strides are."""
    storage, offset, shape, strides = tensor
    numbers = np.frombuffer(load(storage.key), storage.dtype)
    if len(numbers) != storage.count:
        raise _Refused(f'its storage {storage.key} is cut short')
    size = math.prod(shape)
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if min((offset, *shape, *strides)) < 0 or (size and last >= len(numbers)):
        raise _Refused('a tensor reaches beyond its storage')
    if size > len(numbers):
        raise _Refused('a tensor repeats its storage')
    width = storage.dtype.itemsize
    view = np.lib.stride_tricks.as_strided(
        numbers[offset:], shape, [step * width for step in strides], writeable=False
    )
    return np.ascontiguousarray(view).reshape(shape)


def _rebuilt(
    storage: Any, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *others: Any
) -> _Tensor:
    """Makes what PyTorch's own function at that place in a pickle would make."""
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or not all(type(n) is int for n in numbers):
        raise _Refused('a tensor is not described as one')
    if len(shape) != len(strides):
        raise _Refused('a tensor has other strides than sides')
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _parameter(tensor: Any, *others: Any) -> Any:
    """The tensor of a torch.nn.Parameter."""
    return tensor


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    '_rebuild_tensor_v2': _rebuilt,
    '_rebuild_parameter': _parameter,
}


class _Unpickler(pickle.Unpickler):
    """Admits tensors only."""

    def find_class(self, module: str, name: str) -> Any:
        """Raises _Refused for what is not admitted."""
        # Nothing that outlives the file: a pickle can also set attributes of what it names.
        if module == 'torch' and name in TYPES:
            return TYPES[name]
        if module == 'torch._utils' and name in _FUNCTIONS:
            return functools.partial(_FUNCTIONS[name])
        if (module, name) == ('collections', 'OrderedDict'):
            return OrderedDict
        raise _Refused(f'it names {module}.{name}, which is not admitted')

    def persistent_load(self, pid: Any) -> _Storage:
        """The storage that a pickle refers to."""
        match pid:
            case ('storage', str() as kind, str() as key, _, int() as count, *view):
                if any(part is not None for part in view):
                    raise _Refused('a storage is a view of another')
                return _Storage(key, np.dtype(kind), count)
        raise _Refused('it refers to something else than a storage')
