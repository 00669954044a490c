"""Prepared sets of a user's own image files: decoded, cut and resized once, in parallel."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
import csv
import dataclasses
import functools
import hashlib
import itertools
from pathlib import Path
import sys
from typing import Any, NamedTuple

import numpy as np

from gan_jax import fields
from gan_jax.data import cache, decode, deep, duplicates, parallel, png
from gan_jax.data.datasets import Dataset, Part, Prepared, load_prepared
from gan_jax.data.decode import Unreadable
from gan_jax.data.image_files import LeftOut, shown
from gan_jax.errors import UserError
from gan_jax.fields import Data
from gan_jax.io import files
from gan_jax.types import Batch

STORED = 'every'  # the split that is prepared; those a config may name are chosen from it
LISTED = 'files.csv'  # beside a prepared set: what became of each file
COLUMNS = ('file', 'image', 'why_not', 'doubt')  # of that list
CHUNK = 32  # images that are made at once
NAMED = 3  # files that a message names
VERSION = 2  # of how an image is decoded, cut and resized

READ = {False: decode.read_fitted, True: deep.read_fitted}  # by `config.deep`

Make = Callable[[int], tuple[np.ndarray, int] | tuple[np.ndarray, int, str]]


def size(config: Data) -> tuple[int, int]:
    """Height and width of each stored image: what training sees, and the jitter.

    Raises:
      UserError: `config.data` gives no size.
    """
    if config.image_size < 1:
        raise UserError(
            f'config.data.image_size=0: the set {config.name} needs a size, e.g. 64, to which its'
            ' images are cut and resized'
        )
    height, width = fields.sides(config)
    return height + config.jitter, width + config.jitter


def shape(config: Data) -> tuple[int, int, int]:
    """(H, W, C) of what training sees of each."""
    size(config)
    return (*fields.sides(config), decode.CHANNELS[config.channels])


def read_fitted(config: Data, content: bytes) -> np.ndarray:
    """A file's image as `config.data` has it stored: [height, width, C]."""
    channels = decode.CHANNELS[config.channels]
    return READ[config.deep](content, size(config), config.crop, channels)


def load(
    config: Data,
    *,
    state: Sequence[Any],
    names: Sequence[str],
    class_names: Sequence[str],
    make: Make,
    splits: Mapping[str, str] | None = None,
    panels: int = 1,
    left_out: Sequence[LeftOut] = (),
) -> Dataset:
    """The set that a config asks for, prepared from image files unless it is.

    Args:
      state: all that decides what is prepared; of strings and numbers.
      names: of the images, each once, for messages and the list of files.
      make: index -> image [height, panels * width, C], its class and, if it may be wrong, why; is
        called by several threads.
      splits: the split of each name, besides 'all'; None: 'train' and 'test' by
        `config.held_out`.
      left_out: files that are not among `names`.

    Raises:
      UserError: no image can be used, none is in the split, or fewer than are asked for.
    """
    if not names:
        raise _nothing_left(0, left_out)
    height, width = size(config)
    how = VERSION, decode.abilities()
    # Other than all images were before there was a choice.
    unusual = config.deep or config.channels != 'rgb'
    kept = (config.channels, config.deep) if unusual else ()
    text = repr((*how, height, width, panels, tuple(class_names), *state, *kept))
    key = f'{config.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}'
    shape = height, panels * width, decode.CHANNELS[config.channels]
    work = _Preparation(key, shape, names, tuple(class_names), make, left_out, config.deep)
    empty: set[str] = set()
    parts = _held_out(config, key, empty) if splits is None else _official(config, key, splits)
    dataset = load_prepared(config, Prepared(key, (STORED,), work.prepare), parts, panels)
    return dataclasses.replace(
        dataset,
        facts=lambda: _facts(config, key, splits),
        splits=tuple(name for name in parts if name not in empty),
    )


def _official(config: Data, key: str, splits: Mapping[str, str]) -> dict[str, Part]:
    """The splits that a set comes with."""
    split_of = {shown(name): split for name, split in splits.items()}

    def choose(wanted: str, decoded: cache.Decoded) -> np.ndarray:
        names = stored_names(key)
        return _some(config, np.array([split_of.get(name) == wanted for name in names]))

    named = sorted(set(splits.values()))
    parts = {name: Part(STORED, functools.partial(choose, name)) for name in named}
    return parts | {'all': Part(STORED, None)}


