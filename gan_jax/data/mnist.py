"""`mnist`: 60,000 training and 10,000 test digits, from a folder or downloaded."""

from collections.abc import Callable, Iterator, Mapping
import functools
import gzip
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gan_jax.data import downloads, png
from gan_jax.data.datasets import Dataset, Prepared, find_tfds_copy, load_prepared
from gan_jax.errors import UserError
from gan_jax.fields import Data
from gan_jax.io import paths
from gan_jax.types import DataSpec

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

URL = 'https://storage.googleapis.com/cvdf-datasets/mnist/'
MD5 = {
    'train-images-idx3-ubyte.gz': 'f68b3c2dcbeaaa9fbdd348bbdeb94873',
    'train-labels-idx1-ubyte.gz': 'd53e105ee54ea40749a09fcbcd1e9432',
    't10k-images-idx3-ubyte.gz': '9fb629c4189551a2d022fa330f9573f3',
    't10k-labels-idx1-ubyte.gz': 'ec29112dd5afa0611ce80d1b7f02629c',
}
DIGITS = tuple('0123456789')
SPLITS = {'train': 'train', 'test': 't10k'}  # how the files of each split begin


def spec(config: Data) -> DataSpec:
    """Shapes and counts of the set, known without its files."""
    whole = {'test': 10_000}.get(config.split, 60_000)
    return DataSpec((28, 28, 1), 10, config.num_examples or whole)


def load(config: Data) -> Dataset:
    """MNIST, [28, 28, 1], ten classes; splits `train` (60,000) and `test` (10,000).

    Args:
      config: the run's `config.data`. Its `path` is a folder with the four IDX .gz files, or
        one that tensorflow-datasets prepared as ArrayRecord, or '' to download.

    Raises:
      UserError: a file is missing or is not the official one, or there is no network.
    """
    folder = None
    if config.path:
        folder = paths.absolute(config.path, 'config.data.path')
        if copy := find_tfds_copy(folder, 'mnist'):
            return load_prepared(config, copy)
        check_folder(folder)
    # Files that pass the check are the same everywhere, so that one prepared set serves all.
    prepare = functools.partial(_prepare, folder)
    return load_prepared(config, Prepared('mnist-2', tuple(SPLITS), prepare))


def _prepare(folder: Path | None) -> Path:
    from gan_jax.data import builders

    def splits(
        manager: 'tfds.download.DownloadManager',
    ) -> dict[str, Callable[[], Iterator[tuple[bytes, int]]]]:
        paths = {name: folder / name for name in MD5} if folder else download(manager)
        return {split: functools.partial(_encoded, paths, split) for split in SPLITS}

    return builders.prepare('mnist-2', builders.Contents((28, 28, 1), DIGITS, splits))


def _encoded(paths: Mapping[str, Path], split: str) -> Iterator[tuple[bytes, int]]:
    return encoded(*read_split(paths, split))


def encoded(images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[bytes, int]]:
    """Digits as PNG files with their labels, under a progress bar."""
    from tqdm import tqdm

    bar = tqdm(images, 'preparing', leave=False, disable=None)
    return ((png.encode(image), int(label)) for image, label in zip(bar, labels, strict=True))


def check_folder(folder: Path) -> None:
    """Raises UserError unless `folder` holds the four official files."""
    for name, expected in MD5.items():
        path = folder / name
        if not path.is_file():
            raise UserError(
                f'{path} is missing (config.data.path); its md5 should be {expected}: put '
                f'{", ".join(MD5)} there.'
            )
        if (found := _md5(path)) != expected:
            raise UserError(
                f'{path} (config.data.path) is not the official file: its md5 is {found} instead '
                f'of {expected}; replace it by a whole copy.'
            )


def _md5(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f'{path} cannot be read: {error.strerror}.') from error
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def read_split(paths: Mapping[str, Path], split: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads two IDX files (http://yann.lecun.com/exdb/mnist): uint8 [N, 28, 28, 1] and [N]."""
    images = gzip.decompress(paths[f'{SPLITS[split]}-images-idx3-ubyte.gz'].read_bytes())
    labels = gzip.decompress(paths[f'{SPLITS[split]}-labels-idx1-ubyte.gz'].read_bytes())
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28, 1)
    return pixels, np.frombuffer(labels, np.uint8, offset=8)


def download(manager: 'tfds.download.DownloadManager') -> dict[str, Path]:
    """Downloads the four files; see `downloads.fetch`."""
    return downloads.fetch(
        manager,
        {name: URL + name for name in MD5},
        MD5,
        'md5',
        'put the four IDX .gz files of MNIST in a folder and pass --config.data.path=FOLDER, or'
        ' take --config.data.name=mnist5k, which needs no network',
    )
