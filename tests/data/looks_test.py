"""Pictures of another kind than a set are told from those of its kind."""

import numpy as np
import pytest

from gan_jax import data
from gan_jax.data import looks
from tests.data.photos import photo


def grey(seed):
    return np.asarray(photo(seed, (28, 28)).convert('L'))[..., None]


@pytest.fixture
def images(digits):
    return data.load(digits.data).arrays().image


def judged(learned, pictures):
    return [looks.judge(learned, looks.of(picture[None])) for picture in pictures]


def test_digits_their_negatives_and_photos_are_told_apart(images):
    learned = looks.of(images)
    assert learned.is_ground and not learned.coloured and 'light on dark' in str(learned)
    assert set(judged(learned, images)) == {''}
    assert set(judged(learned, 255 - images)) == {looks.NEGATIVE}
    assert set(judged(learned, map(grey, range(20)))) == {looks.UNLIKE}
    coloured = [np.asarray(photo(seed, (28, 28))) for seed in range(20)]
    assert set(judged(learned, coloured)) == {looks.UNLIKE}


def test_ink_on_paper_is_the_same_the_other_way_round(images):
    paper = 255 - images // 5 * 4  # ink that is not black
    assert 'dark on light' in str(looks.of(paper))
    assert set(judged(looks.of(paper), paper)) == {''}
    assert set(judged(looks.of(paper), images)) == {looks.NEGATIVE}


def test_photos_lie_on_no_ground():
    assert not looks.of(np.stack([np.asarray(photo(seed)) for seed in range(30)])).is_ground
