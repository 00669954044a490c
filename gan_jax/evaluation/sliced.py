"""The sliced Wasserstein distance of patches: do samples look like real images at every scale?

Karras et al. 2018, arXiv:1710.10196, section 5. Patches of each level of a Laplacian pyramid are
compared by the mean distance of their projections on random directions. It needs no feature net.
Other than in the authors' code, at most LIMIT patches of a level are compared, whatever the number
of images: theirs takes two million.
"""

from collections.abc import Iterator

import chex
import numpy as np

SMALLEST = 16  # pixels, of the last level
PATCH = 7
PER_IMAGE = 128  # patches, at most
LIMIT = 2**16  # patches of a level
DIRECTIONS = 512
CHUNK = 64  # directions at a time
SCALE = 1e3  # by which distances are shown


def distance(a: np.ndarray, b: np.ndarray) -> float | None:
    """SCALE times the distance of two sets of images, the mean over levels; None: they are small.

    Of the larger set a random part is taken, always the same. As each set's patches are normalised
    by their own moments, brightness and contrast do not enter, nor how strong a level is: see
    `spectrum` for that.

    Args:
      a, b: uint8 [N, H, W, C] and [M, H, W, C]; H and W at least SMALLEST, or the result is None.
    """
    chex.assert_equal_shape_suffix([a, b], 3)
    count = min(len(a), len(b))
    levels = zip(*(patches(_part(image, count)) for image in (a, b)), strict=True)
    found = [of_projections(normalized(x), normalized(y)) for x, y in levels]
    return SCALE * float(np.mean(found)) if found else None


def _part(image: np.ndarray, count: int) -> np.ndarray:
    if len(image) == count:
        return image
    return image[np.sort(np.random.default_rng(0).permutation(len(image))[:count])]


def patches(image: np.ndarray) -> list[np.ndarray]:
    """Random patches of each level of images, uint8 [N, H, W, C], the finest first.

    At the same places of any set as large: for each level float32 [N * P, C, PATCH, PATCH].
    """
    random = np.random.default_rng(0)
    per_image = max(min(PER_IMAGE, LIMIT // len(image)), 1)
    found = [
        [_patches(level, random, per_image) for level in pyramid(x.astype(np.float32))]
        for x in image
    ]
    return [np.concatenate(level) for level in zip(*found, strict=True)]


def _patches(level: np.ndarray, random: np.random.Generator, count: int) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH, PATCH), axis=(0, 1))
    rows, columns = (random.integers(0, size, count) for size in windows.shape[:2])
    return windows[rows, columns]


def pyramid(image: np.ndarray) -> Iterator[np.ndarray]:
    """The levels of float32 [H, W, C], the finest first; the last is what the others leave out.

    Burt and Adelson 1983: each but the last is an image less what half of its size can show.
    """
    import cv2

    height, width, channels = image.shape
    if min(height, width) < SMALLEST:
        return
    small = cv2.pyrDown(image)
    if min(small.shape[:2]) < SMALLEST:
        yield image
        return
    coarse = cv2.pyrUp(small, dstsize=(width, height))
    yield image - coarse.reshape(image.shape)
    yield from pyramid(small.reshape(*small.shape[:2], channels))


def normalized(patch: np.ndarray) -> np.ndarray:
    """float32 [N, C, h, w], each channel with mean 0 and deviation 1 over all: [N, C * h * w]."""
    # In float64: a sum of millions in float32 would be off by what small distances are.
    mean = patch.mean((0, 2, 3), np.float64, keepdims=True)
    deviation = patch.std((0, 2, 3), np.float64, keepdims=True)
    return ((patch - mean) / np.maximum(deviation, 1e-8)).reshape(len(patch), -1).astype(np.float32)


def of_projections(a: np.ndarray, b: np.ndarray) -> float:
    """The mean over DIRECTIONS of the Wasserstein-1 distance of projections of float [N, D] each.

    The same directions always.
    """
    chex.assert_equal_shape([a, b])
    directions = np.random.default_rng(0).normal(size=(DIRECTIONS, a.shape[1])).astype(a.dtype)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    total = 0.0
    for start in range(0, DIRECTIONS, CHUNK):
        part = directions[start : start + CHUNK]
        gap = np.sort(part @ a.T, axis=1) - np.sort(part @ b.T, axis=1)
        total += float(np.abs(gap).mean(axis=1).sum())
    return total / DIRECTIONS
