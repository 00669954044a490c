"""Image files without all that is no pixel: what kind they are, and which way up.

Text, profiles, previews and tags are what programs write wrong, pack to a gigabyte, or leave
unfinished, and decoders trip over them. None of it is worth a photo, so none of it reaches a
decoder, but for the orientation (EXIF 2.32, 4.6.4: tag 274; else that of XMP), which is read here.
"""

from collections.abc import Iterator
import re
import struct
from typing import NamedTuple
import zlib

HEAD = 32  # bytes that tell the kind of a file
UPRIGHT = 1  # of the orientations 1 to 8
NOTES_BYTES = 2**16  # of a packed text that are unpacked

_ORIENTATION = 274
_XMP = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')
_PROFILE = b'Raw profile type exif'  # how ImageMagick wrote EXIF before PNG knew it
# Of TIFF: what says where the pixels are, and how they are packed (TIFF 6.0 and its supplements).
_PIXEL_TAGS = frozenset(
    (256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324)
    + (325, 332, 338, 339, 347, *range(512, 522), *range(529, 533))
)
_UNITS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_WHOLE = {1: 'B', 3: 'H', 4: 'L', 6: 'b', 8: 'h', 9: 'l'}  # types of whole numbers


class Bare(NamedTuple):
    """An image file without what is no pixel."""

    kind: str  # JPEG, PNG, GIF, BMP, WEBP, TIFF, AVIF or HEIF; '' if it is none of them
    content: bytes  # of the file
    orientation: int = UPRIGHT  # 1 to 8, as far as the file has told
    # of a PNG whose pixels of one level, or of one colour, are transparent: the level or the three
    # levels, in the file's own range
    transparent: tuple[int, ...] = ()


def kind(head: bytes) -> str:
    """The kind of an image file by its first `HEAD` bytes, as in `Bare`."""
    if head[4:8] == b'ftyp':
        brands = {head[at : at + 3] for at in (8, *range(16, len(head), 4))}
        if b'avi' in brands:
            return 'AVIF'
        return 'HEIF' if brands & {b'hei', b'hev', b'mif', b'msf'} else ''
    if head[:4] == b'RIFF':
        return 'WEBP' if head[8:12] == b'WEBP' else ''
    return next((name for start, name in _STARTS.items() if head.startswith(start)), '')


_STARTS = {
    b'\xff\xd8\xff': 'JPEG',
    b'\x89PNG\r\n\x1a\n': 'PNG',
    b'GIF8': 'GIF',
    b'BM': 'BMP',
    b'II*\0': 'TIFF',
    b'MM\0*': 'TIFF',
    b'II+\0': 'TIFF',
    b'MM\0+': 'TIFF',
}


def strip(content: bytes) -> Bare:
    """An image file without what is no pixel; of no kind if what must come first is broken."""
    name = kind(content[:HEAD])
    try:
        return _STRIP[name](content) if name in _STRIP else Bare(name, content)
    except (struct.error, IndexError):
        return Bare('', content)


def orientation(exif: bytes, xmp: bytes = b'') -> int:
    """The orientation by EXIF, with or without its head, else by XMP; 1 to 8."""
    try:
        value = _tag(exif.removeprefix(b'Exif\0').lstrip(b'\0\xff'))
    except (struct.error, IndexError, KeyError):
        value = None
    if value is None and (found := _XMP.search(xmp)):
        value = int(found[1])
    return value if value and value in range(1, 9) else UPRIGHT


def _tag(tiff: bytes) -> int | None:
    """The orientation in the first directory of a TIFF, None if it has none."""
    for order, entry in _entries(tiff):
        tag, form, count = struct.unpack_from(order + 'HHL', entry)
        if tag == _ORIENTATION and form in _WHOLE and count == 1:
            return struct.unpack_from(order + _WHOLE[form], entry, 8)[0]
    return None


def _entries(tiff: bytes) -> Iterator[tuple[str, bytes]]:
    """The byte order and the 12 bytes of each entry of a TIFF's first directory."""
    order = {b'II': '<', b'MM': '>'}[tiff[:2]]
    (at,) = struct.unpack_from(order + 'L', tiff, 4)
    (count,) = struct.unpack_from(order + 'H', tiff, at)
    for place in range(at + 2, at + 2 + 12 * count, 12):
        if len(entry := tiff[place : place + 12]) == 12:
            yield order, entry


def _without(content: bytes, parts: list[tuple[int, int]]) -> bytes:
    """The bytes that lie in none of these parts (start, end), which are in order."""
    edges = [0, *(edge for part in parts for edge in part), len(content)]
    view = memoryview(content)
    return b''.join(view[edges[i] : edges[i + 1]] for i in range(0, len(edges), 2))


