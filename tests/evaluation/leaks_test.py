"""Samples of which it is known how many carry an augmentation."""

import functools
import math

import jax
import numpy as np
import pytest

from gan_jax import augment
from gan_jax.data import mnist5k
from gan_jax.evaluation import leaks
from gan_jax.io import images


@pytest.fixture(scope='module')
def digits():
    image, _ = mnist5k.read()
    return image[np.random.default_rng(0).permutation(len(image))[:1_500]]


@pytest.fixture(scope='module')
def photos():
    """Smooth colour pictures: a few waves of random direction, brightness and tint."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:32, :32] / 32
    found = []
    for _ in range(600):
        angle, phase = rng.normal(0, 0.04), rng.uniform(0, 6)
        wave = np.sin(8 * (np.cos(angle) * x + np.sin(angle) * y) + phase)
        picture = wave[..., None] * rng.uniform(0.3, 0.5, 3) + rng.normal(0.3, 0.1, 3)
        found.append(picture + rng.normal(0, 0.05, picture.shape))
    return np.asarray(images.to_uint8(np.stack(found), (-1, 1)))


@functools.partial(jax.jit, static_argnums=0)
def program(name, image):
    keys = jax.random.split(jax.random.key(7), len(image))
    made = augment.AUGMENTATIONS[name](images.normalise(image, (-1, 1)), keys)
    return images.to_uint8(made, (-1, 1))


def augmented(name, image):
    return np.asarray(program(name, image))


@pytest.mark.parametrize('share', [0.0, 0.3])
@pytest.mark.parametrize(
    'kind, name',
    [
        ('digits', 'color'),
        ('digits', 'translation'),
        ('digits', 'cutout'),
        ('photos', 'color'),
        ('photos', 'translation'),
        ('photos', 'cutout'),
        ('photos', 'affine'),
    ],
)
def test_the_share_that_carries_it_is_found(kind, name, share, request):
    image = request.getfixturevalue(kind)
    real, fake = np.split(image, 2)
    count = round(share * len(fake))
    fake = np.concatenate([augmented(name, fake)[:count], fake[count:]])
    found = leaks.measure(fake, real, name)[name]
    assert found.told > leaks.FEWEST_TOLD
    assert abs(found.share - share) < 0.06 + 3 * found.error
    assert found.leaks == (share > 0)


def test_one_augmentation_is_not_taken_for_another(digits):
    real, fake = np.split(digits, 2)
    found = leaks.measure(augmented('cutout', fake), real, 'color,translation,cutout')
    assert found['cutout'].leaks and not found['translation'].leaks


def test_what_cannot_be_told_is_not_said(digits):
    """Flat images have no edges, and so no direction."""
    flat = np.full_like(digits, 128)
    found = leaks.measure(flat, flat, 'affine')['affine']
    assert math.isnan(found.share) and not found.leaks
    assert (
        leaks.metrics({'affine': found}) == {}
        and leaks.notes({'affine': found}, adapts=False) == []
    )


def test_a_leak_is_a_figure_and_a_note_that_says_what_to_do(digits):
    real, fake = np.split(digits, 2)
    found = leaks.measure(augmented('cutout', fake), real, 'translation,cutout')
    figures = leaks.metrics(found)
    assert set(figures) == {f'carries_{n}{end}' for n in found for end in ('', '_std')}
    assert figures['carries_cutout'] == 1
    [note] = leaks.notes(found, adapts=False)
    assert 'ada.limit' in leaks.notes(found, adapts=True)[0]
    assert note.startswith('100% of the samples carry the augmentation cutout: ')
