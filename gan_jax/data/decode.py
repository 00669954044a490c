"""Decodes image files to RGB pixels: every kind of file an album has, none trusted."""

import io
import math

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

SUFFIXES = frozenset(('.jpg', '.jpeg', '.jfif', '.png', '.webp', '.bmp', '.gif'))
FORMATS = ('JPEG', 'PNG', 'WEBP', 'BMP', 'GIF')  # others may start programs
MAX_PIXELS = 200_000_000  # more is refused before it is decoded; a phone's photo has up to 2e8
BACKGROUND = (255, 255, 255)  # what shows through transparent pixels
LYING = (5, 6, 7, 8)  # EXIF orientations that exchange width and height

# The check in `_open` replaces Pillow's, which only warns up to twice its own limit.
Image.MAX_IMAGE_PIXELS = None


class Unreadable(Exception):
    """A file is no image, or a broken one, or too large; the message says which."""


def read(content: bytes, least_side: int = 0) -> Image.Image:
    """Decodes an image, upright as its EXIF orientation says, as RGB.

    JPEG, PNG, WebP, BMP and GIF (its first frame); grey, palette, CMYK and 16 bits a channel
    become RGB of 8; transparent pixels are laid over `BACKGROUND`.

    Args:
      content: of the file.
      least_side: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as long as its short side
        keeps twice as many pixels, which is several times faster; 0: at its full size.

    Raises:
      Unreadable: it cannot be decoded, or has more than `MAX_PIXELS`.
    """
    return read_with_size(content, least_side)[0]


def read_with_size(content: bytes, least_side: int = 0) -> tuple[Image.Image, tuple[int, int]]:
    """`read`, and the width and height that the upright image has at its full size."""
    try:
        with _open(content) as image:
            full = image.size
            if least_side:
                factor = 2 * least_side / min(image.size)
                width, height = (math.ceil(side * factor) for side in image.size)
                image.draft(None, (width, height))
            image.load()
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
            if orientation != 1:
                ImageOps.exif_transpose(image, in_place=True)
            return _rgb(image), full[::-1] if orientation in LYING else full
    except Unreadable:
        raise
    except Exception as error:  # the decoders raise whatever they meet
        raise Unreadable(str(error).splitlines()[0] if str(error) else repr(error)) from error


def _open(content: bytes) -> Image.Image:
    if not content:
        raise Unreadable('the file is empty')
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        raise Unreadable('not an image') from None
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise Unreadable(f'{width}x{height} pixels; at most {MAX_PIXELS:,} are decoded')
    return image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(('I', 'F')):  # 16 bits a pixel, or more than an image has
        pixels = np.asarray(image)
        if image.mode.startswith('F') or pixels.min() < 0 or pixels.max() > 65535:
            raise Unreadable(f'pixels of type {image.mode}, which have no known range')
        image = Image.fromarray((pixels.astype(np.uint32) * 255 // 65535).astype(np.uint8))
    if 'A' in image.getbands() or 'transparency' in image.info:
        image = image.convert('RGBA')
        paper = Image.new('RGB', image.size, BACKGROUND)
        paper.paste(image, mask=image.getchannel('A'))
        return paper
    return image if image.mode == 'RGB' else image.convert('RGB')


def read_square(content: bytes, side: int, crop: int = 0) -> np.ndarray:
    """`square` of `read`: a file's image as it is stored, uint8 [side, side, 3].

    Raises:
      Unreadable: see `read`.
    """
    return square(read(content, least_side=0 if crop else side), side, crop)


def square(image: Image.Image, side: int, crop: int = 0) -> np.ndarray:
    """The centred square of an image at another size, antialiased (Lanczos with three lobes).

    Args:
      image: RGB.
      side: of the result, in pixels.
      crop: side of the square in pixels of the image; 0, or more than it has: its short side.

    Returns:
      uint8 [side, side, 3].
    """
    width, height = image.size
    if width == height == side and not crop:
        return np.asarray(image)
    cut = min(crop or width, width, height)
    left, top = (width - cut) / 2, (height - cut) / 2
    box = (left, top, left + cut, top + cut)
    return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS, box))