def _held_out(config: Data, key: str, empty: set[str]) -> dict[str, Part]:
    """'train' and 'test' by `config.held_out`, and 'all'; those without an image go to `empty`."""
    if not config.held_out:
        empty.add('test')

    def choose(test: bool, decoded: cache.Decoded) -> np.ndarray:
        if config.unlabelled:
            _refuse_contradiction(decoded, stored_names(key))
        if not config.held_out and not test:
            return np.arange(len(decoded.labels))
        group = duplicates.groups(decoded.hashes)
        # Not by labels, or sorting an image into a class could move it from test to train.
        out = duplicates.held_out(decoded.contents, group, config.held_out)
        if not out.any():
            empty.add('test')
        chosen = _some(config, out == test)
        _write_split(_split_file(config, key), stored_names(key), decoded.digests, group, out)
        return chosen

    return {
        'train': Part(STORED, functools.partial(choose, False)),
        'test': Part(STORED, functools.partial(choose, True)),
        'all': Part(STORED, None),
    }


def _refuse_contradiction(decoded: cache.Decoded, names: Sequence[str]) -> None:
    """Raises UserError if the same photo is in two classes: few labels cannot outvote one."""
    seen: dict[bytes, int] = {}
    for index in map(int, np.flatnonzero(decoded.labels >= 0)):
        first = seen.setdefault(decoded.contents[index].tobytes(), index)
        if decoded.labels[first] != decoded.labels[index]:
            raise UserError(
                f'config.data.path: {names[first]} and {names[index]} are the same photo in two'
                ' classes: delete it from one of them'
            )


def _some(config: Data, member: np.ndarray) -> np.ndarray:
    """The indices of the members of a split: bool [N] to int64 [n], n > 0."""
    if not member.any():
        why = none_held_out(config, len(member))
        raise UserError(f'config.data.split={config.split}: it is empty; {why}')
    return np.flatnonzero(member)


def none_held_out(config: Data, count: int) -> str:
    """Why none of `count` images is in the split 'test', and what to do about it."""
    if not config.held_out:
        return 'set config.data.held_out to the share of the images that it is to have'
    return (
        f'none of {count:,} images is held out at the share {config.held_out:g}, as near duplicates'
        ' stay together; add images, or raise config.data.held_out'
    )


def _split_file(config: Data, key: str) -> Path:
    return cache.set_folder(key) / f'split-{config.held_out:g}.csv'


def _write_split(
    path: Path, names: Sequence[str], digests: np.ndarray, group: np.ndarray, out: np.ndarray
) -> None:
    """Writes, unless it is there, which image is on which side, and which it is there with."""
    sides = np.where(out, 'test', 'train')
    content = (bytes(digest).hex() for digest in digests)
    rows = zip(names, sides, content, map(int, group), strict=True)
    table = files.table(('file', 'split', 'sha256', 'group'), rows)
    if not path.exists() or path.read_bytes() != table:
        files.replace(path, table)


def _facts(config: Data, key: str, splits: Mapping[str, str] | None) -> dict[str, Any]:
    """Facts for a person about how the set came about; see `Dataset.facts`."""
    rows = _rows(_account(key))
    used = [row['file'] for row in rows if row['image']]
    facts: dict[str, Any] = dict(left_out=len(rows) - len(used))
    if doubtful := sum(bool(row['doubt']) for row in rows):
        facts['doubtful'] = doubtful
    facts['files'] = str(_account(key))
    if splits is not None:
        split_of = {shown(name): split for name, split in splits.items()}
        return facts | {'splits': dict(Counter(split_of.get(name) for name in used))}
    if config.held_out and (table := _split_file(config, key)).exists():
        facts |= {'splits': dict(Counter(row['split'] for row in _rows(table)))}
    return facts


def stored_names(key: str) -> list[str]:
    """The file of each image of a prepared set, in order."""
    return [row['file'] for row in _rows(_account(key)) if row['image']]


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline='', encoding='utf-8') as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise UserError(
            f'{path} cannot be read ({error.strerror}): delete its folder, it will be made anew'
        ) from error


def _account(key: str) -> Path:
    return cache.set_folder(key) / LISTED


