import struct
import time
import tracemalloc
import zlib

import numpy as np
from PIL import Image
import pytest

from gan_jax.data import decode
from gan_jax.data.decode import Unreadable
from tests.data.photos import encoded, photo

RED, GREEN, BLUE, GREY = (250, 10, 20), (10, 200, 30), (20, 30, 240), (120, 120, 120)


def quarters(mode: str = 'RGB') -> Image.Image:
    """32x16: red, green over blue, grey."""
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:8, :16], pixels[:8, 16:], pixels[8:, :16], pixels[8:, 16:] = RED, GREEN, BLUE, GREY
    return Image.fromarray(pixels).convert(mode)


def corners(content: bytes) -> np.ndarray:
    """The colours in the middle of each quarter, int [4, 3]."""
    image = decode.read(content)
    assert image.mode == 'RGB'
    pixels = np.asarray(image, int)
    height, width, _ = pixels.shape
    rows, columns = (height // 4, height * 3 // 4), (width // 4, width * 3 // 4)
    return np.array([pixels[row, column] for row in rows for column in columns])


COLOUR_FILES = {
    'jpeg': (encoded(quarters(), 'JPEG', quality=95, subsampling=0), 3),
    'progressive jpeg': (encoded(quarters(), 'JPEG', quality=95, subsampling=0, progressive=1), 3),
    'cmyk jpeg': (encoded(quarters('CMYK'), 'JPEG', quality=95), 3),
    'png': (encoded(quarters(), 'PNG'), 0),
    'palette png': (encoded(quarters('P'), 'PNG'), 45),  # the web palette's steps are 51
    'adaptive palette': (encoded(quarters().quantize(4), 'PNG'), 0),
    'rgba png': (encoded(quarters('RGBA'), 'PNG'), 0),
    'bmp': (encoded(quarters(), 'BMP'), 0),
    'webp': (encoded(quarters(), 'WEBP', lossless=True), 0),
    'gif': (encoded(quarters().quantize(4), 'GIF'), 0),
}


@pytest.mark.parametrize('content, tolerance', COLOUR_FILES.values(), ids=COLOUR_FILES)
def test_colours_are_what_was_drawn(content, tolerance):
    np.testing.assert_allclose(corners(content), [RED, GREEN, BLUE, GREY], atol=tolerance)


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'BMP', 'WEBP', 'GIF'])
def test_grey_becomes_three_equal_channels(kind):
    found = corners(encoded(quarters('L'), kind))
    expected = np.asarray(quarters('L'), int)[[4, 4, 12, 12], [8, 24, 8, 24]]
    np.testing.assert_allclose(found, expected[:, None].repeat(3, 1), atol=3)


def test_black_and_white_bits():
    bits = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).convert('1')
    assert corners(encoded(bits, 'PNG')).tolist() == [[0] * 3, [255] * 3, [255] * 3, [0] * 3]


def test_sixteen_bits_are_scaled_not_clipped():
    levels = np.array([[0, 257 * 100], [257 * 200, 65535]], np.uint16)
    found = corners(encoded(Image.fromarray(levels), 'PNG'))
    assert found[:, 0].tolist() == [0, 100, 200, 255]


def test_what_is_transparent_shows_the_background():
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[..., :3] = RED
    pixels[0, :, 3], pixels[1, :, 3] = 255, (0, 51)  # opaque; none, and a fifth
    found = corners(encoded(Image.fromarray(pixels), 'PNG'))
    assert found[0].tolist() == found[1].tolist() == list(RED)
    assert found[2].tolist() == [255] * 3
    np.testing.assert_allclose(found[3], 255 * 0.8 + 0.2 * np.array(RED), atol=1)


def test_alpha_is_kept_and_multiplies_colours():
    image = np.zeros((2, 2, 4), np.uint8)
    image[...] = (200, 100, 50, 0)
    image[1, :, 3] = 128, 255
    found = np.asarray(decode.read(encoded(Image.fromarray(image), 'PNG'), channels=4))
    assert found[0].tolist() == [[0] * 4] * 2
    assert found[1].tolist() == [[100, 50, 25, 128], [200, 100, 50, 255]]
    opaque = decode.read(encoded(photo(0), 'JPEG'), channels=4)
    assert opaque.mode == 'RGBa' and np.asarray(opaque)[..., 3].min() == 255


