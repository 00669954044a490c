"""`celeb_a`: 202,599 aligned faces of celebrities with forty attributes (Liu et al. 2015)."""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import functools
import hashlib
import json
from pathlib import Path, PurePosixPath
import shutil
import threading
from typing import TYPE_CHECKING, Any, NamedTuple
import zipfile

import numpy as np
from PIL import Image

from gan_jax import fields
from gan_jax.data import cache, classes, datasets, decode, downloads, from_files, image_files
from gan_jax.data.datasets import Dataset
from gan_jax.data.image_files import LeftOut
from gan_jax.errors import UserError
from gan_jax.fields import Data
from gan_jax.types import DataSpec

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

COUNTS = {'train': 162_770, 'validation': 19_867, 'test': 19_962, 'all': 202_599}
SPLITS = dict(zip('012', COUNTS, strict=False))  # as the partition file has them
IMAGES, PARTITION, ATTRIBUTES = (
    'img_align_celeba.zip',
    'list_eval_partition.txt',
    'list_attr_celeba.txt',
)
HOME = 'https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html'
URL = 'https://drive.google.com/uc?export=download&id='
FILES = {  # name -> place in Google Drive and sha256, as tensorflow-datasets has them
    IMAGES: (
        '0B7EVK8r0v71pZjFTYXZWM3FlRnM',
        '46fb89443c578308acf364d7d379fe1b9efb793042c0af734b6112e4fd3a8c74',
    ),
    PARTITION: (
        '0B7EVK8r0v71pY0NSMzRuSXJEVkk',
        'fc955bcb3ef8fbdf7d5640d9a8693a8431b5f2ee291a5c1449a1549e7e073fe7',
    ),
    ATTRIBUTES: (
        '0B7EVK8r0v71pblRyaVFSWGxPY0U',
        'f0e5da289d5ccf75ffe8811132694922b60f2af59256ed362afa03fefba324d0',
    ),
}


def spec(config: Data) -> DataSpec:
    """Shapes and counts of the set, known without its files."""
    from_files.size(config)
    whole = COUNTS.get(config.split, COUNTS['all'])
    shape = (*fields.sides(config), 3)
    found = DataSpec(shape, 0, config.num_examples or whole)
    return classes.assumed(found, config.attributes)


def load(config: Data) -> Dataset:
    """CelebA, [size, size, 3]; splits train, validation and test as published, and all.

    Of each image, 178x218, the centred square of `config.crop` pixels is kept. 0, the default,
    takes all 178x178: within a pixel what `Resize(64)` and `CenterCrop(64)` of PyTorch's DCGAN
    example keep. Others in use: 140, 128, and 108 (the DCGAN paper's code), the face alone.

    Args:
      config: the run's `config.data`. Its `path` is a folder with `img_align_celeba.zip` or
        what it unpacks to, and the text files; or that .zip, the text files beside or in it; or
        a copy that tensorflow-datasets prepared as ArrayRecord; '' downloads them. With
        `attributes`, e.g. Smiling,Male, the labels are their combinations (`classes`).

    Raises:
      UserError: a file is missing, an attribute does not exist, no image can be used, or
        there is no network.
    """
    size, crop = from_files.size(config), config.crop
    if config.held_out:
        raise UserError(
            f'config.data.held_out={config.held_out:g}: celeb_a has splits of its own; leave it 0'
        )
    path = (
        image_files.existing(Path(config.path), 'config.data.path') if config.path else downloaded()
    )
    attributes = classes.attributes(config.attributes)
    copy = datasets.find_tfds_copy(path, 'celeb_a') if path.is_dir() else None
    if copy:
        faces = _prepared(copy, attributes, size, crop)
    else:
        faces = _official(path, attributes, size, crop)
    dataset = from_files.load(
        config,
        state=(*faces.state, crop, ','.join(attributes)),
        names=faces.names,
        class_names=classes.combinations(attributes),
        make=faces.make,
        splits=dict(zip(faces.names, faces.splits, strict=True)),
        left_out=faces.left_out,
    )
    return dataclasses.replace(dataset, attributes=attributes)