class _Made(NamedTuple):
    """The result of decoding a chunk of files."""

    part: cache.Accounted | None  # the images that could be made; None if there are none
    pngs: Sequence[bytes]  # the PNG file of each
    failed: Mapping[int, str]  # place in the run -> why there is no image
    doubts: Mapping[int, str]  # place in the run -> why the image may be wrong


def _make_all(make: Make, of: int, chunk: range) -> _Made:
    """Makes a chunk `of` so many images."""
    made, failed, doubts = [], {}, {}
    for place, index in enumerate(chunk):
        try:
            image, label, *doubt = make(index)
        except Unreadable as error:
            failed[place] = str(error)
            continue
        made.append((image, label))
        if any(doubt):
            [doubts[place]] = doubt
    if not made:
        return _Made(None, (), failed, doubts)
    images, labels = zip(*made, strict=True)
    part = cache.account(Batch(np.stack(images), np.array(labels, np.int32)), of)
    return _Made(part, [png.encode(image) for image in images], failed, doubts)


@dataclasses.dataclass
class _Preparation:
    """Reads the images of a set, and keeps the account of their files."""

    key: str
    shape: tuple[int, int, int]
    names: Sequence[str]
    class_names: tuple[str, ...]
    make: Make
    left_out: Sequence[LeftOut]
    deep: bool  # see `DataSpec`

    @property
    def _dtype(self) -> type[np.unsignedinteger]:
        return np.uint16 if self.deep else np.uint8

    def prepare(self) -> Path:
        """Prepares the set unless it is; returns its folder."""
        from gan_jax.data import builders

        splits = {STORED: self.encoded}
        return builders.prepare(
            self.key,
            builders.Contents(self.shape, self.class_names, lambda manager: splits, self._dtype),
        )

    def encoded(self) -> Iterator[tuple[bytes, int]]:
        """PNG files and labels of the images that can be read, in order.

        The decoded copy is written on the way, so that nothing is read twice.
        """
        used, left_out = array('q'), list(self.left_out)
        doubts: dict[int, str] = {}
        parts: list[cache.Accounted] = []
        for chunk, made in self._chunks():
            if made.part:
                parts.append(made.part)
                yield from zip(made.pngs, made.part.batch.label.tolist(), strict=True)
            for place, index in enumerate(chunk):
                if place in made.failed:
                    left_out.append(LeftOut(self.names[index], made.failed[place]))
                else:
                    used.append(index)
            doubts |= {chunk[place]: why for place, why in made.doubts.items()}
        self._report(used, left_out, doubts)
        cache.keep(cache.decoded_folder(self.key, STORED), parts, self.class_names)

    def _chunks(self) -> Iterator[tuple[range, _Made]]:
        from tqdm import tqdm

        count = len(self.names)
        chunks = [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
        made = parallel.ordered_map(functools.partial(_make_all, self.make, count), chunks)
        with tqdm(None, 'preparing', count, unit='image', leave=False, disable=None) as bar:
            for chunk, part in zip(chunks, made, strict=True):
                yield chunk, part
                bar.update(len(chunk))

    def _report(
        self, used: Sequence[int], left_out: Sequence[LeftOut], doubts: Mapping[int, str]
    ) -> None:
        """Writes which file is which image, and says what was left out or may be wrong."""
        if not used:
            raise _nothing_left(len(self.names), left_out)
        account = _account(self.key)
        rows = (
            (shown(self.names[index]), row, '', doubts.get(index, ''))
            for row, index in enumerate(used)
        )
        others = ((shown(name), '', why, '') for name, why in left_out)
        table = files.table(COLUMNS, itertools.chain(rows, others))
        files.replace(account, table)
        doubtful = [LeftOut(self.names[index], why) for index, why in doubts.items()]
        for what, some in (('used, but doubtful', doubtful), ('left out', left_out)):
            if some:
                print(f'{len(some)} {what} ({_some_of(some)}); all are listed in {account}',
                      file=sys.stderr)  # fmt: skip


def _nothing_left(count: int, left_out: Sequence[LeftOut]) -> UserError:
    return UserError(
        f'config.data.path: none of {count:,} images can be used ({_some_of(left_out)}); give whole'
        ' image files'
    )


def _some_of(left_out: Sequence[LeftOut]) -> str:
    more = len(left_out) - NAMED
    return '; '.join(map(str, left_out[:NAMED])) + (f'; and {more} more' if more > 0 else '')
