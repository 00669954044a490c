"""Images that a file adds to a data set, such as those that a trained GAN made."""

from collections.abc import Sequence
import dataclasses
import hashlib
from pathlib import Path
import zipfile
import zlib

import numpy as np

from gan_jax.data import cache, classes
from gan_jax.data.datasets import Dataset, Source
from gan_jax.errors import UserError
from gan_jax.io import files
from gan_jax.types import Batch

# What NumPy raises of a file that is none of its own, another than .npz, a damaged one, or without
# the arrays.
UNREADABLE = OSError, ValueError, EOFError, TypeError, LookupError, zipfile.BadZipFile, zlib.error


def why(error: Exception) -> str:
    """The reason that the system gives; NumPy speaks of its own arguments."""
    return f' ({error.strerror})' if isinstance(error, OSError) else ''


def write(path: Path, batch: Batch[np.ndarray], class_names: Sequence[str] = ()) -> None:
    """Writes images [N, H, W, C] and labels as an .npz file that `config.data.added` may name."""
    names = {'class_names': np.array(class_names, str)} if class_names else {}
    files.replace(path, files.arrays(image=batch.image, label=batch.label, **names))


def join(dataset: Dataset, path: Path) -> Dataset:
    """The set with the images of an .npz file behind its own.

    Args:
      path: `image`, [N, H, W, C] of the set's shape and type, and `label`, int [N], of its classes
        or -1; `class_names`, if it has them, those of the set.

    Raises:
      UserError: the file cannot be read, or does not fit the set.
    """
    more, names = _read(path)
    shape, count = dataset.spec.image_shape, dataset.spec.num_classes
    whole = more.image.dtype == dataset.spec.dtype and more.label.shape == more.image.shape[:1]
    if not whole or more.image.shape[1:] != shape:
        kind = np.dtype(dataset.spec.dtype)
        raise UserError(
            f'config.data.added={path}: must hold {kind} images {list(shape)} and a label for each,'
            f' not {more.image.dtype} {list(more.image.shape)} and {list(more.label.shape)}'
        )
    if ((more.label < -1) | (more.label >= max(count, 1))).any():
        raise UserError(
            f'config.data.added={path}: labels must be -1 or those of the {count} classes'
        )
    if names and names != dataset.class_names:
        theirs, ours = (
            classes.listed(classes.labelled(found)) for found in (names, dataset.class_names)
        )
        raise UserError(
            f'config.data.added={path}: its labels mean {theirs}, those of the set {ours or "none"}'
            ': sample it from a run on the same classes'
        )
    own = cache.fingerprint(shape, cache.example_digests(more))
    return dataclasses.replace(
        dataset,
        spec=dataset.spec._replace(num_examples=len(dataset.source) + len(more.label)),
        fingerprint=hashlib.sha256((dataset.fingerprint + own).encode()).hexdigest(),
        source=Joined(dataset.source, more),
    )


def _read(path: Path) -> tuple[Batch[np.ndarray], tuple[str, ...]]:
    """The images, and the names of their classes, where the file has them."""
    try:
        # NumPy leaves a damaged archive open that it opened itself.
        with files.regular(path).open('rb') as file, np.load(file, allow_pickle=False) as arrays:
            batch = Batch(arrays['image'], arrays['label'].astype(np.int32))
            return batch, tuple(map(str, arrays.get('class_names', ())))
    except UNREADABLE as error:
        raise UserError(
            f'config.data.added={path}: no .npz file with image and label{why(error)}; write one'
            ' with gan-jax sample --output=FILE.npz'
        ) from error


class Joined(Source):
    """A source's examples, then those of a batch."""

    def __init__(self, source: Source, more: Batch[np.ndarray]):
        self._source = source
        self._more = more

    def __len__(self) -> int:
        return len(self._source) + len(self._more.label)

    def take(self, indices: np.ndarray) -> Batch[np.ndarray]:
        indices = np.asarray(indices)
        own = indices < len(self._source)
        shape = indices.shape + self._more.image.shape[1:]
        image, label = np.empty(shape, self._more.image.dtype), np.empty(indices.shape, np.int32)
        parts = (
            (own, self._source.take(indices[own])) if own.any() else None,
            (~own, Batch(*(leaf[indices[~own] - len(self._source)] for leaf in self._more))),
        )
        for place, part in filter(None, parts):
            image[place], label[place] = part
        return Batch(image, label)

    def arrays(self) -> Batch[np.ndarray]:
        return Batch(*map(np.concatenate, zip(self._source.arrays(), self._more, strict=True)))

    def labels(self) -> np.ndarray:
        return np.concatenate([self._source.labels(), self._more.label])
