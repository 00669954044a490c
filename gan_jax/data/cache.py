"""Where prepared data sets are kept, and the decoded copy that makes a second start quick.

A set is prepared once as ArrayRecord. Its pixels are also kept decoded, as plain `.npy`
files, which load in milliseconds without tensorflow-datasets.
"""

from collections.abc import Iterator, Sequence
import contextlib
import errno
import fcntl
import hashlib
import json
from pathlib import Path
import shutil
import tempfile
from typing import NamedTuple

import numpy as np

from gan_jax.data import duplicates
from gan_jax.errors import UserError
from gan_jax.io import paths
from gan_jax.types import Batch

RESIDENT_LIMIT = 2**30  # bytes of images that fit a device, and are worth keeping decoded
DRAFT = 'incomplete.'  # how unfinished folders begin, here and in tensorflow-datasets
KEPT = 'labels', 'digests', 'contents', 'hashes'  # see `Decoded`


def set_folder(key: str) -> Path:
    """Where the set `key` is prepared."""
    return paths.cache() / 'tfds' / key


def decoded_folder(key: str, split: str) -> Path:
    """Where the decoded copy of a split is."""
    return paths.cache() / 'decoded-3' / key / split


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Holds the cache's lock `name`, so that two runs do not prepare the same set.

    The lock goes when its process does, so a kill leaves none behind.

    Raises:
      UserError: the cache cannot be written, or the disk fills while the lock is held.
    """
    path = paths.cache() / 'locks' / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open('wb')
    except OSError as error:
        raise _unwritable(error) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _unwritable(error) from error
            raise


def _unwritable(error: OSError) -> UserError:
    return UserError(
        f'The cache {paths.cache()} cannot be written ({error.strerror}): '
        'make room, or set GAN_JAX_CACHE to another folder.'
    )


def sweep(folder: Path) -> None:
    """Removes what killed preparations left in `folder`; only while its lock is held."""
    for draft in folder.glob(f'{DRAFT}*'):
        shutil.rmtree(draft, ignore_errors=True)


class Decoded(NamedTuple):
    """Facts about a decoded split without its pixels."""

    folder: Path  # where it is
    image_shape: tuple[int, int, int]  # (H, W, C)
    class_names: tuple[str, ...]  # empty where the set has no classes
    labels: np.ndarray  # int32 [N]
    digests: np.ndarray  # uint8 [N, 32], sha256 of each image and its label
    contents: np.ndarray  # uint8 [N, 32], of each image alone (as if its label were 0)
    hashes: np.ndarray  # uint64 [N], `duplicates.perceptual_hashes` of the images' last panels

    def images(self) -> np.ndarray | None:
        """uint8 or uint16 [N, H, W, C], or None where the set is above `RESIDENT_LIMIT`.

        Raises:
          UserError: a pixel or a label is not what was prepared.
        """
        path = self.folder / 'images.npy'
        if not path.exists():
            return None
        images = _load(path)
        whole = len(images) == len(self.labels)
        if not (
            whole and np.array_equal(example_digests(Batch(images, self.labels)), self.digests)
        ):
            raise _damaged(path)
        return images


def read_decoded(folder: Path) -> Decoded:
    """The decoded split in `folder`.

    Raises:
      UserError: it is damaged.
    """
    try:
        meta = json.loads((folder / 'meta.json').read_bytes())
        shape, names, whole = (meta[name] for name in ('image_shape', 'class_names', 'fingerprint'))
        shape, names = tuple(shape), tuple(names)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise _damaged(folder / 'meta.json') from error
    labels, digests, contents, hashes = (_load(folder / f'{name}.npy') for name in KEPT)
    if fingerprint(shape, digests) != whole:
        raise _damaged(folder / 'digests.npy')
    return Decoded(folder, shape, names, labels, digests, contents, hashes)


def _load(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> UserError:
    return UserError(f'{path} is damaged: delete {path.parent}, it will be made anew.')


class Accounted(NamedTuple):
    """A part of a split, its images (or none of them) and int32 [n], and what `Decoded` keeps."""

    batch: Batch[np.ndarray]
    digests: np.ndarray
    contents: np.ndarray
    hashes: np.ndarray


def account(batch: Batch[np.ndarray], of: int) -> Accounted:
    """Computes what is kept of a part of a split; without pixels if `of` such images are many."""
    hashes = duplicates.perceptual_hashes(duplicates.photos(batch.image))
    unlabelled = batch._replace(label=np.zeros_like(batch.label))
    digests = example_digests(batch), example_digests(unlabelled)
    if of * batch.image[0].nbytes > RESIDENT_LIMIT:
        batch = batch._replace(image=np.empty((0, *batch.image.shape[1:]), batch.image.dtype))
    return Accounted(batch, *digests, hashes)


def keep(folder: Path, parts: Sequence[Accounted], class_names: Sequence[str]) -> None:
    """Writes a split decoded, without its pixels if a part has none, unless it is there.

    The folder appears complete, or not at all after an error.
    """
    batches, *others = zip(*parts, strict=True)
    labels = [batch.label for batch in batches]
    kept = {name: np.concatenate(of) for name, of in zip(KEPT, (labels, *others), strict=True)}
    shape = batches[0].image.shape[1:]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=DRAFT, dir=folder.parent) as draft:
        whole = Path(draft) / folder.name
        whole.mkdir()
        if all(len(batch.image) for batch in batches):
            _write_images(whole / 'images.npy', [batch.image for batch in batches])
        for name, array in kept.items():
            np.save(whole / f'{name}.npy', array)
        whole_print = fingerprint(shape, kept['digests'])
        meta = dict(image_shape=shape, class_names=tuple(class_names), fingerprint=whole_print)
        (whole / 'meta.json').write_text(json.dumps(meta), encoding='utf-8')
        if not folder.exists():
            whole.rename(folder)


def _write_images(path: Path, parts: Sequence[np.ndarray]) -> None:
    """Writes [n, H, W, C] one after the other, which together would take their memory twice."""
    # Not a memory map: on a full disk that ends in a bus error, a write in an OSError.
    with path.open('wb') as file:
        shape = sum(map(len, parts)), *parts[0].shape[1:]
        header = dict(descr=parts[0].dtype.str, fortran_order=False, shape=shape)
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part))


def example_digests(batch: Batch[np.ndarray]) -> np.ndarray:
    """sha256 of each example's pixels and label, uint8 [N, 32]."""
    labels = np.asarray(batch.label, '<i4')
    digests = [
        hashlib.sha256(b''.join((image.data, label.data))).digest()
        for image, label in zip(np.ascontiguousarray(batch.image), labels, strict=True)
    ]
    return np.frombuffer(b''.join(digests), np.uint8).reshape(len(labels), -1)


def fingerprint(image_shape: Sequence[int], digests: np.ndarray) -> str:
    """The sha256, in hex, of images: count, shape (H, W, C), and `example_digests`, [N, 32]."""
    head = json.dumps([len(digests), *map(int, image_shape)])
    whole = hashlib.sha256(head.encode())
    whole.update(np.ascontiguousarray(digests))
    return whole.hexdigest()
