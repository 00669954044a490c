"""NumPy's arrays from a pickle, without running what else may be in it.

A pickle calls whatever it names. Here it can name the three parts of an array; anything else is
refused.
"""

from collections.abc import Mapping
import io
from pathlib import Path
import pickle
from typing import Any

import numpy as np

from gan_jax.errors import UserError
from gan_jax.io import files


class _Refused(Exception):
    """The file holds something else than arrays."""


class _Dtype:
    """Stands for `numpy.dtype` in a pickle, which then tells the byte order."""

    def __init__(self, kind: str, *flags: int):
        self.kind = kind

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.kind = state[1] + self.kind


class _Array:
    """Stands for an array in a pickle, which then tells shape, type and content."""

    content: np.ndarray

    def __init__(self, *empty: Any):
        pass

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        numbers = np.frombuffer(data, np.dtype(dtype.kind))
        self.content = numbers.reshape(shape, order='F' if fortran else 'C')


class _Unpickler(pickle.Unpickler):
    """Admits arrays only."""

    def find_class(self, module: str, name: str) -> Any:
        """Raises _Refused for what is not admitted."""
        # Nothing that outlives the file: a pickle can also set attributes of what it names.
        match module, name:
            case (('numpy.core.multiarray' | 'numpy._core.multiarray'), '_reconstruct'):
                return lambda *empty: _Array()
            case 'numpy', 'ndarray':
                return object()
            case 'numpy', 'dtype':
                return lambda *given: _Dtype(*given)
        raise _Refused(f'it names {module}.{name}, which is not admitted')


def read(path: Path, field: str) -> dict[str, np.ndarray]:
    """The arrays of a dictionary of lists of arrays: 'KEY/0' is the first one under KEY.

    Raises:
      UserError: it cannot be read, or holds anything else.
    """
    try:
        found = _Unpickler(io.BytesIO(files.regular(path).read_bytes())).load()
        if not isinstance(found, Mapping):
            raise _Refused('it holds no dictionary')
        return {
            f'{key}/{number}': array.content
            for key, arrays in found.items()
            for number, array in enumerate(arrays)
        }
    except Exception as error:  # pickle raises what it likes
        raise UserError(f'{field}={path}: no pickle of arrays alone ({error})') from None