class Faces(NamedTuple):
    """The images of a copy of CelebA."""

    names: Sequence[str]  # of each image
    splits: Sequence[str]  # of each image
    make: from_files.Make  # see `from_files.load`; the class is 0 without attributes
    state: Sequence[str]  # strings that differ when the files do
    left_out: Sequence[LeftOut]  # files that are not among them


def _official(path: Path, attributes: Sequence[str], size: tuple[int, int], crop: int) -> Faces:
    """Reads the files as they are published."""
    found = image_files.find(_images(path))
    text = _Texts(path, found.path)
    left_out = [*found.ignored]
    partition = _partition(text.lines(PARTITION), left_out)
    labels = _labels(text.lines(ATTRIBUTES), attributes, left_out) if attributes else None
    rows: dict[str, int] = {}
    for index, name in enumerate(found.names):
        file = PurePosixPath(name).name
        if why := _unusable(file, rows, partition, labels):
            left_out.append(LeftOut(name, why))
        else:
            rows[file] = index
    known = {PurePosixPath(name).name for name in found.names}
    missing = (file for file in partition if file not in known)
    left_out += [
        LeftOut(file, f'{PARTITION} lists it, but there is no such image') for file in missing
    ]
    label_of = [labels[file] if labels else 0 for file in rows]
    place_of = list(rows.values())

    def make(index: int) -> tuple[np.ndarray, int]:
        content = found.read(place_of[index])
        return decode.read_fitted(content, size, crop), label_of[index]

    listed = hashlib.sha256(repr((list(rows), label_of)).encode()).hexdigest()
    parts = [partition[file] for file in rows]
    return Faces(list(rows), parts, make, (found.state, listed), left_out)


def _unusable(
    file: str,
    rows: Mapping[str, int],
    partition: Mapping[str, str],
    labels: Mapping[str, int] | None,
) -> str:
    """Why an image cannot be used; '' if it can."""
    if file in rows:
        return 'another image has its name'
    if file not in partition:
        return f'{PARTITION} does not list it'
    if labels is not None and file not in labels:
        return f'{ATTRIBUTES} does not list it'
    return ''


def _images(path: Path) -> Path:
    """Where the images are, of a .zip or a folder as the user names it."""
    if path.is_file():
        return path
    for place in (path, path / 'Img'):
        for name in (IMAGES, 'img_align_celeba'):
            if (place / name).exists():
                return place / name
    return path


class _Texts:
    """The text files: beside the images, in their folder, or in the .zip."""

    def __init__(self, path: Path, images: Path):
        self._path = path
        self._images = images
        top = path.parent if path.is_file() else path
        self._folders = [
            folder / inner
            for folder in dict.fromkeys((top, images.parent, images, images.parent.parent))
            for inner in ('', 'Anno', 'Eval')
        ]

    def lines(self, name: str) -> list[str]:
        """The lines of a file, without empty ones.

        Raises:
          UserError: it is missing or cannot be read.
        """
        try:
            content = self._content(name)
        except Exception as error:  # zipfile, zlib and the system raise what they like
            raise UserError(
                f'{name} (config.data.path={self._path}) cannot be read ({error}): put a whole copy'
                f' of it beside {IMAGES}'
            ) from error
        if content is None:
            raise UserError(
                f'{name} is missing (config.data.path={self._path}): put it beside {IMAGES}; it'
                f' comes with CelebA, {HOME}'
            )
        return [line for line in content.decode('utf-8', 'replace').splitlines() if line.strip()]

    def _content(self, name: str) -> bytes | None:
        for folder in self._folders:
            if (folder / name).is_file():
                return (folder / name).read_bytes()
        if self._images.is_file():
            with zipfile.ZipFile(self._images) as archive:
                for member in archive.namelist():
                    if PurePosixPath(member).name == name:
                        return archive.read(member)
        return None


