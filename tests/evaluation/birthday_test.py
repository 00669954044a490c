"""The birthday test finds how many kinds there are where that is known."""

import numpy as np
import pytest

from gan_jax.evaluation import birthday

RANDOM = np.random.default_rng(0)
SHAPE = (32, 32, 3)


def various(count, shape=SHAPE):
    """Images that differ by coarse shapes, as photos do."""
    coarse = RANDOM.integers(0, 256, (count, 4, 4, shape[-1]))
    size = shape[0] // 4
    return coarse.repeat(size, axis=1).repeat(size, axis=2).astype(np.uint8)


def drawn(templates, count, noise=10, weight=None):
    """Random ones of the templates, with noise that differs."""
    image = templates[RANDOM.choice(len(templates), count, p=weight)]
    levels = image + RANDOM.normal(0, noise, image.shape)
    return np.clip(levels, 0, 255).astype(np.uint8)


def found(image, real):
    return birthday.count(birthday.reduced(image), birthday.radius(birthday.reduced(real)))


REAL = various(500)


@pytest.mark.parametrize('shape', [SHAPE, (28, 28, 1), (16, 16, 3)])
@pytest.mark.parametrize('number', [10, 300])
def test_kinds_are_counted(number, shape):
    image = drawn(various(number, shape), 1000)
    estimate = found(image, various(500, shape))
    assert estimate.number == pytest.approx(number, rel=0.15)
    assert estimate.number == 1000 * 999 / 2 / estimate.pairs


def test_kinds_that_come_more_often_count_for_more():
    """1 / sum(p^2): half of the samples alike, the others all different, are about four."""
    image = np.concatenate([drawn(various(1), 500), various(500)])
    assert found(image, REAL).number == pytest.approx(4, rel=0.02)


def test_no_pair_alike_is_a_bound():
    assert found(various(625), REAL) == (625 * 624 / 2, 0)
    assert found(REAL, REAL).pairs == 0


def test_one_image_again_and_again_is_one_kind():
    same = np.repeat(REAL[:1], 100, axis=0)
    assert found(same, REAL).number == 1


def test_of_a_large_set_a_part_is_compared():
    image = np.zeros((birthday.LIMIT + 5, 4, 4, 1), np.uint8)
    assert birthday.reduced(image).shape == (birthday.LIMIT, birthday.SIDE**2)
