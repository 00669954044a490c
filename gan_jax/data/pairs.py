"""`pairs`: an input and the photo it is to become, side by side in one image."""

from collections.abc import Mapping, Sequence
import functools
from pathlib import Path
import unicodedata

import numpy as np
from PIL import Image

from gan_jax import fields
from gan_jax.data import decode, from_files, image_files, inputs
from gan_jax.data.datasets import Dataset
from gan_jax.data.image_files import ImageFolder, LeftOut, shown
from gan_jax.errors import UserError, nearest
from gan_jax.fields import Data
from gan_jax.io import files as files_lib
from gan_jax.types import DataSpec

INPUTS = (*inputs.MADE, 'left', 'right', 'folder')
ASSUMED = 400  # pairs of a folder that was not looked at


def spec(config: Data) -> DataSpec:
    """The spec of pairs of the config's size; their number is not known yet."""
    from_files.size(config)
    height, width = fields.sides(config)
    shape = (height, 2 * width, 3)
    return DataSpec(shape, 0, config.num_examples or ASSUMED, panels=2)


def load(config: Data) -> Dataset:
    """Pairs [size, 2 * size, 3]: the input on the left, the photo on the right.

    `config.input` says where the input comes from:

    * grey, canny: made from the photo, once that is cut and resized (`gan_jax.data.inputs`).
    * left, right: it is that half of each image; the other half is the photo. Halves that are no
      squares are doubtful, and an image that is not wider than high is no pair.
    * folder: it is the image in `config.input_path` with the same name, whatever its suffix. Both
      have the same shape, upright; with `crop` the same size.

    Of each panel the centred part is kept, `config.crop` pixels high or as large as it can
    be, at `config.image_size` and `width` (`decode.fitted`).

    Raises:
      UserError: a field that does not fit, no such folder, or no pair that can be used.
    """
    _check(config)
    size, crop = from_files.size(config), config.crop
    photos = image_files.find(Path(config.path))
    state = [photos.state, crop, config.input]
    names, left_out = photos.names, photos.ignored
    make: from_files.Make
    if config.input in inputs.MADE:
        make = functools.partial(_made, photos, size, crop, inputs.make(config))
        state += inputs.thresholds(config.canny) if config.input == 'canny' else ()
    elif config.input == 'folder':
        partners = image_files.find(Path(config.input_path), 'config.data.input_path')
        matched, unmatched = match(photos.names, partners.names)
        if not matched:
            raise _no_pair(config, photos.names[0], partners.names[0])
        names = [photos.names[index] for index, _ in matched]
        left_out = [*photos.ignored, *partners.ignored, *unmatched]
        state.append(partners.state)
        make = functools.partial(_both, photos, partners, matched, size, crop)
    else:
        make = functools.partial(_halves, photos, size, crop, config.input == 'left')
    return from_files.load(
        config,
        state=state,
        names=names,
        class_names=(),
        make=make,
        panels=2,
        left_out=left_out,
    )


def _check(config: Data) -> None:
    if config.input not in INPUTS:
        raise UserError(f'config.data.input={config.input!r}: {nearest(config.input, INPUTS)}')
    if not config.path:
        raise UserError('config.data.path is empty: give --config.data.path=FOLDER of the photos')
    if bool(config.input_path) != (config.input == 'folder'):
        raise UserError(
            f'config.data.input_path={config.input_path!r}: it is the folder of the inputs if'
            ' config.data.input=folder, and empty otherwise'
        )


def _no_pair(config: Data, photo: str, partner: str) -> UserError:
    return UserError(
        f'config.data.input_path={config.input_path}: no input has the name of a photo, up to the'
        f' suffix; the photos are called as {shown(photo)}, the inputs as {shown(partner)}: rename'
        ' those or these'
    )