def _partition(lines: Iterable[str], left_out: list[LeftOut]) -> dict[str, str]:
    """The split of each file."""
    splits = {}
    for number, line in enumerate(lines, 1):
        match line.split():
            case [file, ('0' | '1' | '2') as part]:
                splits[file] = SPLITS[part]
            case words:
                left_out.append(_malformed(words[0], PARTITION, number))
    return splits


def _labels(
    lines: Sequence[str], attributes: Sequence[str], left_out: list[LeftOut]
) -> dict[str, int]:
    """The combination of the attributes that each file has."""
    known = lines[1].split() if len(lines) > 1 else []
    classes.check_attributes(attributes, known, ATTRIBUTES)
    columns = [known.index(name) for name in attributes]
    count = lines[0].strip()
    if count != str(len(lines) - 2):
        why = f'its first line says {count!r} images, it lists {len(lines) - 2}'
        left_out.append(LeftOut(ATTRIBUTES, why))
    labels = {}
    for number, line in enumerate(lines[2:], 3):
        file, *values = line.split()
        if len(values) == len(known) and {values[column] for column in columns} <= {'1', '-1'}:
            labels[file] = classes.combined(values[column] == '1' for column in columns)
        else:
            left_out.append(_malformed(file, ATTRIBUTES, number))
    return labels


def _malformed(name: str, file: str, number: int) -> LeftOut:
    return LeftOut(name, f'line {number} of {file} is malformed')


def _prepared(
    copy: datasets.Prepared, attributes: Sequence[str], size: tuple[int, int], crop: int
) -> Faces:
    """Reads a copy that tensorflow-datasets prepared."""
    folder = copy.prepare()
    splits = json.loads((folder / datasets.INFO).read_bytes())['splits']
    counts = {split['name']: sum(map(int, split['shardLengths'])) for split in splits}
    places = [(split, row) for split, count in counts.items() for row in range(count)]
    names = [f'{split}/{row}' for split, row in places]
    opened = functools.cache(functools.partial(_opened, folder, attributes))
    lock = threading.Lock()

    def make(index: int) -> tuple[np.ndarray, int]:
        split, row = places[index]
        with lock:
            source = opened()[split]
        example = source[row]
        label = classes.combined(bool(example['attributes'][name]) for name in attributes)
        return decode.fitted(Image.fromarray(example['image']), size, crop), label

    return Faces(names, [split for split, _ in places], make, (copy.key,), ())


def _opened(folder: Path, attributes: Sequence[str]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(folder, file_format='array_record')
    classes.check_attributes(attributes, list(builder.info.features['attributes']), 'the copy')
    return {split: builder.as_data_source(split) for split in builder.info.splits}


def downloaded() -> Path:
    """The folder in the cache with the three files, downloaded by tfds's manager if need be.

    Raises:
      UserError: Google Drive does not answer, or sends something else, as it often does.
    """
    folder = cache.set_folder('celeb_a-official')
    with cache.locked('celeb_a.download'):
        if all((folder / name).is_file() for name in FILES):
            return folder
        import tensorflow_datasets as tfds

        manager = tfds.download.DownloadManager(download_dir=cache.set_folder('downloads'))
        paths = download(manager)
        folder.mkdir(parents=True, exist_ok=True)
        for name, path in paths.items():
            path.replace(folder / name)
            shutil.rmtree(path.parent, ignore_errors=True)
    return folder


def download(manager: 'tfds.download.DownloadManager') -> dict[str, Path]:
    """Downloads the three files; see `downloads.fetch`."""
    return downloads.fetch(
        manager,
        {name: URL + place for name, (place, _) in FILES.items()},
        {name: digest for name, (_, digest) in FILES.items()},
        'sha256',
        f'put {", ".join(FILES)} from {HOME} in a folder and give --config.data.path=FOLDER',
    )
