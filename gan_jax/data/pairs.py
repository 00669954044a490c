"""`pairs`: an input and the photo it is to become, side by side in one image."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from ml_collections import ConfigDict
import numpy as np
from PIL import Image

from gan_jax.data import album, albums, decode, inputs
from gan_jax.data.album import Album, LeftOut, shown
from gan_jax.data.sources import Dataset
from gan_jax.errors import UserError, nearest
from gan_jax.types import DataSpec

INPUTS = (*inputs.MADE, 'left', 'right', 'folder')
ASSUMED = 400  # pairs of a folder that was not looked at

Make = Callable[[int], np.ndarray]


def spec(config: ConfigDict) -> DataSpec:
    """What pairs of the config's size would be; their number is not known yet."""
    albums.side(config)
    shape = (config.image_size, 2 * config.image_size, 3)
    return DataSpec(shape, 0, config.num_examples or ASSUMED, panels=2)


def load(config: ConfigDict) -> Dataset:
    """Pairs [size, 2 * size, 3]: the input on the left, the photo on the right.

    `config.input` says where the input comes from:

    * grey, canny: made from the photo, once that is cut and resized (`gan_jax.data.inputs`).
    * left, right: it is that half of each image; the other half is the photo.
    * folder: it is the image in `config.input_path` with the same name, whatever its suffix.

    Of each panel the centred square is kept, `config.crop` pixels a side or as large as it can
    be, at `config.image_size` (`decode.square`).

    Args:
      config: the run's `config.data`.

    Raises:
      UserError: a field that does not fit, no such folder, or no pair that can be used.
    """
    _check(config)
    size, crop = albums.side(config), config.crop
    photos = album.find(Path(config.path))

    def panel(found: Album, index: int) -> np.ndarray:
        image = decode.read(found.read(index), least_side=0 if crop else size)
        return decode.square(image, size, crop)

    state = [photos.state, crop, config.input]
    names, left_out = photos.names, photos.ignored
    if config.input in inputs.MADE:
        make = _made(lambda index: panel(photos, index), inputs.make(config))
        state += inputs.thresholds(config.canny) if config.input == 'canny' else ()
    elif config.input == 'folder':
        partners = album.find(Path(config.input_path), 'config.data.input_path')
        matched, unmatched = match(photos.names, partners.names)
        names = [photos.names[index] for index, _ in matched]
        left_out = [*photos.ignored, *partners.ignored, *unmatched]
        state.append(partners.state)
        make = _both(panel, (partners, [b for _, b in matched]), (photos, [a for a, _ in matched]))
    else:
        make = _halves(photos, config.input == 'left', size, crop)
    return albums.load(
        config,
        state=state,
        names=names,
        class_names=(),
        make=lambda index: (make(index), 0),
        panels=2,
        left_out=left_out,
    )


def _check(config: ConfigDict) -> None:
    if config.input not in INPUTS:
        raise UserError(f'config.data.input={config.input!r}: {nearest(config.input, INPUTS)}')
    if not config.path:
        raise UserError('config.data.path is empty: give --config.data.path=FOLDER of the photos')
    if bool(config.input_path) != (config.input == 'folder'):
        raise UserError(
            f'config.data.input_path={config.input_path!r}: it is the folder of the inputs if'
            ' config.data.input=folder, and empty otherwise'
        )


def _made(photo: Make, function: inputs.Input) -> Make:
    def make(index: int) -> np.ndarray:
        image = photo(index)
        return np.concatenate([function(image), image], axis=1)

    return make


def _both(panel: Callable[[Album, int], np.ndarray], *sides: tuple[Album, Sequence[int]]) -> Make:
    def one(found: Album, index: int) -> np.ndarray:
        try:
            return panel(found, index)
        except decode.Unreadable as error:
            name = shown(str(found.path / found.names[index]))
            raise decode.Unreadable(f'{name}: {error}') from error

    def make(index: int) -> np.ndarray:
        return np.concatenate([one(found, rows[index]) for found, rows in sides], axis=1)

    return make


def _halves(found: Album, input_first: bool, size: int, crop: int) -> Make:
    def make(index: int) -> np.ndarray:
        # The short side of a half is not known before it is decoded: a JPEG is read whole.
        left, right = halves(decode.read(found.read(index)))
        both = (left, right) if input_first else (right, left)
        return np.concatenate([decode.square(half, size, crop) for half in both], axis=1)

    return make


def halves(image: Image.Image) -> tuple[Image.Image, Image.Image]:
    """The left and the right half of an image.

    Raises:
      Unreadable: its width is odd.
    """
    width, height = image.size
    if width % 2:
        raise decode.Unreadable(f'{width}x{height} has no two halves: its width is odd')
    return image.crop((0, 0, width // 2, height)), image.crop((width // 2, 0, width, height))


def match(
    photos: Sequence[str], partners: Sequence[str]
) -> tuple[list[tuple[int, int]], list[LeftOut]]:
    """Which photo belongs to which input: those whose names are equal but for the suffix.

    Args:
      photos: names with slashes, relative to their folder.
      partners: the same of the inputs.

    Returns:
      The indices of both, in the order of the photos, and what has no partner.
    """
    left_out: list[LeftOut] = []
    photo_of, input_of = _by_stem(photos, left_out), _by_stem(partners, left_out)
    left_out += [
        LeftOut(photos[index], 'no input has its name')
        for stem, index in photo_of.items()
        if stem not in input_of
    ]
    left_out += [
        LeftOut(partners[index], 'no photo has its name')
        for stem, index in input_of.items()
        if stem not in photo_of
    ]
    matched = [(index, input_of[stem]) for stem, index in photo_of.items() if stem in input_of]
    return matched, left_out


def _by_stem(names: Sequence[str], left_out: list[LeftOut]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for index, name in enumerate(names):
        stem = str(PurePosixPath(name).with_suffix(''))
        if stem in found:
            left_out.append(LeftOut(name, f'{shown(names[found[stem]])} has the same name'))
        else:
            found[stem] = index
    return found
