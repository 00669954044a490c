"""A data set as the rest of the program sees it, and the prepared files behind it."""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import functools
import hashlib
import json
import math
from pathlib import Path
import threading
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from gan_jax.data import cache, parallel, png
from gan_jax.errors import UserError
from gan_jax.fields import Data
from gan_jax.types import Batch, DataSpec

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

CHUNK = 512  # records read at once: array_record answers a list twice as fast as its items
CHUNK_BYTES = 2**23  # and not more, of pixels
INFO = 'dataset_info.json'  # written last by tensorflow-datasets: the set is complete


class Records:
    """One split of a set that was prepared as ArrayRecord; any thread may read.

    Nothing is opened, and tensorflow-datasets not imported, until the first example is read.
    """

    def __init__(self, prepare: Callable[[], Path], split: str):
        """Takes what prepares the set if need be, and returns its folder; and one of its splits."""
        self._prepare = prepare
        self._split = split
        self._lock = threading.Lock()

    @functools.cached_property
    def builder(self) -> 'tfds.core.DatasetBuilder':
        """The tfds builder that reads the prepared files."""
        import tensorflow_datasets as tfds

        return tfds.builder_from_directory(self._prepare(), file_format='array_record')

    @functools.cached_property
    def _opened(self) -> Any:
        return self.builder.as_data_source(self._split)

    def _examples(self) -> Any:
        with self._lock:
            return self._opened

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return self.builder.info.features['image'].shape

    @property
    def class_names(self) -> tuple[str, ...]:
        """Empty where the set has no classes."""
        features = self.builder.info.features
        return tuple(features['label'].names) if 'label' in features else ()

    def __len__(self) -> int:
        return len(self._examples())

    def take(self, indices: np.ndarray) -> Batch[np.ndarray]:
        """The examples of int [n], stacked: image [n, H, W, C] and int32 [n]."""
        try:
            # The stored bytes: tfds decodes them in several passes in Python.
            records = self._examples().data_source.__getitems__([int(i) for i in indices])
        except RuntimeError as error:  # array_record's, of a damaged file
            raise UserError(
                f'{self.builder.data_dir} cannot be read ({error}): delete it and prepare it anew.'
            ) from error
        return Batch(*map(np.stack, zip(*map(_example, records), strict=True)))


def _example(record: bytes) -> Batch[np.ndarray]:
    """Image [H, W, C] and an int32 scalar from a stored tf.train.Example."""
    from tensorflow_datasets.proto import tf_example_generated_pb2 as tf_example

    features = tf_example.Example.FromString(record).features.feature
    image = png.decode(features['image'].bytes_list.value[0])
    label = features['label'].int64_list.value[0] if 'label' in features else 0
    return Batch(image, np.array(label, np.int32))


class Source(Protocol):
    """The examples of a data set by index, as of `Batch`; any thread may read."""

    def __len__(self) -> int: ...

    def take(self, indices: np.ndarray) -> Batch[np.ndarray]:
        """The examples of int [n], stacked: image [n, H, W, C] and int32 [n]."""

    def labels(self) -> np.ndarray:
        """int32 [N], without reading an image; -1 where an example has none."""

    def __getitem__(self, index: int) -> Batch[np.ndarray]:
        """One example: image [H, W, C] and an int32 scalar."""
        return Batch(*(leaf[0] for leaf in self.take(np.array([index]))))

    def arrays(self) -> Batch[np.ndarray]:
        """All of them: image [N, H, W, C] and int32 [N]."""
        return self.take(np.arange(len(self)))


