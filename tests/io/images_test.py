import cv2
import jax
import numpy as np
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


def test_sixteen_bits_survive_the_network_range():
    levels = np.arange(0, 65_536, dtype=np.uint16)
    found = images.to_levels(images.normalise(levels, (-1.0, 1.0)), (-1.0, 1.0), np.uint16)
    np.testing.assert_array_equal(found, levels)


def test_a_grid_shows_what_is_transparent_over_a_checkerboard():
    cells = np.zeros((2, 16, 16, 4), np.uint16)
    cells[1] = 65_535
    grid = images.tile(cells, columns=2, pad=0)
    assert grid.dtype == np.uint8 and grid.shape == (16, 32, 3)
    assert set(grid[:, :16].ravel()) == {204, 255} and (grid[:, 16:] == 255).all()


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_png_files_have_colours_that_are_not_multiplied_by_alpha(tmp_path, dtype):
    most = np.iinfo(dtype).max
    image = np.array([[[most // 4, 0, 0, most // 2], [0, 0, most, most], [0, 0, 0, 0]]], dtype)
    images.write_png(tmp_path / 'a.png', image)
    found = cv2.imread(str(tmp_path / 'a.png'), cv2.IMREAD_UNCHANGED)[..., [2, 1, 0, 3]]
    assert found.dtype == dtype
    np.testing.assert_allclose(found[0, 0] / most, [0.5, 0, 0, 0.5], atol=0.01)
    assert found[0, 1:].tolist() == [[0, 0, most, most], [0, 0, 0, 0]]


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
@pytest.mark.parametrize('channels', [1, 3])
def test_png_keeps_every_pixel(tmp_path, channels, dtype):
    image = picture(5, 7, channels).astype(dtype) * (257 if dtype is np.uint16 else 1)
    images.write_png(tmp_path / 'a.png', image)
    got = cv2.imread(str(tmp_path / 'a.png'), cv2.IMREAD_UNCHANGED).reshape(image.shape)
    np.testing.assert_array_equal(got[..., ::-1], image)
    assert [path.name for path in tmp_path.iterdir()] == ['a.png']
