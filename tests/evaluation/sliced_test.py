"""The sliced Wasserstein distance is one: 0 for equal sets, symmetric, grows with damage."""

import cv2
import numpy as np
import pytest

from gan_jax.evaluation import sliced

RANDOM = np.random.default_rng(0)


def photos(count, side=32):
    """Shapes with edges at every scale."""
    image = np.zeros((count, side, side, 3), np.uint8)
    for x in image:
        for _ in range(30):
            centre, size = RANDOM.integers(0, side, 2), RANDOM.integers(1, side // 4)
            colour = RANDOM.integers(0, 256, 3).tolist()
            cv2.circle(x, tuple(map(int, centre)), int(size), colour, -1)
    return image


REAL, OTHER = photos(40), photos(40)


@pytest.fixture
def quick(monkeypatch):
    """An eighth of the directions, which tells sets apart as well."""
    monkeypatch.setattr(sliced, 'DIRECTIONS', 64)


def blurred(sigma):
    return np.stack([cv2.GaussianBlur(x, (0, 0), sigma) for x in OTHER])


def noisy(level):
    return np.clip(OTHER + RANDOM.normal(0, level, OTHER.shape), 0, 255).astype(np.uint8)


@pytest.mark.usefixtures('quick')
def test_equal_sets_have_no_distance_and_no_set_comes_first():
    assert sliced.distance(REAL, REAL) == 0
    apart = sliced.distance(REAL, OTHER[:30])
    assert apart > 0 and apart == pytest.approx(sliced.distance(OTHER[:30], REAL), rel=1e-5)
    assert apart == sliced.distance(REAL, OTHER[:30])


@pytest.mark.usefixtures('quick')
@pytest.mark.parametrize(('damage', 'steps'), [(blurred, (0.5, 1, 2)), (noisy, (5, 15, 45))])
def test_the_more_damage_the_farther(damage, steps):
    found = [sliced.distance(REAL, OTHER), *(sliced.distance(REAL, damage(n)) for n in steps)]
    assert found == sorted(found) and found[-1] > 1.3 * found[0]


@pytest.mark.usefixtures('quick')
def test_brightness_and_contrast_do_not_enter():
    dim = REAL // 2 * 2  # halves of even numbers are exact
    assert sliced.distance(dim, dim // 2 + 50) < 1e-2


def test_a_shift_is_as_far_as_it_is():
    """In one dimension every direction is the axis; in more, the mean of |cos| of the angle."""
    line = RANDOM.normal(size=(1000, 1)).astype(np.float32)
    assert sliced.of_projections(line, line + 0.25) == pytest.approx(0.25, rel=1e-5)
    plane = RANDOM.normal(size=(1000, 2)).astype(np.float32)
    found = sliced.of_projections(plane, plane + np.array([[0.3, 0.4]], np.float32))
    assert found == pytest.approx(0.5 * 2 / np.pi, rel=0.05)


@pytest.mark.parametrize(
    ('side', 'sides'), [(64, [64, 32, 16]), (31, [31, 16]), (28, [28]), (15, [])]
)
def test_levels_add_up_to_the_image(side, sides):
    image = RANDOM.uniform(0, 255, (side, side, 1)).astype(np.float32)
    levels = list(sliced.pyramid(image))
    assert [x.shape for x in levels] == [(n, n, 1) for n in sides]
    if levels:
        whole = levels.pop()
        while levels:
            finer = levels.pop()
            whole = finer + cv2.pyrUp(whole, dstsize=finer.shape[:2])[..., None]
        np.testing.assert_allclose(whole.reshape(image.shape), image, atol=1e-3)


def test_small_images_have_none():
    assert sliced.distance(REAL[:, :15, :15], OTHER[:, :15, :15]) is None
