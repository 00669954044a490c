"""Do samples carry the augmentation that was only meant for the discriminator?

A generator may learn to make holes, borders or colours that no real image has, as the discriminator
sees them on real images too. For each augmentation there is a trace: a number an image that is
high where it was applied. Real images with and without it say how well the trace tells, and so
what share of the samples carries it.
"""

from collections.abc import Callable, Mapping
import functools
import math
from typing import NamedTuple

import chex
import jax
import numpy as np

from gan_jax import augment
from gan_jax.io import images
from gan_jax.types import Metric

FEWEST_TOLD = 0.2  # of augmented images told apart beyond chance, below which nothing is said
LEAKS = 0.05  # share of the samples beyond its error that is called a leak
MOST = 2_000  # images of each kind that are looked at
CHUNK = 250

# (images, real ones to compare them with), each float32 [., H, W, C] in [-1, 1] -> float [N]
Trace = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Leak(NamedTuple):
    """The share of samples that carry one augmentation."""

    share: float  # of the samples that carry it, in [0, 1]; NaN where it cannot be told
    error: float  # its standard error
    told: float  # share of augmented real images that the trace tells beyond chance

    @property
    def leaks(self) -> bool:
        """Whether more of the samples carry it than chance would make seem."""
        return self.share - 2 * self.error > LEAKS


def borders(image: np.ndarray, real: np.ndarray) -> np.ndarray:
    """How near the outermost row or column nearest to grey is to it: translation moves grey in."""
    del real
    size = np.abs(image).mean(axis=-1)
    lines = size[:, 0], size[:, -1], size[:, :, 0], size[:, :, -1]
    return -np.stack([line.mean(axis=1) for line in lines]).min(axis=0)


