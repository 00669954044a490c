"""Crops: how much they show, level, sharp, and whole at the edges of a photo."""

import numpy as np
import pytest

from faces import crops
from faces.crops import Square
from faces.detector import Face
from faces.sharpness import sharpness
from tests.faces import discs


def centre_of(mask):
    rows, columns = np.nonzero(mask)
    return columns.mean() + 0.5, rows.mean() + 0.5


def eyes_of(crop):
    """Centres (x, y) of the white spots in the left and the right half."""
    white = (crop > 170).all(axis=-1)
    half = crop.shape[1] // 2
    left, right = centre_of(white[:, :half]), centre_of(white[:, half:])
    return left, (right[0] + half, right[1])


@pytest.mark.parametrize('angle', [-75, -30, -8, 0, 12, 45, 90])
def test_a_turned_face_comes_out_level(angle):
    x, y, radius = 150, 140, 60
    image = discs.photo(300, 280, [(x, y, radius)], angle=angle)
    crop = crops.cut(image, Square(x, y, 4 * radius * 0.7, angle), 64)
    left, right = eyes_of(crop)
    assert abs(left[1] - right[1]) < 1
    scale = 64 / (4 * radius * 0.7)
    assert right[0] - left[0] == pytest.approx(radius * scale, abs=1)
    assert (left[0] + right[0]) / 2 == pytest.approx(32, abs=1)
    assert left[1] == pytest.approx(32 - radius / 2 * scale, abs=1)


@pytest.mark.parametrize('side', [40, 64, 90, 190])
def test_the_face_is_centred_with_its_margin_at_any_size(side):
    image = discs.photo(400, 400, [(180, 210, 100)])
    face = Face(80, 110, 200, 200, 1, 0)
    square = crops.around(face, 400, 400, margin=0.25)
    assert square == Square(180, 210, 300, 0)
    red = crops.cut(image, square, side)
    mask = (red[..., 0] > 150) & (red[..., 1] < 100)
    assert centre_of(mask)[0] == pytest.approx(side / 2, abs=0.6)
    assert np.ptp(np.nonzero(mask)[1]) + 1 == pytest.approx(side * 2 / 3, abs=1.5)


def test_an_upright_cut_at_its_own_size_is_the_photo():
    image = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
    np.testing.assert_array_equal(crops.cut(image, Square(30, 25, 20), 20), image[15:35, 20:40])


def test_a_quarter_turn_is_exact():
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    turned = crops.cut(image, Square(20, 20, 40, 90), 40)
    np.testing.assert_array_equal(turned, np.rot90(image, -1))


def test_reducing_averages_instead_of_skipping():
    checks = np.indices((256, 256)).sum(axis=0) % 2 * 255
    image = np.repeat(checks[..., None], 3, axis=-1).astype(np.uint8)
    for angle in (0, 20):
        crop = crops.cut(image, Square(128, 128, 160, angle), 32)
        assert np.abs(crop.astype(int) - 127).max() < 12


CORNERS = [(20, 20), (280, 20), (20, 180), (280, 180), (150, 10)]


@pytest.mark.parametrize('place', CORNERS)
@pytest.mark.parametrize('angle', [0, 25])
def test_at_an_edge_the_square_moves_inwards_and_holds_the_face(place, angle):
    x, y = place
    face = Face(x - 15, max(y - 15, 0), 30, 30, 1, angle)
    square = crops.around(face, 300, 200)
    assert square.side == pytest.approx(39)
    assert square.reach <= square.x <= 300 - square.reach
    assert square.reach <= square.y <= 200 - square.reach
    assert abs(square.x - (face.x + 15)) < 15 and abs(square.y - (face.y + 15)) < 20


def test_a_face_as_large_as_the_photo_gives_up_its_margin():
    assert crops.around(Face(2, 0, 96, 90, 1, 0), 100, 100) == Square(50, 50, 100, 0)
    wide = crops.around(Face(0, 0, 100, 50, 1, 0), 100, 50)
    assert wide == Square(50, 25, 100, 0)
    image = np.random.default_rng(0).integers(0, 256, (50, 100, 3), np.uint8)
    crop = crops.cut(image, wide, 100)  # what lies above and below is mirrored
    np.testing.assert_array_equal(crop[25:75], image)
    np.testing.assert_array_equal(crop[:25], image[24::-1])


def test_a_photo_wider_than_opencv_warps():
    image = np.zeros((40, 40_000, 3), np.uint8)
    image[10:30, 39_000:39_020] = 255
    crop = crops.cut(image, Square(39_010, 20, 20), 10)
    assert crop.min() > 250


def test_sharpness_falls_with_blur_and_not_with_contrast_or_size():
    import cv2

    image = discs.photo(256, 256, [(128, 128, 60)])
    crop = crops.cut(image, Square(128, 128, 256), 64)
    blurred = [sharpness(cv2.GaussianBlur(crop, (0, 0), sigma)) for sigma in (0.6, 1, 2)]
    assert sharpness(crop) > blurred[0] > blurred[1] > blurred[2]
    assert blurred[2] < 0.15 < sharpness(crop)
    faint = (crop // 4 + 90).astype(np.uint8)
    assert sharpness(faint) == pytest.approx(sharpness(crop), rel=0.15)
    large = crops.cut(image, Square(128, 128, 256), 192)
    assert sharpness(large) == pytest.approx(sharpness(crop), rel=0.5)
    assert sharpness(np.full((64, 64, 3), 90, np.uint8)) == 0
