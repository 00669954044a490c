"""Where prepared data sets are kept, and the decoded copy that makes a second start quick.

A set is prepared once as ArrayRecord. Its pixels are also kept decoded, as plain `.npy`
files, which load in milliseconds without tensorflow-datasets.
"""

from collections.abc import Iterable, Iterator, Sequence
import contextlib
import errno
import fcntl
import hashlib
import json
import os
from pathlib import Path
import shutil
import tempfile
from typing import NamedTuple

import numpy as np

from gan_jax.data import duplicates
from gan_jax.errors import UserError
from gan_jax.types import Batch

RESIDENT_LIMIT = 2**30  # bytes of uint8 images that fit a device, and are worth keeping decoded
DRAFT = 'incomplete.'  # how unfinished folders begin, here and in tensorflow-datasets


def cache_dir() -> Path:
    """GAN_JAX_CACHE, else XDG_CACHE_HOME/gan_jax, else ~/.cache/gan_jax."""
    if own := os.environ.get('GAN_JAX_CACHE'):
        return Path(own)
    shared = os.environ.get('XDG_CACHE_HOME')
    return (Path(shared) if shared else Path.home() / '.cache') / 'gan_jax'


def set_folder(key: str) -> Path:
    """Where the set `key` is prepared."""
    return cache_dir() / 'tfds' / key


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Holds the cache's lock `name`, so that two runs do not prepare the same set.

    The lock goes when its process does, so a kill leaves none behind.

    Raises:
      UserError: the cache cannot be written, or the disk fills while the lock is held.
    """
    path = cache_dir() / 'locks' / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open('w')
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
        f'The cache {cache_dir()} cannot be written ({error.strerror}): '
        'make room, or set GAN_JAX_CACHE to another folder.'
    )


def sweep(folder: Path) -> None:
    """Removes what killed preparations left in `folder`; only while its lock is held."""
    for draft in folder.glob(f'{DRAFT}*'):
        shutil.rmtree(draft, ignore_errors=True)


class Decoded(NamedTuple):
    """What is known of a decoded split without its pixels.

    Attributes:
      folder: where it is.
      image_shape: (H, W, C).
      class_names: empty where the set has no classes.
      labels: int32 [N].
      digests: uint8 [N, 32], sha256 of each image and its label.
      hashes: uint64 [N], `duplicates.perceptual_hashes` of the images' last panels.
    """

    folder: Path
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    labels: np.ndarray
    digests: np.ndarray
    hashes: np.ndarray

    def images(self) -> np.ndarray | None:
        """uint8 [N, H, W, C], or None where the set is above `RESIDENT_LIMIT`.

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


def read_decoded(folder: Path) -> Decoded | None:
    """The decoded split in `folder`, None if there is none.

    Raises:
      UserError: it is damaged.
    """
    if not folder.exists():
        return None
    try:
        meta = json.loads((folder / 'meta.json').read_text())
        shape, names, whole = (meta[name] for name in ('image_shape', 'class_names', 'fingerprint'))
        shape, names = tuple(shape), tuple(names)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise _damaged(folder / 'meta.json') from error
    labels, digests, hashes = (
        _load(folder / f'{name}.npy') for name in ('labels', 'digests', 'hashes')
    )
    if fingerprint(shape, digests) != whole:
        raise _damaged(folder / 'digests.npy')
    return Decoded(folder, shape, names, labels, digests, hashes)


def _load(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> UserError:
    return UserError(f'{path} is damaged: delete {path.parent}, it will be made anew.')


def write_decoded(
    folder: Path,
    batches: Iterable[Batch],
    count: int,
    image_shape: Sequence[int],
    class_names: Sequence[str],
) -> None:
    """Writes a split decoded. The folder appears when it is complete, never before.

    Args:
      folder: where to; it does not exist yet.
      batches: the split in order, uint8 [n, H, W, C] and int32 [n]; one at a time is in memory.
      count: images in all.
      image_shape: (H, W, C).
      class_names: empty where the set has no classes.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=folder.parent))
    try:
        digests = _fill(draft, batches, (count, *image_shape))
        meta = dict(
            image_shape=tuple(image_shape),
            class_names=tuple(class_names),
            fingerprint=fingerprint(image_shape, digests),
        )
        (draft / 'meta.json').write_text(json.dumps(meta))
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _fill(folder: Path, batches: Iterable[Batch], shape: tuple[int, ...]) -> np.ndarray:
    """Writes the arrays; returns the digests."""
    labels, digests, hashes = [], [], []
    with contextlib.ExitStack() as stack:
        pixels = None
        if np.prod(shape, dtype=np.int64) <= RESIDENT_LIMIT:
            # Not a memory map: on a full disk that ends in a bus error, a write in an OSError.
            pixels = stack.enter_context((folder / 'images.npy').open('wb'))
            header = dict(descr='|u1', fortran_order=False, shape=shape)
            np.lib.format.write_array_header_1_0(pixels, header)
        for batch in batches:
            if pixels is not None:
                pixels.write(batch.image.tobytes())
            labels.append(batch.label)
            digests.append(example_digests(batch))
            hashes.append(duplicates.perceptual_hashes(duplicates.photos(batch.image)))
    np.save(folder / 'labels.npy', np.concatenate(labels))
    np.save(folder / 'hashes.npy', np.concatenate(hashes))
    digests = np.concatenate(digests)
    np.save(folder / 'digests.npy', digests)
    return digests


def example_digests(batch: Batch) -> np.ndarray:
    """sha256 of each example's pixels and label, uint8 [N, 32]."""
    labels = np.asarray(batch.label, '<i4')
    digests = [
        hashlib.sha256(image.tobytes() + label.tobytes()).digest()
        for image, label in zip(batch.image, labels, strict=True)
    ]
    return np.frombuffer(b''.join(digests), np.uint8).reshape(len(labels), -1)


def fingerprint(image_shape: Sequence[int], digests: np.ndarray) -> str:
    """What identifies the images of a run: sha256 of their count, shape, pixels and labels.

    Args:
      image_shape: (H, W, C).
      digests: uint8 [N, 32], of `example_digests`, in order.

    Returns:
      64 hex digits.
    """
    head = json.dumps([len(digests), *map(int, image_shape)])
    return hashlib.sha256(head.encode() + np.ascontiguousarray(digests).tobytes()).hexdigest()
