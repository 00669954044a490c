"""Bytes that are no pixels cost no picture, and are not read, but for which way up it is."""

import functools
import itertools
import struct
import zlib

import numpy as np
from PIL import Image, features
import pytest

from gan_jax.data import containers, decode
from tests.data.decode_test import chunk
from tests.data.photos import encoded, photo

KINDS = ['JPEG', 'PNG', 'WEBP', 'TIFF', 'AVIF', 'HEIF']
PHOTO = photo(1, (64, 48))
MAKE = (271, 2, 4, b'ACM\0')  # a harmless tag, to exchange for others


def entry(tag: int, form: int, count: int, value: bytes, order: str = '<') -> bytes:
    """TIFF 6.0, section 2: tag, type, count, and the value or where it is."""
    return struct.pack(order + 'HHL', tag, form, count) + value.ljust(4, b'\0')


def exif(*entries: tuple[int, int, int, bytes], order: str = '<') -> bytes:
    """A TIFF of one directory, as EXIF is."""
    head = {'<': b'II*\0', '>': b'MM\0*'}[order] + struct.pack(order + 'L', 8)
    packed = b''.join(entry(*fields, order) for fields in sorted(entries))
    return head + struct.pack(order + 'H', len(entries)) + packed + bytes(4)


def turned(value: bytes = b'\6\0', form: int = 3) -> tuple[int, int, int, bytes]:
    """The entry of the orientation."""
    return 274, form, 1, value


@functools.cache
def tagged(kind: str) -> bytes:
    """A photo whose EXIF has a tag, and says that it is to be turned by a quarter."""
    tags = exif(MAKE, turned())
    if kind == 'PNG':
        content = encoded(PHOTO, 'PNG')
        return content[:33] + chunk(b'eXIf', tags) + content[33:]
    if kind == 'TIFF':  # a new directory behind the pixels
        content = encoded(PHOTO, 'TIFF')
        (at,) = struct.unpack_from('<L', content, 4)
        (count,) = struct.unpack_from('<H', content, at)
        own = content[at + 2 : at + 2 + 12 * count]
        more = struct.pack('<H', count + 2) + own + entry(*MAKE) + entry(*turned()) + bytes(4)
        return content[:4] + struct.pack('<L', len(content)) + content[8:] + more
    if kind == 'HEIF':
        pytest.importorskip('pillow_heif').register_heif_opener()
    elif kind == 'AVIF' and not features.check('avif'):
        pytest.skip('this Pillow has no AVIF')
    return encoded(PHOTO, kind, exif=b'Exif\0\0' + tags if kind == 'JPEG' else tags)


TAGS = [256, 270, 282, 296, 305, 700, 34665, 34853, 34675]
FORMS = [*range(14), 129]
COUNTS = [0, 1, 5, 2**31]


@pytest.mark.parametrize('kind', KINDS)
def test_no_tag_costs_a_photo(kind):
    content = tagged(kind)
    whole = np.asarray(decode.read(content))
    assert whole.shape == (64, 48, 3)
    [order] = [order for order in '<>' if content.count(entry(*MAKE, order)) == 1]
    for tag, form, count in itertools.product(TAGS, FORMS, COUNTS):
        made = entry(tag, form, count, b'\xff\xff\xff\xfe', order)
        bad = content.replace(entry(*MAKE, order), made)
        np.testing.assert_array_equal(decode.read(bad), whole, f'{tag}, {form}, {count}')


@pytest.mark.parametrize('order', '<>')
@pytest.mark.parametrize('form', 'BHLbhl')
def test_the_orientation_may_be_of_any_type_of_whole_numbers(order, form):
    number = {'B': 1, 'H': 3, 'L': 4, 'b': 6, 'h': 8, 'l': 9}[form]
    tag = turned(struct.pack(order + form, 8), number)
    for value in (exif(tag, order=order), b'Exif\0\0' + exif(MAKE, tag, order=order)):
        assert containers.orientation(value) == 8


UNTOLD = {
    'nothing': b'',
    'no order': exif(turned())[2:],
    'cut': exif(turned())[:-9],
    'out of range': exif(turned(b'\x09\0')),
    'text': exif(turned(b'6\0', 2)),
    'two values': exif((274, 3, 2, b'\6\0\6\0')),
    'far away': exif(turned())[:4] + b'\xff\xff\xff\xff' + exif(turned())[8:],
}


@pytest.mark.parametrize('case', UNTOLD)
def test_an_orientation_that_is_none_turns_nothing(case):
    assert containers.orientation(UNTOLD[case]) == 1
    assert containers.orientation(UNTOLD[case], b'<x tiff:Orientation="3"/>') in (1, 3)


PROFILE = b'\nexif\n      64\n' + exif(turned()).hex().encode()
XMP = b'<rdf:Description tiff:Orientation="6"/>'
TURNED = {
    'text of PNG': ('PNG', chunk(b'zTXt', b'Raw profile type exif\0\0' + zlib.compress(PROFILE))),
    'plain text of PNG': ('PNG', chunk(b'tEXt', b'Raw profile type exif\0' + PROFILE)),
    'any text of PNG': ('PNG', chunk(b'iTXt', b'Raw profile type exif\0\0\0\0\0' + PROFILE)),
    'packed XMP': ('PNG', chunk(b'iTXt', b'XML:com.adobe.xmp\0\1\0\0\0' + zlib.compress(XMP))),
    'XMP of PNG': ('PNG', chunk(b'iTXt', b'XML:com.adobe.xmp\0\0\0\0\0' + XMP)),
    'XMP of JPEG': ('JPEG', b'http://ns.adobe.com/xap/1.0/\0' + XMP),
}