@pytest.mark.parametrize('channels', decode.MODES)
def test_a_transparent_colour_is_no_colour(channels):
    image = Image.new('RGB', (4, 4), RED)
    image.putpixel((0, 0), GREEN)
    content = encoded(image, 'PNG', transparency=GREEN)
    found = np.asarray(decode.read(content, channels=channels)).reshape(4, 4, channels)
    assert found[0, 0].tolist() == ([0] * 4 if channels == 4 else [255] * channels)


def test_grey_and_palettes_with_transparency_show_the_background():
    grey = Image.fromarray(np.array([[[9, 255], [9, 0]]], np.uint8))
    assert grey.mode == 'LA'
    assert corners(encoded(grey, 'PNG'))[:2].tolist() == [[9] * 3, [255] * 3]
    palette = quarters().quantize(4)
    clear = palette.getpixel((0, 0))
    for kind in ('PNG', 'GIF'):
        found = corners(encoded(palette, kind, transparency=clear))
        assert found[0].tolist() == [255] * 3 and found[2].tolist() == list(BLUE)


def test_the_first_frame_of_a_gif():
    frames = [Image.new('RGB', (8, 8), colour) for colour in (GREEN, RED, BLUE)]
    content = encoded(frames[0], 'GIF', save_all=True, append_images=frames[1:])
    assert corners(content)[0].tolist() == list(GREEN)


