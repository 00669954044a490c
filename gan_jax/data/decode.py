"""Decodes image files to pixels: every kind of file an album has, none trusted."""

import ctypes
import functools
import io
import logging
import math
from pathlib import Path
import re
import threading
from typing import Any, NamedTuple
import warnings

import numpy as np
from PIL import Image, UnidentifiedImageError, features

from gan_jax.data import containers
from gan_jax.data.containers import Bare
from gan_jax.terminal import printable

MAX_PIXELS = 200_000_000  # more is refused before it is decoded; a phone's photo has up to 2e8
BACKGROUND = (255, 255, 255)  # what shows through transparent pixels
CHANNELS = {'rgb': 3, 'grey': 1, 'rgba': 4}  # how many there are of each kind
# Pillow's name of pixels of so many channels; RGBa: RGBA with the colours multiplied by alpha.
MODES = {1: 'L', 3: 'RGB', 4: 'RGBa'}
LYING = (5, 6, 7, 8)  # orientations that exchange width and height
# What turns a picture of each orientation upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# The check in `opened` replaces Pillow's, which only warns up to twice its own limit.
Image.MAX_IMAGE_PIXELS = None
logging.getLogger('PIL').addHandler(logging.NullHandler())  # what it logs it raises too
warnings.filterwarnings('ignore', module=r'PIL\.')  # names no file; one that is broken is named
_said = threading.local()  # by libtiff, of the file that a thread reads


class Unreadable(Exception):
    """A file is no image, or a broken one, or too large; the message says which."""


def read(
    content: bytes, least_side: int = 0, most_pixels: int = MAX_PIXELS, channels: int = 3
) -> Image.Image:
    """Decodes an image, upright as its EXIF orientation says, as RGB or another of `MODES`.

    JPEG, PNG, WebP, BMP, GIF, TIFF (of these the first frame), AVIF and, where pillow-heif is
    installed, HEIC, whatever the file's name is; grey, palette, CMYK and 16 bits a channel become
    RGB of 8; where no alpha is kept, transparent pixels are laid over `BACKGROUND`. What else is in
    the file is not looked at, see `gan_jax.data.containers`.

    Args:
      least_side: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as long as its short side
        keeps twice as many pixels, which is several times faster; 0: at its full size.
      channels: a key of `MODES`.

    Raises:
      Unreadable: it cannot be decoded, or has more pixels.
    """
    return read_whole(content, least_side, most_pixels, channels).image


class Upright(NamedTuple):
    """A decoded image."""

    image: Image.Image  # of a mode of `MODES`
    size: tuple[int, int]  # width and height that it has at its full size
    orientation: int  # 1 to 8, as the file said; it is undone


def read_whole(
    content: bytes, least_side: int = 0, most_pixels: int = MAX_PIXELS, channels: int = 3
) -> Upright:
    """`read`, with what is known of the image besides."""
    _listen()
    _said.text = ''
    try:
        bare = containers.strip(content)
        with opened(bare, most_pixels) as image:
            full = image.size
            if least_side and bare.kind == 'JPEG':
                factor = 2 * least_side / min(image.size)
                width, height = (math.ceil(side * factor) for side in image.size)
                image.draft(None, (width, height))
            image.load()
            turned = _orientation(bare, image)
            kept = _converted(image, bare, MODES[channels])
            return Upright(upright(kept, turned), full[::-1] if turned in LYING else full, turned)
    except Unreadable:
        raise
    except Exception as error:  # the decoders raise whatever they meet
        why = _said.text or str(error)
        raise Unreadable(why.splitlines()[0] if why else repr(error)) from error


@functools.cache
def _listen() -> Any:
    """Keeps what Pillow's libtiff prints, which names no file, for `_said`; cached, to live."""
    with open('/proc/self/maps', encoding='utf-8', errors='replace') as lines:
        found = re.search(r'/\S*/libtiff[^/\s]*', lines.read())
    if not found or not Path(found[0]).is_file():
        return None
    form = ctypes.CDLL(None).vsnprintf
    form.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p]

    def hear(module: bytes | None, text: bytes, values: int) -> None:
        buffer = ctypes.create_string_buffer(200)
        form(buffer, len(buffer), text, values)
        _said.text = printable(buffer.value.decode('utf-8', 'replace'))

    kind = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
    library, heard = ctypes.CDLL(found[0]), kind(hear)
    library.TIFFSetErrorHandler(heard)
    library.TIFFSetWarningHandler(None)
    return heard


