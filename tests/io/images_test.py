import jax
import numpy as np
from PIL import Image
import pytest

from gan_jax.io import images

LEVELS = np.arange(256, dtype=np.uint8)


def picture(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize('pixel_range', [(-1.0, 1.0), (0.0, 1.0)])
def test_every_level_survives_the_network_range(pixel_range):
    scaled = jax.jit(images.normalise, static_argnums=1)(LEVELS, pixel_range)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose([scaled[0], scaled[-1]], pixel_range, atol=1e-6)
    np.testing.assert_array_equal(images.to_uint8(scaled, pixel_range), LEVELS)


def test_to_uint8_rounds_to_the_nearest_and_clips():
    levels = np.array([-5.0, 0.0, 0.4, 0.6, 254.4, 254.6, 255.0, 300.0], np.float32)
    got = images.to_uint8(levels / 255, (0.0, 1.0))
    np.testing.assert_array_equal(got, [0, 0, 0, 1, 254, 255, 255, 255])


def test_tile_puts_images_row_by_row_on_white():
    cells = picture(5, 4, 3, 1)
    grid = images.tile(cells, columns=2, pad=1)
    assert grid.shape == (3 * 5 + 1, 2 * 4 + 1, 1)
    np.testing.assert_array_equal(grid[6:10, 5:8], cells[3])
    np.testing.assert_array_equal(grid[11:15, 1:4], cells[4])
    np.testing.assert_array_equal(grid[10:, 5:], 255)
    np.testing.assert_array_equal(grid[::5], 255)


def test_tile_is_no_wider_than_its_images():
    assert images.tile(picture(2, 4, 4, 3), columns=8, pad=2).shape == (8, 14, 3)


@pytest.mark.parametrize('channels', [1, 3])
def test_png_keeps_every_pixel(tmp_path, channels):
    image = picture(5, 7, channels)
    images.write_png(tmp_path / 'a.png', image)
    got = np.asarray(Image.open(tmp_path / 'a.png')).reshape(image.shape)
    np.testing.assert_array_equal(got, image)
    assert [path.name for path in tmp_path.iterdir()] == ['a.png']