@pytest.mark.parametrize('kind, note', TURNED.values(), ids=TURNED)
def test_programs_say_which_way_up_in_other_places_too(kind, note):
    content = encoded(PHOTO, kind)
    if kind == 'JPEG':
        note = b'\xff\xe1' + struct.pack('>H', len(note) + 2) + note
    at = 33 if kind == 'PNG' else 2
    assert decode.read(content[:at] + note + content[at:]).size == (48, 64)


BIG = zlib.compress(bytes(3_000_000))
NOTES = {
    'packed text': chunk(b'zTXt', b'workflow\0\0' + BIG),
    'packed text of any script': chunk(b'iTXt', b'workflow\0\1\0\0\0' + BIG),
    'profile': chunk(b'iCCP', b'icc\0\0' + BIG),
    'text': chunk(b'tEXt', b'workflow\0' + bytes(3_000_000)),
    'another packing': chunk(b'zTXt', b'workflow\0\7x'),
    'a wrong checksum': chunk(b'tEXt', b'a\0b')[:-1] + b'?',
    'no animation': chunk(b'acTL', bytes(8)),
    'half an animation': chunk(b'acTL', b'\0\0\0\2\0\0\0\0') + chunk(b'fcTL', b'\0'),
    'short facts': chunk(b'gAMA', b'') + chunk(b'cHRM', b'') + chunk(b'pHYs', b''),
    'tags': chunk(b'eXIf', b'II*\0'),
}


@pytest.mark.parametrize('place', ['before', 'behind'])
@pytest.mark.parametrize('case', NOTES)
def test_no_chunk_beside_the_pixels_costs_a_png(case, place):
    content = encoded(PHOTO, 'PNG')
    at = 33 if place == 'before' else len(content) - 12
    changed = content[:at] + NOTES[case] + content[at:]
    np.testing.assert_array_equal(decode.read(changed), PHOTO)
    assert containers.strip(changed).content == content


@pytest.mark.parametrize('marker', [0xE1, 0xE2, 0xED, 0xFE])
def test_a_segment_of_a_wrong_length_costs_no_jpeg(marker):
    content = encoded(PHOTO)
    note = bytes([0xFF, marker]) + struct.pack('>H', 20) + bytes(40)
    whole = decode.read(content)
    np.testing.assert_array_equal(decode.read(content[:2] + note + content[2:]), whole)


def test_no_segment_beside_the_pixels_costs_a_jpeg():
    content = encoded(PHOTO)
    notes = [b'Photoshop 3.0\0' + b'8BIM\3\xed\x99', b'MPF\0' + exif((45056, 2, 4, b'0100')), b'']
    for marker, note in itertools.product((0xE1, 0xE2, 0xED, 0xEF, 0xFE), notes):
        segment = bytes([0xFF, 0xFF, marker]) + struct.pack('>H', len(note) + 2) + note
        changed = content[:20] + segment + content[20:]
        np.testing.assert_array_equal(decode.read(changed), decode.read(content))


def transparent(depth: int, rows: np.ndarray, clear: int | tuple[int, ...]) -> bytes:
    """A PNG of levels [H, W] or [H, W, 3], of which one is transparent."""
    height, width = rows.shape[:2]
    bits = [''.join(format(int(level), f'0{depth}b') for level in row.ravel()) for row in rows]
    packed = b''.join(b'\0' + int(row, 2).to_bytes(len(row) // 8, 'big') for row in bits)
    colour = 2 if rows.ndim == 3 else 0
    head = struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, 0)
    levels = np.atleast_1d(clear)
    chunks = [(b'IHDR', head), (b'tRNS', struct.pack(f'>{len(levels)}H', *levels))]
    chunks += [(b'IDAT', zlib.compress(packed)), (b'IEND', b'')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(chunk(*pair) for pair in chunks)


@pytest.mark.parametrize('depth', [1, 2, 4, 8, 16])
def test_the_transparent_level_alone_shows_the_background(depth):
    most = 2**depth - 1
    for clear in {0, most // 3, most - 1}:
        levels = np.array([[clear, most, 0, clear + 1] * 2] * 8)
        found = np.asarray(decode.read(transparent(depth, levels, clear)), int)
        wanted = np.where(levels == clear, 255, levels * 255 // most)
        np.testing.assert_array_equal(found, wanted[..., None].repeat(3, -1))


@pytest.mark.parametrize('depth', [8, 16])
def test_the_transparent_colour_alone_shows_the_background(depth):
    most = 2**depth - 1
    clear = (most // 9, most // 5, 3)
    near = (most // 9, most // 5, 4)  # at 16 bits the same one at 8
    row = np.array([clear, near, (most, 0, most), clear])
    found = np.asarray(decode.read(transparent(depth, row[None], clear)), int)
    wanted = np.where((row == clear).all(-1, keepdims=True), 255, row * 255 // most)
    np.testing.assert_allclose(found[0], wanted, atol=1 if depth == 16 else 0)


def test_heic_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(decode, '_knows_heif', lambda: False)
    with pytest.raises(decode.Unreadable, match='pip install pillow-heif'):
        decode.read(b'\0\0\0\x18ftypheic\0\0\0\0mif1heic' + bytes(300))


def test_heic_is_upright_as_its_own_properties_say():
    pytest.importorskip('pillow_heif').register_heif_opener()
    content = encoded(PHOTO, 'HEIF', exif=exif(turned()), quality=95)
    upright = np.asarray(PHOTO.transpose(Image.Transpose.ROTATE_270), int)
    assert np.abs(np.asarray(decode.read(content), int) - upright).mean() < 8
