"""Files of 16 bits a channel: every level of them, as 8 bits have it but finer."""

import cv2
import numpy as np
from PIL import Image
import pytest

from gan_jax.data import decode, deep
from gan_jax.io import pixels
from tests.data.photos import encoded, photo

SIZE = 12, 20


def levels(channels, size=SIZE):
    return np.random.default_rng(0).integers(0, 65_536, (*size, channels), np.uint16)


def written(image, suffix):
    """A file of uint16 [H, W, C], grey, RGB or RGBA."""
    order = (2, 1, 0, 3)[: image.shape[2]] if image.shape[2] > 1 else (0,)
    return cv2.imencode(suffix, image[..., order])[1].tobytes()


@pytest.mark.parametrize('suffix', ['.png', '.tiff'])
@pytest.mark.parametrize('channels', [1, 3])
def test_every_level_is_kept(channels, suffix):
    image = levels(channels)
    found = deep.read_fitted(written(image, suffix), SIZE, channels=channels)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize('channels', decode.MODES)
@pytest.mark.parametrize('kept', decode.MODES)
def test_it_is_as_with_eight_bits_but_finer(channels, kept):
    """Whatever a file has and whatever is kept of it, resized and cut too."""
    image = np.asarray(photo(0, (80, 60))).astype(np.uint16)
    image = np.concatenate([image, 255 - image[..., :1] // 2], axis=-1)
    image = image[..., {1: [0], 3: [0, 1, 2], 4: [0, 1, 2, 3]}[channels]]
    given = written(image * 257, '.png'), written(image.astype(np.uint8), '.png')
    for crop in (0, 30):
        found = deep.read_fitted(given[0], SIZE, crop, kept)
        coarse = decode.read_fitted(given[1], SIZE, crop, kept)
        assert found.shape == (*SIZE, kept)
        np.testing.assert_allclose(pixels.eight_bits(found), coarse.astype(int), atol=2)
        assert kept < 4 or (found[..., :3] <= found[..., 3:]).all()
        assert len(np.unique(found % 257)) > 100  # levels that 8 bits do not have


def test_eight_bits_are_spread_over_sixteen():
    content = encoded(photo(0), 'PNG')
    np.testing.assert_array_equal(
        deep.read_fitted(content, SIZE), decode.read_fitted(content, SIZE).astype(int) * 257
    )


def test_it_is_upright():
    image = levels(1)
    content = encoded(Image.fromarray(image[..., 0]), 'TIFF', tiffinfo={274: 6})
    turned = np.rot90(image, -1)
    np.testing.assert_array_equal(deep.read_fitted(content, SIZE[::-1], channels=1), turned)


def test_the_transparent_grey_is_known_to_its_last_bit():
    image = np.full((4, 4), 5_001, np.uint16)
    image[0] = 5_000
    content = encoded(Image.fromarray(image), 'PNG', transparency=5_000)
    found = deep.read_fitted(content, (4, 4), channels=4)
    assert not found[0].any() and (found[1:] == (5_001,) * 3 + (65_535,)).all()


@pytest.mark.parametrize('suffix', ['.png', '.tiff'])
def test_a_broken_file_is_unreadable(suffix):
    content = written(levels(3, (60, 60)), suffix)
    with pytest.raises(decode.Unreadable):
        deep.read_fitted(content[: len(content) // 2], SIZE)


def test_numbers_without_a_known_range_are_unreadable():
    content = cv2.imencode('.tiff', np.zeros((4, 4), np.int16))[1].tobytes()
    with pytest.raises(decode.Unreadable, match='pixels of type int16, which have no known range'):
        deep.read_fitted(content, (4, 4))