def opened(bare: Bare, most_pixels: int = MAX_PIXELS) -> Image.Image:
    """An image of which no pixel is decoded yet.

    Raises:
      Unreadable: it is none, or has more pixels.
    """
    if not bare.content:
        raise Unreadable('the file is empty')
    if bare.kind == 'HEIF' and not _knows_heif():
        raise Unreadable('HEIC: `pip install pillow-heif` makes it readable, or save it as JPEG')
    if bare.kind == 'AVIF' and not features.check('avif'):
        raise Unreadable('AVIF, which this Pillow cannot read: save it as JPEG')
    if not bare.kind:
        raise Unreadable('not an image')
    try:
        image = Image.open(io.BytesIO(bare.content), formats=[bare.kind])
    except UnidentifiedImageError:
        raise Unreadable(f'a broken {bare.kind} file') from None
    width, height = image.size
    if width * height > most_pixels:
        raise Unreadable(f'{width}x{height} pixels; at most {most_pixels:,} are decoded')
    return image


@functools.cache
def _knows_heif() -> bool:
    """Whether Pillow reads HEIC, which an optional package teaches it."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def abilities() -> tuple[str, ...]:
    """The kinds of files that not every installation reads, of those that this one does."""
    return ('HEIF',) * _knows_heif() + ('AVIF',) * bool(features.check('avif'))


def _orientation(bare: Bare, image: Image.Image) -> int:
    """The orientation that the file has; HEIC is upright when it is decoded."""
    if bare.kind in ('WEBP', 'AVIF'):
        return containers.orientation(*(image.info.get(name, b'') for name in ('exif', 'xmp')))
    return bare.orientation


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """An image without its orientation, 1 to 8."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _converted(image: Image.Image, bare: Bare, mode: str) -> Image.Image:
    opaque = _opaque(bare) if bare.transparent else None
    image = _eight_bits(image)
    if opaque is None and ('A' in image.getbands() or 'transparency' in image.info):
        image = image.convert('RGBA')
        opaque = image.getchannel('A')
    image = image if image.mode == 'RGB' else image.convert('RGB')
    if mode == 'RGBa':
        image.putalpha(opaque.convert('L') if opaque else 255)
    elif opaque:
        paper = Image.new('RGB', image.size, BACKGROUND)
        paper.paste(image, mask=opaque)
        image = paper
    return image if image.mode == mode else image.convert(mode)


def _opaque(bare: Bare) -> Image.Image:
    """Where a PNG has not its transparent colour, of all its bits: Pillow drops some."""
    import cv2

    encoded = np.frombuffer(containers.mended(bare.content), np.uint8)
    exact: Any = cv2.imdecode(encoded, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if exact is None:
        raise Unreadable('a broken PNG file')
    depth = bare.content[24]  # of IHDR; smaller ones than 8 are spread over 0 to 255
    most = 2**depth - 1
    blue_first = [(level & most) * max(255 // most, 1) for level in bare.transparent[::-1]]
    return Image.fromarray((exact != np.array(blue_first)).any(axis=-1))


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith(('I', 'F')):  # 16 bits a pixel, or more than an image has
        pixels = np.asarray(image)
        if image.mode.startswith('F') or pixels.min() < 0 or pixels.max() > 65535:
            raise Unreadable(f'pixels of type {image.mode}, which have no known range')
        image = Image.fromarray((pixels.astype(np.uint32) * 255 // 65535).astype(np.uint8))
    return image


def read_fitted(
    content: bytes, size: tuple[int, int], crop: int = 0, channels: int = 3
) -> np.ndarray:
    """`fitted` of `read`: a file's image as it is stored, uint8 [height, width, channels]."""
    return fitted(read(content, 0 if crop else max(size), channels=channels), size, crop)


def read_square(content: bytes, side: int, crop: int = 0) -> np.ndarray:
    """`read_fitted` to so many pixels a side."""
    return read_fitted(content, (side, side), crop)


def fitted(image: Image.Image, size: tuple[int, int], crop: int = 0) -> np.ndarray:
    """The centred part of an image at another size, antialiased (Lanczos with three lobes).

    Args:
      image: of a mode of `MODES`, or F.
      size: height and width of the result, in pixels, of whose shape the part is.
      crop: height of the part in pixels of the image; 0, or more than it has: all it can.

    Returns:
      uint8 [height, width, C]; float32 of F.
    """
    (height, width), (across, down) = size, image.size
    if (down, across) == size and not crop:
        return _stored(image)
    cut = min(crop or down, down, across * height / width)
    wide = cut * width / height
    left, top = (across - wide) / 2, (down - cut) / 2
    box = (left, top, left + wide, top + cut)
    return _stored(image.resize((width, height), Image.Resampling.LANCZOS, box))


def _stored(image: Image.Image) -> np.ndarray:
    levels = np.asarray(image)
    if image.mode == 'RGBa':  # the filter overshoots: no colour is above its alpha
        return np.minimum(levels, levels[..., 3:])
    return levels[..., None] if levels.ndim == 2 else levels
