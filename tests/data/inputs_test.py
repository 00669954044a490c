import numpy as np
import pytest

from gan_jax.data import inputs
from gan_jax.errors import UserError
from tests.data.photos import photo

PHOTO = np.asarray(photo(0, (64, 48)))


def test_grey_is_the_luma_of_television():
    found = inputs.grey(PHOTO)
    expected = np.round(PHOTO @ [0.299, 0.587, 0.114])
    assert found.shape == PHOTO.shape and found.dtype == np.uint8
    # OpenCV computes in integers of 14 bits.
    assert np.abs(found - expected[..., None]).max() <= 1
    assert (found == found[..., :1]).all()


def test_grey_keeps_what_is_grey():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, -1)
    np.testing.assert_array_equal(inputs.grey(grey), grey)


def test_canny_draws_the_border_of_a_square_white_on_black():
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[8:24, 8:24] = 255
    edges = inputs.canny(picture, 100, 200)
    assert edges.dtype == np.uint8 and set(np.unique(edges)) == {0, 255}
    assert not edges[:6].any() and not edges[12:20, 12:20].any()
    assert all(edges[16, columns].any() for columns in (slice(6, 10), slice(22, 26)))
    assert (edges == edges[..., :1]).all()


def test_thresholds_are_of_the_gradient():
    # A step of 50 has an L1 Sobel gradient of 4 * 50 = 200.
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[:, 16:] = 50
    assert inputs.canny(picture, 100, 199).any()
    assert not inputs.canny(picture, 100, 201).any()
    np.testing.assert_array_equal(inputs.canny(PHOTO, 10**6, 10**6), 0)


@pytest.mark.parametrize('name', inputs.MADE)
def test_a_config_names_the_function_and_the_photo_stays_as_it_is(name, make_config):
    before = PHOTO.copy()
    made = inputs.make(make_config(input=name, canny=(20, 60)).data)(PHOTO)
    expected = {'grey': inputs.grey(PHOTO), 'canny': inputs.canny(PHOTO, 20, 60)}[name]
    np.testing.assert_array_equal(made, expected)
    np.testing.assert_array_equal(PHOTO, before)


@pytest.mark.parametrize('given', [(200, 100), (1,), (-1, 5), (1, 2, 3), (0.5, 2)])
def test_thresholds_that_are_none(given):
    with pytest.raises(UserError, match='config.data.canny=.* the lower first'):
        inputs.thresholds(given)
