"""The project's own tfds builder: ArrayRecord without TensorFlow.

It yields encoded bytes (an array would need TensorFlow to encode) and keeps the order in which
they are given (the data order shuffles).

Importing this module imports tensorflow-datasets.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
import contextlib
import errno
import io
import itertools
import math
import os
from pathlib import Path
import sys
import tempfile
from typing import Any, NamedTuple

from array_record.python import array_record_module
import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.proto import tf_example_generated_pb2 as tf_example
from tensorflow_datasets.proto import tf_feature_generated_pb2 as tf_feature

from gan_jax.data import cache
from gan_jax.data.datasets import INFO

SHARD_BYTES = 2**28  # of pixels in a file

Numbered = Generator[tuple[int, dict[str, Any]], None, None]  # examples by number


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


class Images(tfds.core.GeneratorBasedBuilder):  # type: ignore[misc]  # tfds has no types
    """Images, and labels where there are classes."""

    name = 'gan_jax'
    VERSION = tfds.core.Version('1.0.0')

    def __init__(self, contents: Contents, **kwargs: Any):
        self._contents = contents
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        shape, names, _, dtype = self._contents
        image = tfds.features.Image(shape=shape, dtype=dtype, encoding_format='png')
        features = {'image': image}
        if names:
            features['label'] = tfds.features.ClassLabel(names=list(names))
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
        )

    def write(self, manager: tfds.download.DownloadManager) -> None:
        """Writes all splits to `data_dir`, one example at a time.

        `download_and_prepare` would collect a gigabyte of each split and need TensorFlow for
        more; it and `tfds.core.SequentialWriter` pack each record, which takes longer than all
        else.
        """
        Path(self.data_dir).mkdir(parents=True)
        splits = self._split_generators(manager)
        infos = [self._write_split(name, examples) for name, examples in splits.items()]
        self.info.set_splits(tfds.core.SplitDict(infos))
        self.info.write_to_directory(self.data_dir)

    def _write_split(self, name: str, examples: Numbered) -> tfds.core.SplitInfo:
        template = tfds.core.ShardedFileTemplate(
            data_dir=self.data_path,
            dataset_name=self.name,
            split=name,
            filetype_suffix='array_record',
            template='{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_INDEX}',
        )
        shard = max(SHARD_BYTES // math.prod(self._contents.image_shape), 1)
        records = (_record(example) for _, example in examples)
        lengths: list[int] = []
        size = 0
        with contextlib.closing(examples):  # and what makes them, if this fails
            for first in records:
                path = template.sharded_filepath(shard_index=len(lengths), num_shards=None)
                options = 'group_size:1,uncompressed'
                writer = array_record_module.ArrayRecordWriter(str(path), options)
                lengths.append(0)
                for record in itertools.chain([first], itertools.islice(records, shard - 1)):
                    writer.write(record)
                    size += len(record)
                    lengths[-1] += 1
                writer.close()
        return tfds.core.SplitInfo(
            name=name, shard_lengths=lengths, num_bytes=size, filename_template=template
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Numbered]:
        splits = self._contents.splits(dl_manager)
        return {name: self._generate_examples(examples) for name, examples in splits.items()}

    def _generate_examples(self, examples: Callable[[], Iterable[tuple[bytes, int]]]) -> Numbered:
        labelled = bool(self._contents.class_names)
        for index, (encoded, label) in enumerate(examples()):
            features = {'image': encoded}
            yield index, features | ({'label': int(label)} if labelled else {})


def _record(example: Mapping[str, Any]) -> bytes:
    """The stored form of an example: what tfds would write, without its passes in Python."""
    image = tf_feature.BytesList(value=[example['image']])
    feature = {'image': tf_feature.Feature(bytes_list=image)}
    if 'label' in example:
        label = tf_feature.Int64List(value=[example['label']])
        feature['label'] = tf_feature.Feature(int64_list=label)
    features = tf_feature.Features(feature=feature)
    return tf_example.Example(features=features).SerializeToString(deterministic=True)


def prepare(key: str, contents: Contents) -> Path:
    """The folder of a set, with its dataset_info.json, which is prepared unless it is there.

    A kill leaves nothing that looks prepared. `key` names the content, fit for a folder's name.
    """
    home = cache.set_folder(key)
    folder = home / Images.name / str(Images.VERSION)
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
        manager = tfds.download.DownloadManager(download_dir=cache.set_folder('downloads'))
        builder = Images(contents, data_dir=draft, file_format='array_record')
        with contextlib.redirect_stdout(io.StringIO()), _full_disk():
            builder.write(manager)
        folder.parent.mkdir(exist_ok=True)
        Path(builder.data_dir).rename(folder)


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
