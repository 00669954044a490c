import io

import numpy as np
from PIL import Image, ImageEnhance
import pytest

from gan_jax.data import decode, duplicates
from tests.data.photos import encoded, photo

PHOTOS = [photo(seed, (160, 160)) for seed in range(40)]


def hashes(images):
    return duplicates.perceptual_hashes([decode.fitted(image, (64, 64)) for image in images])


def distances(one, other):
    return np.bitwise_count(one ^ other)


COPIES = {
    'compressed': lambda image: Image.open(io.BytesIO(encoded(image, quality=30))).convert('RGB'),
    'smaller': lambda image: image.resize((80, 80), Image.Resampling.BILINEAR),
    'larger': lambda image: image.resize((300, 300), Image.Resampling.BICUBIC),
    'darker': lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    'contrast': lambda image: ImageEnhance.Contrast(image).enhance(0.8),
}


@pytest.mark.parametrize('kind', COPIES)
def test_copies_are_near(kind):
    copies = [COPIES[kind](image) for image in PHOTOS]
    assert distances(hashes(PHOTOS), hashes(copies)).max() <= duplicates.NEAR


def test_other_pictures_and_mirror_images_are_far():
    own = hashes(PHOTOS)
    apart = distances(own[:, None], own[None])[np.triu_indices(len(own), 1)]
    assert apart.min() > duplicates.NEAR
    mirrored = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in PHOTOS]
    assert distances(own, hashes(mirrored)).min() > duplicates.NEAR


def brute_force(codes, near):
    group = np.arange(len(codes))
    for _ in codes:  # enough rounds for the longest chain
        close = distances(codes[:, None], codes[None]) <= near
        group = np.where(close, group[None], len(codes)).min(axis=1)
    return group


@pytest.mark.parametrize('near', [0, 1, 6, 10])
def test_groups_are_chains_of_near_codes(near):
    random = np.random.default_rng(near)
    seeds = random.integers(0, 2**63, 30, np.uint64)
    # Walks away from each seed, two bits a time, so that ends of a chain are far apart.
    walks = [seeds]
    for _ in range(6):
        flips = np.uint64(1) << random.integers(0, 64, (2, 30)).astype(np.uint64)
        walks.append(walks[-1] ^ flips[0] ^ flips[1])
    codes = random.permutation(np.concatenate(walks))
    np.testing.assert_array_equal(duplicates.groups(codes, near), brute_force(codes, near))


def test_no_images_and_one_are_groups_too():
    assert duplicates.groups(np.zeros(0, np.uint64)).shape == (0,)
    assert duplicates.groups(np.zeros(1, np.uint64)).tolist() == [0]


def digests(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 32), np.uint8)


@pytest.mark.parametrize('fraction', [0.1, 0.5])
def test_about_the_asked_share_is_held_out_and_groups_stay_together(fraction):
    group = np.repeat(np.arange(4000) * 2, 2)
    group = np.minimum(group, len(group) - 2)
    out = duplicates.held_out(digests(8000), group, fraction)
    assert abs(out.mean() - fraction) < 0.02
    assert (out[::2] == out[1::2]).all()
    assert not duplicates.held_out(digests(8000), group, 0.0).any()


def test_the_side_of_an_image_does_not_depend_on_the_others():
    content, alone = digests(1000), np.arange(1000)
    out = duplicates.held_out(content, alone, 0.2)
    some = np.random.default_rng(1).permutation(1000)[:300]
    np.testing.assert_array_equal(
        duplicates.held_out(content[some], np.arange(300), 0.2), out[some]
    )


def test_a_larger_share_holds_what_a_smaller_one_does():
    content, alone = digests(1000), np.arange(1000)
    few, many = (duplicates.held_out(content, alone, share) for share in (0.1, 0.3))
    assert not (few & ~many).any()


def test_pairs_are_compared_by_their_photos():
    image = np.arange(2 * 4 * 8 * 3, dtype=np.uint8).reshape(2, 4, 8, 3)
    np.testing.assert_array_equal(duplicates.photos(image), image[:, :, 4:])
    np.testing.assert_array_equal(duplicates.photos(image[:, :, :4]), image[:, :, :4])