# The inverse of what a camera held this way did to the upright picture.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize('orientation', TURNS)
@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP'])
def test_exif_orientation_is_undone(orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless = dict(JPEG=dict(quality=95, subsampling=0), WEBP=dict(lossless=True)).get(kind, {})
    content = encoded(quarters().transpose(TURNS[orientation]), kind, exif=exif, **lossless)
    np.testing.assert_allclose(corners(content), [RED, GREEN, BLUE, GREY], atol=3)


def test_a_jpeg_may_be_decoded_smaller_but_keeps_twice_the_pixels():
    content = encoded(photo(0, (1600, 1200)))
    assert decode.read(content).size == (1600, 1200)
    assert decode.read(content, least_side=64).size == (200, 150)
    assert decode.read(content, least_side=100).size == (400, 300)
    whole = decode.fitted(decode.read(content), (64, 64)).astype(int)
    small = decode.fitted(decode.read(content, least_side=64), (64, 64)).astype(int)
    assert np.abs(whole - small).max() <= 3


BROKEN = {
    'empty': b'',
    'text': b'These are not pixels.\n' * 20,
    'half a jpeg': encoded(photo(1))[:900],
    'half a png': encoded(photo(1), 'PNG')[:2000],
    'half a gif': encoded(photo(1), 'GIF')[:900],
    'half a webp': encoded(photo(1), 'WEBP')[:300],
    'a head alone': encoded(photo(1), 'PNG')[:33],
    'float pixels': encoded(Image.fromarray(np.ones((4, 4), np.float32)), 'TIFF'),
}


@pytest.mark.parametrize('case', BROKEN)
def test_what_is_no_whole_image_is_unreadable(case):
    with pytest.raises(Unreadable) as caught:
        decode.read(BROKEN[case])
    assert str(caught.value) and '\n' not in str(caught.value)


def chunk(kind: bytes, data: bytes) -> bytes:
    """https://www.w3.org/TR/png: length, type, data, and the CRC of the last two."""
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def bomb(side: int) -> bytes:
    """A whole, black, grey PNG of side x side pixels in a few kilobytes to a megabyte."""
    # The same block for every hundred rows, between the head and the Adler-32 that zlib gives it.
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(bytes(100 * (side + 1))) + packer.flush(zlib.Z_FULL_FLUSH)
    of_zeros = struct.pack('>HH', side * (side + 1) % 65521, 1)
    packed = b'\x78\xda' + side // 100 * block + packer.flush() + of_zeros
    head = struct.pack('>IIBBBBB', side, side, 8, 0, 0, 0, 0)
    parts = [chunk(b'IHDR', head), chunk(b'IDAT', packed), chunk(b'IEND', b'')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(parts)


def test_a_bomb_is_refused_before_it_is_decoded():
    content = bomb(30_000)
    assert len(content) < 2e6
    tracemalloc.start()
    start = time.monotonic()
    with pytest.raises(Unreadable, match='30000x30000 pixels; at most 200,000,000'):
        decode.read(content)
    elapsed, peak = time.monotonic() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert elapsed < 0.5 and peak < 5e6
    assert decode.read(bomb(300)).size == (300, 300)


def test_the_square_is_centred_and_resized_with_antialiasing():
    pixels = np.zeros((40, 100, 3), np.uint8)
    pixels[:, 30:70] = 200
    pixels[0, 30], pixels[39, 69] = 255, 255
    square = decode.fitted(Image.fromarray(pixels), (40, 40))
    np.testing.assert_array_equal(square, pixels[:, 30:70])
    stripes = Image.fromarray(np.tile(np.uint8([0, 255]), (64, 32))).convert('RGB')
    assert np.abs(decode.fitted(stripes, (8, 8))[:, 1:-1].astype(int) - 127).max() <= 8


def test_a_crop_larger_than_the_image_is_its_short_side():
    image = photo(2, (50, 30))
    np.testing.assert_array_equal(
        decode.fitted(image, (16, 16), 999), decode.fitted(image, (16, 16))
    )
    inner = image.crop((15, 5, 35, 25))
    np.testing.assert_array_equal(decode.fitted(image, (20, 20), 20), np.asarray(inner))


@pytest.mark.parametrize('size', [(1, 1), (1, 5000), (5000, 1)])
def test_extreme_shapes_have_a_square_too(size):
    image = decode.read(encoded(Image.new('RGB', size, GREEN), 'PNG'), least_side=16)
    assert (decode.fitted(image, (16, 16)) == GREEN).all()
    assert (
        decode.fitted(decode.read(encoded(photo(0, size)), least_side=16), (16, 16)).shape[0] == 16
    )


def test_other_kinds_are_refused_whatever_their_name():
    with pytest.raises(decode.Unreadable, match='not an image'):
        decode.read(encoded(quarters(), 'EPS'))  # Pillow would start Ghostscript


@pytest.mark.parametrize('size', [(80, 90), (50, 200), (300, 40)])
def test_a_rectangle_is_cut_from_the_middle_as_large_as_it_can_be(size):
    image = photo(0, size)
    width, height = min(size[0], size[1] * 3 / 2), min(size[1], size[0] * 2 / 3)
    left, top = (size[0] - width) / 2, (size[1] - height) / 2
    box = (left, top, left + width, top + height)
    found = decode.fitted(image, (16, 24))
    wanted = np.asarray(image.resize((24, 16), Image.Resampling.LANCZOS, box))
    assert found.shape == (16, 24, 3) and np.abs(found.astype(int) - wanted).max() <= 1
    content = encoded(image, 'JPEG')
    drafted = decode.read_fitted(content, (16, 24))
    assert np.abs(drafted.astype(int) - decode.fitted(decode.read(content), (16, 24))).mean() < 4


def transparent_png(pixels):
    return encoded(Image.fromarray(pixels), 'PNG', transparency=(1, 2, 3))


def tiff(compression):
    def write(pixels):
        mode = '1' if compression == 'group4' else 'RGB'
        return encoded(Image.fromarray(pixels).convert(mode), 'TIFF', compression=compression)

    return write


@pytest.mark.filterwarnings('ignore')  # as outside of the tests, where Pillow's are ignored
@pytest.mark.parametrize(
    'write', [transparent_png, *map(tiff, ['tiff_lzw', 'tiff_adobe_deflate', 'jpeg', 'group4'])]
)
def test_a_damaged_file_prints_nothing_and_says_why_it_is_left_out(write, capfd):
    draw = np.random.default_rng(0)
    whole, reasons = write(draw.integers(0, 256, (20, 30, 3), np.uint8)), []
    for _ in range(80):
        content = bytearray(whole)
        for place in draw.integers(0, len(content), 3):
            content[place] = draw.integers(256)
        try:
            decode.read(bytes(content))
        except decode.Unreadable as error:
            reasons.append(str(error))
    assert capfd.readouterr() == ('', '')
    assert reasons and not any('decoder error' in why or 'tuple index' in why for why in reasons)


def test_a_file_that_prints_in_silence_is_read_whole(capfd):
    content = transparent_png(np.full((4, 4, 3), [1, 2, 3], np.uint8))
    damaged = content[:-1] + bytes([content[-1] ^ 1])  # the checksum of what ends it
    assert decode.read(damaged).getpixel((0, 0)) == decode.BACKGROUND
    assert capfd.readouterr() == ('', '')