def _jpeg(content: bytes) -> Bare:
    """Without APP1 to APP15 and comments; Adobe's APP14 says what the colours are."""
    notes, exif, xmp = [], b'', b''
    for marker, start, end in _segments(content):
        whole = content[end : end + 1] == b'\xff'  # else its length is wrong
        if whole and (marker == 0xFE or 0xE1 <= marker <= 0xEF and marker != 0xEE):
            notes.append((start, end))
        if marker == 0xE1:
            payload = content[start + 4 : end]
            if payload.startswith(b'Exif\0'):
                exif = exif or payload
            elif payload.startswith(b'http://ns.adobe.com/xap/1.0/\0'):
                xmp = xmp or payload
    turned = orientation(exif, xmp)
    return Bare('JPEG', _without(content, notes) if notes else content, turned)


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment before the first scan (ITU-T T.81, B.1.1)."""
    start = 2
    while start + 4 <= len(content) and content[start] == 0xFF:
        marker = content[start + 1]
        if marker == 0xFF:  # fills up
            start += 1
            continue
        if marker in (0x01, *range(0xD0, 0xDB)):  # without a length, or the scan
            return
        end = start + 2 + int.from_bytes(content[start + 2 : start + 4], 'big')
        if end < start + 4 or end > len(content):
            return
        yield marker, start, end
        start = end


def _png(content: bytes) -> Bare:
    """Without ancillary chunks, but for transparency."""
    notes, exif, xmp, transparent = [], b'', b'', ()
    for name, start, end in _chunks(content):
        data = start + 8
        if name == b'tRNS' and content[25] in (0, 2):  # grey, or colours
            transparent = struct.unpack_from('>H' if content[25] == 0 else '>3H', content, data)
        elif name[0] & 0x20 and name != b'tRNS':
            notes.append((start, end))
            key, text = _note(name, content[data : end - 4])
            exif = exif or (_profile(text) if key == _PROFILE else text if key == b'eXIf' else b'')
            xmp = xmp or (text if key == b'XML:com.adobe.xmp' else b'')
    turned = orientation(exif, xmp)
    return Bare('PNG', _without(content, notes) if notes else content, turned, transparent)


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of each whole chunk of a PNG (PNG 3, 5.3)."""
    start = 8
    while start + 12 <= len(content):
        length, name = struct.unpack_from('>L4s', content, start)
        end = start + 12 + length
        if end > len(content):
            return
        yield name, start, end
        start = end


def mended(content: bytes) -> bytes:
    """The pixels of a PNG with checksums that are right, for a decoder that prints what is not."""
    parts = [content[:8]]
    for name, start, end in _chunks(content):
        if name in (b'IHDR', b'IDAT'):
            body = content[start + 4 : end - 4]
            parts += [content[start : start + 4], body, zlib.crc32(body).to_bytes(4, 'big')]
    return b''.join([*parts, bytes(4), b'IEND', zlib.crc32(b'IEND').to_bytes(4, 'big')])


def _note(name: bytes, data: bytes) -> tuple[bytes, bytes]:
    """The key and the text of a chunk that has one (PNG 3, 11.3.3); of others, name and content."""
    if name not in (b'tEXt', b'zTXt', b'iTXt'):
        return name, data
    key, _, text = data.partition(b'\0')
    packed, text = name == b'zTXt', text[name == b'zTXt' :]
    if name == b'iTXt':
        packed, text = text[:1] == b'\1', (text[2:].split(b'\0', 2) + [b''] * 2)[2]
    try:
        return key, zlib.decompressobj().decompress(text, NOTES_BYTES) if packed else text
    except zlib.error:
        return key, b''


def _profile(text: bytes) -> bytes:
    """EXIF in a text: three lines of heading, then hexadecimal digits."""
    digits = b''.join(text[:NOTES_BYTES].split(b'\n')[3:])
    try:
        return bytes.fromhex(digits[: len(digits) // 2 * 2].decode())
    except ValueError:
        return b''


def _tiff(content: bytes) -> Bare:
    """With the tags of its pixels alone, and its first picture alone."""
    if content[2:4] not in (b'*\0', b'\0*'):
        return Bare('TIFF', content)  # BigTIFF
    order = {b'II': '<', b'MM': '>'}[content[:2]]
    kept = [entry for _, entry in _entries(content) if _is_of_pixels(order, entry, len(content))]
    packed = struct.pack(order + 'H', len(kept)) + b''.join(kept) + bytes(4)
    (at,) = struct.unpack_from(order + 'L', content, 4)
    changed = content[:at] + packed + content[at + len(packed) :]
    return Bare('TIFF', changed, orientation(content))


def _is_of_pixels(order: str, entry: bytes, end: int) -> bool:
    tag, form, count, place = struct.unpack(order + 'HHLL', entry)
    size = count * _UNITS.get(form, 0)
    return tag in _PIXEL_TAGS and size > 0 and (size <= 4 or place + size <= end)


def _avif(content: bytes) -> Bare:
    """With EXIF hidden: AVIF is turned by properties of its own (ISO/IEC 23008-12, 6.5.10)."""
    start = 0
    while start + 8 <= len(content):
        length, name = struct.unpack_from('>L4s', content, start)
        if length < 8:  # the last one, or one of more than 4 GB
            break
        if name == b'meta':
            box = content[start : start + length].replace(b'Exif', b'free')
            return Bare('AVIF', content[:start] + box + content[start + length :])
        start += length
    return Bare('AVIF', content)


_STRIP = {'JPEG': _jpeg, 'PNG': _png, 'TIFF': _tiff, 'AVIF': _avif}
