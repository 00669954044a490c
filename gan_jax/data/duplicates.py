"""Images that are the same picture to the eye, and splits that keep them on one side."""

from collections.abc import Sequence
import functools

import numpy as np

from gan_jax.io import pixels

SIDE = 32  # pixels a side of what is hashed

# Bits of 64 in which two hashes of one picture may differ; they differ in an even number.
# Measured on about 330 of 1,584 photos (cats, facades, portraits) at 64x64: copies as JPEG of
# quality 30 to 90 or resized by 0.5 to 1.5 differ in 2 at most; of those brightened by 1.3,
# 94 to 98 % in 6 at most; shots of a burst in 2 to 12. Other pictures begin at 8 (two facades
# in the same black frame), 10 (portraits) and 12 (cats). A mirror image is another picture.
NEAR = 6

# The eight lowest frequencies of the discrete cosine transform of `SIDE` values.
_COSINES = np.cos(np.pi / SIDE * np.outer(np.arange(8), np.arange(SIDE) + 0.5)).astype(np.float32)


def perceptual_hashes(images: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """64 bits an image, uint64 [N], that size, compression and brightness hardly change: pHash.

    The signs, around their median, of the 8x8 lowest frequencies but the mean of the grey
    image at 32x32 (C. Zauner, Implementation and Benchmarking of Perceptual Image Hash
    Functions, 2010).

    Args:
      images: uint8 or uint16 [H, W, C] each, transparent ones over white.
    """
    small = np.stack([_small(image) for image in images]).astype(np.float32)
    low = (_COSINES @ small @ _COSINES.T).reshape(len(small), 64)
    low[:, 0] = 0  # the mean
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view('>u8')[:, 0].astype(np.uint64)


def photos(images: np.ndarray) -> np.ndarray:
    """The last panels, [N, H, H, C], of images [N, H, P * H, C]: of pairs the photos."""
    return images[:, :, -images.shape[1] :]


def _small(image: np.ndarray) -> np.ndarray:
    import cv2

    image = pixels.on_white(pixels.eight_bits(image))
    grey = image if image.shape[-1] == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def groups(hashes: np.ndarray, near: int = NEAR) -> np.ndarray:
    """Each picture's group by its lowest index, int64 [N]: a chain of hashes alike in most bits."""
    parent = np.arange(len(hashes))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for first, second in _near_pairs(hashes, near):
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    return np.array([root(index) for index in range(len(hashes))], np.int64)


def _near_pairs(hashes: np.ndarray, near: int) -> set[tuple[int, int]]:
    """Pairs of indices whose hashes differ in at most `near` bits.

    Cut into `near + 1` bands, two such hashes are equal in at least one of them; only those
    that are are compared.
    """
    pairs: set[tuple[int, int]] = set()
    for mask in _bands(near + 1):
        band = hashes & mask
        order = np.argsort(band, kind='stable')
        edges = np.flatnonzero(np.diff(band[order])) + 1
        for bucket in np.split(order, edges):
            pairs.update(_compared(hashes, bucket, near))
    return pairs


def _compared(hashes: np.ndarray, bucket: np.ndarray, near: int) -> Sequence[tuple[int, int]]:
    found = []
    for place, index in enumerate(bucket[:-1]):
        others = bucket[place + 1 :]
        close = others[np.bitwise_count(hashes[others] ^ hashes[index]) <= near]
        found += [(int(index), int(other)) for other in close]
        if len(close) == len(others):
            break  # they all belong to this one, and so to each other
    return found


@functools.cache
def _bands(count: int) -> tuple[np.uint64, ...]:
    """64 bits cut into `count` runs."""
    edges = [64 * place // count for place in range(count + 1)]
    return tuple(
        np.uint64((1 << high) - (1 << low)) for low, high in zip(edges, edges[1:], strict=False)
    )


def held_out(digests: np.ndarray, group: np.ndarray, fraction: float) -> np.ndarray:
    """Which examples are held out, bool [N]: whole groups of near duplicates, by content's hash.

    An image is on the same side whatever else the set holds, unless a picture like it, with
    a lower digest, decides for both. Where all would be held out, as the frames of a video may be,
    none is: there would be nothing to train on.

    Args:
      digests: uint8 [N, 32], sha256 of each image, whatever its label is.
      group: int64 [N], of `groups`.
      fraction: of the groups, about.
    """
    heads = np.ascontiguousarray(digests[:, :8]).view('>u8').ravel().astype(np.uint64)
    lowest = np.full(len(heads), np.iinfo(np.uint64).max)
    np.minimum.at(lowest, group, heads)
    # The lowest of n uniform numbers is small; hashed once more it is uniform.
    mixed = lowest[group] * np.uint64(0x9E3779B97F4A7C15)
    out = mixed < np.uint64(fraction * 2**64)
    return out & (not out.all())
