import numpy as np

from gan_jax.io import pixels


def every_colour():
    """Each level of red with each alpha: uint8 [256, 256, 4]."""
    red, alpha = np.indices((256, 256), np.uint8)
    return np.stack([red, np.zeros_like(red), 255 - red, alpha], axis=-1)


def premultiplied(image):
    alpha = image[..., 3:] / 255
    return np.concatenate([np.rint(image[..., :3] * alpha), image[..., 3:]], -1).astype(np.uint8)


def test_colours_come_back_as_well_as_their_alpha_allows():
    image = every_colour()
    found = pixels.straight(premultiplied(image))
    alpha = image[..., 3].astype(int)
    np.testing.assert_array_equal(found[..., 3], alpha)
    assert not found[alpha == 0].any()
    error = np.abs(found[..., :3].astype(int) - image[..., :3])[alpha > 0]
    assert (error <= np.ceil(127.5 / alpha[alpha > 0])[:, None]).all()
    np.testing.assert_array_equal(found[:, 255], image[:, 255])


def test_a_colour_above_its_alpha_is_the_brightest_one():
    assert pixels.straight(np.array([200, 10, 0, 100], np.uint8)).tolist() == [255, 26, 0, 100]


def test_over_a_ground_is_the_usual_blend():
    image = every_colour()
    alpha = image[..., 3:] / 255
    for ground in (0, 77, 255):
        expected = image[..., :3] * alpha + ground * (1 - alpha)
        found = pixels.over(premultiplied(image), ground)
        assert found.dtype == np.uint8
        np.testing.assert_allclose(found, expected, atol=1)


def test_without_alpha_nothing_is_changed():
    for channels in (1, 3):
        image = np.arange(5 * 4 * channels, dtype=np.uint8).reshape(5, 4, channels)
        np.testing.assert_array_equal(pixels.checkered(image), image)
        np.testing.assert_array_equal(pixels.on_white(image), image)


def test_what_is_transparent_shows_a_checkerboard():
    seen = pixels.checkered(np.zeros((2, 16, 24, 4), np.uint8))
    assert seen.shape == (2, 16, 24, 3)
    assert seen[0, ::8, ::8, 0].tolist() == [[204, 255, 204], [255, 204, 255]]
    np.testing.assert_array_equal(seen[:, :8, :8], 204)


def test_eight_bits_are_the_nearest_level():
    levels = np.arange(65_536, dtype=np.uint16)
    found = pixels.eight_bits(levels)
    assert found.dtype == np.uint8
    assert np.abs(levels.astype(int) - 257 * found.astype(int)).max() == 128
    np.testing.assert_array_equal(pixels.eight_bits(found), found)
