"""Scores of translations against reference implementations, and where they must be exact."""

import numpy as np
import pytest

from gan_jax.data import inputs
from gan_jax.evaluation import scores
from tests.data import photos


def pair(seed=0, noise=20):
    """A photo and the same with noise."""
    photo = np.asarray(photos.photo(seed, (60, 48)))
    random = np.random.default_rng(seed)
    made = np.clip(photo + random.normal(0, noise, photo.shape), 0, 255).astype(np.uint8)
    return made, photo


def test_l1_is_of_pixels_from_minus_one_to_one():
    black, white = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    assert scores.l1(black, white) == 2
    assert scores.l1(white, white) == 0


def test_psnr_by_hand():
    """A difference of 5 levels everywhere: 20 log10(255 / 5)."""
    one = np.full((4, 4, 3), 100, np.uint8)
    assert scores.psnr(one + 5, one) == pytest.approx(20 * np.log10(51))
    assert scores.psnr(one, one) == np.inf


def test_ssim_by_its_definition():
    """At the only window of an 11x11 image, with the weights written out."""
    made, photo = (x[:11, :11].astype(np.float64) for x in pair())
    line = np.exp(-np.square(np.arange(-5, 6)) / (2 * 1.5**2))
    weight = np.outer(line, line)[..., None] / np.outer(line, line).sum()
    mx, my = (weight * made).sum((0, 1)), (weight * photo).sum((0, 1))
    vx, vy = (weight * (made - mx) ** 2).sum((0, 1)), (weight * (photo - my) ** 2).sum((0, 1))
    cov = (weight * (made - mx) * (photo - my)).sum((0, 1))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    wanted = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    got = scores.ssim(made.astype(np.uint8), photo.astype(np.uint8))
    assert got == pytest.approx(wanted.mean(), abs=1e-9)
    assert scores.ssim(*(x.astype(np.uint8) for x in (photo, photo))) == pytest.approx(1)
    assert np.isnan(scores.ssim(np.zeros((10, 20, 3), np.uint8), np.zeros((10, 20, 3), np.uint8)))


def test_scores_are_those_of_scikit_image():
    """Recorded of 0.26: structural_similarity with a Gaussian window, and rgb2lab."""
    made, photo = pair()
    assert scores.ssim(made, photo) == pytest.approx(0.659019523, abs=1e-6)
    assert scores.psnr(made, photo) == pytest.approx(22.260256818)
    assert scores.ab_error(made, photo) == pytest.approx(14.486101, rel=2e-3)


def test_colour_error_of_primaries_by_hand():
    """sRGB red and green in CIELAB (D65): (a, b) = (80.1, 67.2) and (-86.2, 83.2)."""
    red, green, grey = (np.full((2, 2, 3), c, np.uint8) for c in ((255, 0, 0), (0, 255, 0), 90))
    apart = np.hypot(80.09 + 86.18, 67.20 - 83.18)
    assert scores.ab_error(red, green) == pytest.approx(apart, abs=0.1)
    assert scores.ab_error(red, grey) == pytest.approx(np.hypot(80.09, 67.20), abs=0.1)
    assert scores.ab_error(grey, grey + 50) == pytest.approx(0, abs=0.01)


def square(shift=0, side=64):
    image = np.zeros((side, side, 3), np.uint8)
    image[16 : side - 16, 16 + shift : side - 16 + shift] = 255
    return image


def test_edges_agree_up_to_a_pixel():
    edges = inputs.canny(square(), 100, 200)[..., 0] > 0
    agreement = [scores.edge_agreement(square(n), edges, (100, 200)) for n in (0, 1, 8)]
    assert agreement[0] == agreement[1] == 1 > agreement[2] > 0.2  # the upper and lower sides stay
    flat = np.zeros((64, 64, 3), np.uint8)
    assert scores.edge_agreement(flat, edges, (100, 200)) == 0
    assert scores.edge_agreement(flat, np.zeros((64, 64), bool), (100, 200)) == 1