class Examples(Source):
    """The examples of a prepared set.

    Single ones are read from the ArrayRecord files, all of them from the decoded copy.
    """

    def __init__(self, records: Records, decoded: cache.Decoded, indices: np.ndarray):
        """Takes the records, their decoded copy, and which of them are used: int [N]."""
        self._records = records
        self._decoded = decoded
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def take(self, indices: np.ndarray) -> Batch[np.ndarray]:
        return self._records.take(self._indices[indices])

    def arrays(self) -> Batch[np.ndarray]:
        images = self._decoded.images()
        if images is not None:
            return Batch(images[self._indices], self._decoded.labels[self._indices])
        chunks = _chunks(self._records, self._indices)
        batches = parallel.ordered_map(self._records.take, chunks)
        return Batch(*map(np.concatenate, zip(*batches, strict=True)))

    def labels(self) -> np.ndarray:
        return self._decoded.labels[self._indices]


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The images of a run."""

    name: str  # key of `gan_jax.data.DATASETS`
    split: str  # of the set, e.g. 'train'.
    spec: DataSpec  # shapes and counts
    class_names: tuple[str, ...]  # empty where the set has no classes
    fingerprint: str  # 64 hex digits, of count, shape, pixels and labels
    source: Source  # the examples by index
    # for a person, of how the set came about: `left_out`, how many; `files`, the table that
    # names them, and `splits`, name -> images; {} where there is no more to know
    facts: Callable[[], Mapping[str, Any]] = dict
    splits: tuple[str, ...] = ()  # those that a config may name, of which none is known to be empty
    attributes: tuple[str, ...] = ()  # that classes are combinations of; empty: of none
    to_have_classes: str = ''  # what to do about a set that has none, where something can be done

    def arrays(self) -> Batch[np.ndarray]:
        """The whole set: image [N, H, W, C] and int32 [N]."""
        return self.source.arrays()


class Prepared(NamedTuple):
    """A set as it is stored."""

    key: str  # names the set's content, in letters fit for a file name
    splits: Sequence[str]  # what the stored set has
    # prepares the set if need be; returns the folder with its dataset_info.json
    prepare: Callable[[], Path]


class Part(NamedTuple):
    """A split that is not stored as one, but chosen from a stored one."""

    stored: str  # the split it is chosen from
    # (what is known of that) -> int64 [n], ascending; None: all of it
    choose: Callable[[cache.Decoded], np.ndarray] | None


def load_prepared(
    config: Data,
    prepared: Prepared,
    parts: Mapping[str, Part] = MappingProxyType({}),
    panels: int = 1,
) -> Dataset:
    """The part of a prepared set that the config asks for.

    Args:
      parts: the splits a config may name, by name; empty: those that are stored.

    Raises:
      UserError: a split that the set does not have, more examples than it has, a cache that
        cannot be written.
    """
    names = tuple(parts) or prepared.splits
    if config.split not in names:
        raise UserError(
            f'config.data.split={config.split!r} is not in {config.name}; '
            f'it has {" and ".join(names)}.'
        )
    part = parts.get(config.split, Part(config.split, None))
    records = Records(prepared.prepare, part.stored)
    decoded = _decode_once(records, prepared.key, part.stored)
    members = part.choose(decoded) if part.choose else np.arange(len(decoded.labels))
    indices = members[subset(config, len(members))]
    shape = seen_shape(config, decoded.image_shape, panels)
    return Dataset(
        name=config.name,
        split=config.split,
        spec=DataSpec(shape, len(decoded.class_names), len(indices), panels, config.deep),
        class_names=decoded.class_names,
        fingerprint=cache.fingerprint(decoded.image_shape, decoded.digests[indices]),
        source=Examples(records, decoded, indices),
        splits=tuple(names),
    )


def seen_shape(config: Data, stored: tuple[int, int, int], panels: int) -> tuple[int, int, int]:
    """(H, W, C) of what training sees of stored images, which are `config.jitter` pixels larger."""
    height, width, channels = stored
    return height - config.jitter, width - panels * config.jitter, channels


def stored_shape(config: Data, spec: DataSpec) -> tuple[int, int, int]:
    """(H, W, C) of the stored images of which training sees what `spec` says."""
    height, width, channels = spec.image_shape
    return height + config.jitter, width + spec.panels * config.jitter, channels


def subset(config: Data, count: int) -> np.ndarray:
    """Which of a set's `count` examples are used, int64, ascending.

    A smaller subset of the same `subset_seed` is part of every larger one, so that a study of
    the number of images adds images and never exchanges them.

    Raises:
      UserError: more are asked for than there are.
    """
    wanted = config.num_examples
    if not 0 <= wanted <= count:
        raise UserError(
            f'config.data.num_examples={wanted} must lie in 0..{count}: {config.name} has {count}'
            f' images in {config.split!r}; --config.data.num_examples=0 uses them all'
        )
    if wanted in (0, count):
        return np.arange(count)
    if config.subset_seed < 0:
        raise UserError(f'config.data.subset_seed={config.subset_seed} must not be negative.')
    random = np.random.Generator(np.random.PCG64(config.subset_seed))
    return np.sort(random.permutation(count)[:wanted])


def _decode_once(records: Records, key: str, split: str) -> cache.Decoded:
    folder = cache.decoded_folder(key, split)
    if folder.exists():
        return cache.read_decoded(folder)
    from tqdm import tqdm

    with cache.locked(f'{key}.decode'):
        cache.sweep(folder.parent)
        count = len(records)  # prepares the set, which may leave the decoded copy
        if not folder.exists():
            chunks = _chunks(records, np.arange(count))
            bar = tqdm(chunks, 'checking', leave=False, disable=None)
            parts = parallel.ordered_map(
                lambda chunk: cache.account(records.take(chunk), count), bar
            )
            cache.keep(folder, list(parts), records.class_names)
    return cache.read_decoded(folder)


def _chunks(records: Records, indices: np.ndarray) -> list[np.ndarray]:
    """Indices in runs that are worth reading at once."""
    size = max(min(CHUNK, CHUNK_BYTES // math.prod(records.image_shape)), 1)
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def find_tfds_copy(path: Path, name: str) -> Prepared | None:
    """A set that tensorflow-datasets itself prepared as ArrayRecord, in the user's own folder.

    That is its version's folder, or the data_dir above it.

    Returns:
      the set, whose key changes with the folder's place, names, sizes and times.

    Raises:
      UserError: it was prepared in another format than ArrayRecord.
    """
    candidates = [path, *sorted((path / name).glob('*'), key=_version)]
    folders = [folder for folder in candidates if (folder / INFO).is_file()]
    if not folders:
        return None
    folder = folders[-1].resolve()
    try:
        info = json.loads((folder / INFO).read_bytes())
        formats = [info.get('fileFormat'), *info.get('alternativeFileFormats', ())]
        splits = tuple(split['name'] for split in info['splits'])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(
            f'config.data.path: {folder / INFO} is damaged ({error!r}): restore or delete it'
        ) from error
    if 'array_record' not in formats:
        raise UserError(
            f'config.data.path: {folder} holds {formats[0]} files; prepare it with '
            f"tfds.builder({name!r}, file_format='array_record').download_and_prepare()."
        )
    return Prepared(f'{name}-{_state(folder)}', splits, lambda: folder)


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.name.split('.') if part.isdecimal())


def _state(folder: Path) -> str:
    """16 hex digits that differ when the folder's files do."""
    stats = {file.name: file.stat() for file in sorted(folder.iterdir())}
    state = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()]
    return hashlib.sha256(json.dumps([str(folder), state]).encode()).hexdigest()[:16]