def holes(image: np.ndarray, real: np.ndarray, part: int = 4) -> np.ndarray:
    """How near the greyest square, 1 / `part` of the side, is to grey: a hole shows one."""
    del real
    size = np.abs(image).mean(axis=-1)
    rows, columns = (max(side // part, 1) for side in size.shape[1:])
    total = np.pad(size.cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))
    sums = total[:, rows:] - total[:, :-rows]
    sums = sums[:, :, columns:] - sums[:, :, :-columns]
    return -sums.min(axis=(1, 2)) / (rows * columns)


def _tones(image: np.ndarray) -> np.ndarray:
    """Brightness, log contrast and log saturation of each image, [N, 3]."""
    grey = image.mean(axis=-1)
    saturation = np.abs(image - grey[..., None]).mean(axis=(1, 2, 3))
    contrast = grey.std(axis=(1, 2))
    return np.stack(
        [grey.mean(axis=(1, 2)), np.log(contrast + 1e-2), np.log(saturation + 1e-2)], axis=1
    )


def tones(image: np.ndarray, real: np.ndarray) -> np.ndarray:
    """How unusual brightness, contrast or saturation are, in deviations of the real images."""
    usual = _tones(real)
    middle, spread = usual.mean(axis=0), usual.std(axis=0) + 1e-3
    return np.abs((_tones(image) - middle) / spread).max(axis=1)


def _direction(image: np.ndarray) -> np.ndarray:
    """The direction across the edges of each image, as a unit vector of twice its angle, [N]."""
    down, right = np.gradient(image.mean(axis=-1), axis=(1, 2))
    doubled = (right + 1j * down) ** 2
    total = doubled.sum(axis=(1, 2))
    return total / np.maximum(np.abs(total), 1e-9)


def slants(image: np.ndarray, real: np.ndarray) -> np.ndarray:
    """How far the direction of the edges is from that of most real images."""
    usual = _direction(real).mean()
    return np.abs(np.angle(_direction(image) * np.conj(usual)))


class Tell(NamedTuple):
    """How an augmentation shows."""

    trace: Trace
    meaning: str  # what samples look like that carry it


# By the names of `augment.AUGMENTATIONS`.
TELLS: Mapping[str, Tell] = {
    'color': Tell(tones, 'as the augmentation makes them'),
    'soft_color': Tell(tones, 'as the augmentation makes them'),
    'translation': Tell(borders, 'with a grey border'),
    'cutout': Tell(holes, 'with a grey hole'),
    'small_cutout': Tell(functools.partial(holes, part=10), 'with a grey hole'),
    'affine': Tell(slants, 'that are turned'),
}

METRICS: Mapping[str, Metric] = {
    f'carries_{name}': Metric(
        f'Carry {name.replace("_", " ")}', '{:.1%}', f'samples {tell.meaning}', by_net=False
    )
    for name, tell in TELLS.items()
}


def measure(fake: np.ndarray, real: np.ndarray, policy: str) -> dict[str, Leak]:
    """Measures which share of samples, uint8 [N, H, W, C], carries each augmentation of a policy.

    Real images, uint8 [M, H, W, C], are to be such as were not augmented.
    """
    chex.assert_equal_shape_suffix([fake, real], 3)
    fake, real = _pixels(fake), _pixels(real)
    found = {}
    for name in augment.parse(policy):
        looked_at = fake, real, _augmented(name, real)
        found[name] = _share(*(TELLS[name].trace(image, real) for image in looked_at))
    return found


def metrics(found: Mapping[str, Leak]) -> dict[str, float]:
    """Metrics of the leaks, fit for JSON: `carries_NAME`, and `carries_NAME_std`, its error.

    What cannot be told is left out.
    """
    told = {name: leak for name, leak in found.items() if leak.told >= FEWEST_TOLD}
    shares = {f'carries_{name}': leak.share for name, leak in told.items()}
    return shares | {f'carries_{name}_std': leak.error for name, leak in told.items()}


def notes(found: Mapping[str, Leak], adapts: bool) -> list[str]:
    """The remedies for those that leak, in a run whose probability adapts or does not."""
    lower = 'config.ada.limit' if adapts else 'config.augment_p, with config.ada.target'
    return [
        f'{leak.share:.0%} of the samples carry the augmentation {name}: train with a lower'
        f' {lower}, or without {name}'
        for name, leak in found.items()
        if leak.leaks
    ]


def _pixels(image: np.ndarray) -> np.ndarray:
    chosen = np.random.Generator(np.random.PCG64(0)).permutation(len(image))[:MOST]
    return np.asarray(image[np.sort(chosen)], np.float32) / 127.5 - 1


def _augmented(name: str, image: np.ndarray) -> np.ndarray:
    """Each image augmented, and in levels as stored images are."""
    keys = jax.random.split(jax.random.key(0), len(image))
    call = jax.jit(lambda x, k: images.to_uint8(augment.AUGMENTATIONS[name](x, k), (-1, 1)))
    parts = [
        call(image[start : start + CHUNK], keys[start : start + CHUNK])
        for start in range(0, len(image), CHUNK)
    ]
    return np.concatenate([np.asarray(part) for part in parts]).astype(np.float32) / 127.5 - 1


def _share(fake: np.ndarray, real: np.ndarray, augmented: np.ndarray) -> Leak:
    """The share of `fake` that is as `augmented`, the others being as `real`.

    Counted above the level that separates the two best, and corrected for the false alarms and
    misses there (the adjusted count of Forman 2008, doi:10.1007/s10618-008-0097-y, section 2.4).
    """
    levels = np.unique(np.concatenate([real, augmented]))
    alarms = 1 - np.searchsorted(np.sort(real), levels, 'right') / len(real)
    hits = 1 - np.searchsorted(np.sort(augmented), levels, 'right') / len(augmented)
    best = int(np.argmax(hits - alarms))
    told = float(hits[best] - alarms[best])
    if told < FEWEST_TOLD:
        return Leak(math.nan, math.nan, told)
    # In the middle of what separates them: other traces on the samples do not reach it.
    level = levels[best : best + 2].mean()
    above = float((fake > level).mean())
    variance = sum(
        share * (1 - share) / count
        for share, count in ((above, len(fake)), (alarms[best], len(real)))
    )
    share = np.clip((above - alarms[best]) / told, 0, 1)
    return Leak(float(share), float(math.sqrt(variance) / told), told)
