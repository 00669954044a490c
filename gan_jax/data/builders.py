"""Sets as tensorflow-datasets reads them: ArrayRecord, written without TensorFlow.

The order is the one in which examples are given: the data order shuffles.

Importing this module imports tensorflow-datasets.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
import contextlib
import errno
import io
import os
from pathlib import Path
import sys
import tempfile
from typing import NamedTuple

from array_record.python import array_record_module
import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.proto import tf_example_generated_pb2 as tf_example
from tensorflow_datasets.proto import tf_feature_generated_pb2 as tf_feature

from gan_jax.data import cache
from gan_jax.data.datasets import INFO

NAME, VERSION = 'gan_jax', '1.0.0'  # as tensorflow-datasets has them


class Contents(NamedTuple):
    """The parts of a set."""

    image_shape: tuple[int, int, int]  # (H, W, C)
    class_names: tuple[str, ...]  # empty where the set has no classes
    # (download manager) -> for each split its images, PNG bytes, and their labels; each is read
    # once, in turn
    splits: Callable[
        [tfds.download.DownloadManager], Mapping[str, Callable[[], Iterable[tuple[bytes, int]]]]
    ]
    dtype: type[np.unsignedinteger] = np.uint8  # of the images


def _write(contents: Contents, folder: Path) -> None:
    """Writes all splits, one example at a time, and what tensorflow-datasets needs to read them.

    Its builders would collect a gigabyte of each split, and need TensorFlow for more.
    """
    folder.mkdir()
    shape, names, splits, dtype = contents
    manager = tfds.download.DownloadManager(download_dir=cache.set_folder('downloads'))
    features = {'image': tfds.features.Image(shape=shape, dtype=dtype, encoding_format='png')}
    if names:
        features['label'] = tfds.features.ClassLabel(names=list(names))
    tfds.folder_dataset.write_metadata(
        data_dir=folder,
        features=features,
        split_infos=[
            _write_split(folder, name, examples(), bool(names))
            for name, examples in splits(manager).items()
        ],
        check_data=False,
        disable_shuffling=True,
    )


def _write_split(
    folder: Path, name: str, examples: Iterable[tuple[bytes, int]], labelled: bool
) -> tfds.core.SplitInfo:
    template = tfds.core.ShardedFileTemplate(
        data_dir=folder, dataset_name=NAME, split=name, filetype_suffix='array_record'
    )
    path = template.sharded_filepath(shard_index=0, num_shards=1)
    writer = array_record_module.ArrayRecordWriter(str(path), 'group_size:1,uncompressed')
    count = 0
    for image, label in examples:
        writer.write(_record(image, label if labelled else None))
        count += 1
    writer.close()
    size = Path(path).stat().st_size
    return tfds.core.SplitInfo(
        name=name, shard_lengths=[count], num_bytes=size, filename_template=template
    )


def _record(image: bytes, label: int | None) -> bytes:
    """The stored form of an example: what tfds would write, without its passes in Python."""
    feature = {'image': tf_feature.Feature(bytes_list=tf_feature.BytesList(value=[image]))}
    if label is not None:
        feature['label'] = tf_feature.Feature(int64_list=tf_feature.Int64List(value=[label]))
    features = tf_feature.Features(feature=feature)
    return tf_example.Example(features=features).SerializeToString(deterministic=True)


def prepare(key: str, contents: Contents) -> Path:
    """The folder of a set, with its dataset_info.json, which is prepared unless it is there.

    A kill leaves nothing that looks prepared. `key` names the content, fit for a folder's name.
    """
    home = cache.set_folder(key)
    folder = home / NAME / VERSION
    with cache.locked(f'{key}.prepare'):
        if not (folder / INFO).exists():
            print(f'Preparing {key} in {folder} (once)', file=sys.stderr, flush=True)
            cache.sweep(home)
            _prepare(contents, folder)
    return folder


def _prepare(contents: Contents, folder: Path) -> None:
    """Writes the set elsewhere, and moves it to `folder` when it is whole."""
    home = folder.parents[1]
    home.mkdir(parents=True, exist_ok=True)
    tfds.disable_progress_bar()  # the sets have bars of their own
    with tempfile.TemporaryDirectory(prefix=cache.DRAFT, dir=home) as draft:
        whole = Path(draft) / VERSION
        with contextlib.redirect_stdout(io.StringIO()), _full_disk():
            _write(contents, whole)
        folder.parent.mkdir(exist_ok=True)
        whole.rename(folder)


@contextlib.contextmanager
def _full_disk() -> Iterator[None]:
    """array_record has no exception of its own for a full disk."""
    try:
        yield
    except RuntimeError as error:
        full = os.strerror(errno.ENOSPC)
        if full in str(error):
            raise OSError(errno.ENOSPC, full) from error
        raise