def _made(
    photos: ImageFolder, size: tuple[int, int], crop: int, function: inputs.Input, index: int
) -> tuple[np.ndarray, int, str]:
    photo = decode.read_fitted(photos.read(index), size, crop)
    return _pair(function(photo), photo)


def _both(
    photos: ImageFolder,
    partners: ImageFolder,
    matched: Sequence[tuple[int, int]],
    size: tuple[int, int],
    crop: int,
    index: int,
) -> tuple[np.ndarray, int, str]:
    def read(album: ImageFolder, place: int) -> decode.Upright:
        try:
            return decode.read_whole(album.read(place), 0 if crop else max(size))
        except decode.Unreadable as error:
            name = shown(str(album.path / album.names[place]))
            raise decode.Unreadable(f'{name}: {error}') from error

    place, other = matched[index]
    before, photo = read(partners, other), read(photos, place)
    if not _coincide(before.size, photo.size, exactly=crop > 0):
        shapes = ' and '.join('{}x{}'.format(*side.size) for side in (before, photo))
        raise decode.Unreadable(
            f'input and photo have {shapes} pixels upright: save them with the same'
            + (' size' if crop else ' shape')
        )
    panels = [decode.fitted(side.image, size, crop) for side in (before, photo)]
    return _pair(panels[0], panels[1], _doubt(before, photo))


def _coincide(one: tuple[int, int], other: tuple[int, int], *, exactly: bool) -> bool:
    """Whether two images (width, height) may show the same view, if at other sizes."""
    if exactly or one == other:
        return one == other
    # Sides may have been rounded by up to a pixel.
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(sum(one), sum(other))


def _doubt(before: decode.Upright, photo: decode.Upright) -> str:
    """Why they may not lie on each other; a turn by a quarter shows in the shape."""
    width, height = photo.size
    told = width != height and {before.orientation, photo.orientation} & set(decode.LYING)
    if before.orientation == photo.orientation or told:
        return ''
    return 'EXIF turns one of input and photo, and not the other: see whether both are upright'


def _halves(
    photos: ImageFolder, size: tuple[int, int], crop: int, input_first: bool, index: int
) -> tuple[np.ndarray, int, str]:
    # The short side of a half is not known before it is decoded: a JPEG is read whole.
    image = decode.read(photos.read(index))
    left, right = (decode.fitted(half, size, crop) for half in halves(image))
    width, height = image.width // 2, image.height
    squares = width == height
    doubt = '' if squares else f'halves of {width}x{height} are no squares: is it a pair?'
    return _pair(left, right, doubt) if input_first else _pair(right, left, doubt)


def _pair(before: np.ndarray, photo: np.ndarray, doubt: str = '') -> tuple[np.ndarray, int, str]:
    """Both panels in one image, uint8 [side, 2 * side, 3], the class that no pair has, a doubt."""
    return np.concatenate([before, photo], axis=1), 0, doubt


def halves(image: Image.Image) -> tuple[Image.Image, Image.Image]:
    """The left and the right half of an image.

    Raises:
      Unreadable: its width is odd, or not more than its height: no two pictures side by side.
    """
    width, height = image.size
    if width <= height:
        raise decode.Unreadable(
            f'{width}x{height} is no pair side by side: it is not wider than high'
        )
    if width % 2:
        raise decode.Unreadable(f'{width}x{height} has no two halves: its width is odd')
    return image.crop((0, 0, width // 2, height)), image.crop((width // 2, 0, width, height))


def match(
    photos: Sequence[str], partners: Sequence[str]
) -> tuple[list[tuple[int, int]], list[LeftOut]]:
    """Which photo belongs to which input: those whose names are equal but for the suffix.

    Names, with slashes, are compared in Unicode's composed form, as some systems unpack them in
    another.

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
        stem = unicodedata.normalize('NFC', files_lib.stem(name))
        if stem in found:
            left_out.append(LeftOut(name, f'{shown(names[found[stem]])} has the same name'))
        else:
            found[stem] = index
    return found
