"""Photos with faces that are red discs, and a detector that finds these."""

import math

import cv2
import numpy as np
from PIL import Image

from faces.detector import Face
from tests.data import photos


def photo(width=240, height=180, discs=((120, 90, 40),), seed=0, angle=0.0):
    """Red discs (x, y, radius) with two white eyes, turned counterclockwise; on a texture.

    Returns:
      uint8 [height, width, 3].
    """
    noise = np.random.default_rng(seed).integers(0, 160, (height // 6 + 1, width // 6 + 1))
    grey = np.kron(noise.astype(np.uint8), np.ones((6, 6), np.uint8))[:height, :width]
    image = np.stack([grey // 2, grey, grey], axis=-1)
    for x, y, radius in discs:
        cv2.circle(image, (x, y), radius, (255, 0, 0), -1)
        for eye in eyes(x, y, radius, angle):
            cv2.circle(image, tuple(map(round, eye)), max(radius // 8, 1), (255, 255, 255), -1)
    return image


def eyes(x, y, radius, angle):
    """Where the left and the right eye are, half a radius up and to the sides."""
    turn = math.radians(angle)
    across = np.array([math.cos(turn), -math.sin(turn)])
    up = np.array([-math.sin(turn), -math.cos(turn)])
    return [tuple(np.array([x, y]) + radius / 2 * (up + side * across)) for side in (-1, 1)]


def encoded(image, kind='PNG', **options):
    """The bytes of an image file."""
    return photos.encoded(Image.fromarray(image), kind, **options)


def detector(angle=0.0):
    """Finds red discs of ten pixels and more; the larger, the surer."""

    def detect(image):
        red = (image[..., 0] > 150) & (image[..., 1] < 90)
        count, _, boxes, _ = cv2.connectedComponentsWithStats(red.astype(np.uint8))
        found = [Face(*map(float, b[:4]), min(b[4] / 1e5, 1), angle) for b in boxes[1:count]]
        return sorted((f for f in found if f.width >= 10), key=lambda face: -face.score)

    return detect
