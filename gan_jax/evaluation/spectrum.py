"""Fine grain: what images have at the highest spatial frequencies."""

from typing import NamedTuple

import chex
import numpy as np

from gan_jax.io import pixels

FINE = 0.375  # cycles a pixel from which a frequency counts, of at most 0.5 along an axis
CHUNK = 1_000
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def power(image: np.ndarray) -> float:
    """The mean power of grey levels of images, uint8 [N, H, W, C], at fine frequencies.

    Of an image's luma over white, without its mean and under a Hann window, so that its borders
    make no frequencies of their own. In units of the variance, in squared grey levels, of the white
    noise that has as much there.
    """
    chex.assert_rank(image, 4)
    height, width = image.shape[1:3]
    window = np.outer(_hann(height), _hann(width)).astype(np.float32)
    fine = _fine(height, width)
    total = 0.0
    for start in range(0, len(image), CHUNK):
        part = pixels.on_white(image[start : start + CHUNK]).astype(np.float32)
        grey = part @ LUMA if part.shape[-1] == 3 else part[..., 0]
        grey -= np.mean(grey, axis=(1, 2), keepdims=True)
        spectrum = np.fft.rfft2(grey * window)
        total += float((np.square(np.abs(spectrum)) * fine[None]).sum(dtype=np.float64))
    return total / (len(image) * float(np.square(window).sum()) * float(fine.sum()))


def _hann(size: int) -> np.ndarray:
    return np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2


def _fine(height: int, width: int) -> np.ndarray:
    """1 or 2 for the fine frequencies of a real image's half spectrum, 0 for the others."""
    rows, columns = np.fft.fftfreq(height), np.fft.rfftfreq(width)
    fine = np.hypot(rows[:, None], columns[None]) >= FINE
    twice = np.where((columns > 0) & (columns < 0.5), 2, 1)  # each stands for its mirror image too
    return (fine * twice[None]).astype(np.float32)


class Grain(NamedTuple):
    """The fine grain of generated images beside that of real ones."""

    # standard deviation, in grey levels of 255, of the white noise that would explain what
    # generated images have more; 0 where they do not
    noise: float
    ratio: float  # power of generated images over that of real ones; below 1 they are smoother


def compare(fake: float, real: float) -> Grain:
    """Compares two `power`s."""
    return Grain(float(np.sqrt(max(fake - real, 0.0))), fake / max(real, 1e-12))
