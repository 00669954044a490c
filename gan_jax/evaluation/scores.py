"""How near a translation is to the photo it should be: functions of two images.

Images are uint8 [H, W, 3], sRGB. A score is a number for one image.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import chex
import numpy as np

from gan_jax.types import Metric

SIGMA, RADIUS = 1.5, 5  # of the Gaussian window of SSIM, in pixels
SSIM_K1, SSIM_K2 = 0.01, 0.03
NEAR = 1  # pixels by which two edges may be apart and still be one


def l1(made: np.ndarray, photo: np.ndarray) -> float:
    """The mean absolute difference of pixels in [-1, 1], as the generator minimises it; 0 to 2."""
    return float(np.abs(_difference(made, photo)).mean() / 127.5)


def psnr(made: np.ndarray, photo: np.ndarray) -> float:
    """The peak signal-to-noise ratio, 10 log10(255^2 / MSE), in dB; infinite for equal images."""
    error = np.square(_difference(made, photo)).mean()
    with np.errstate(divide='ignore'):
        return float(10 * np.log10(255**2 / error))


def _difference(made: np.ndarray, photo: np.ndarray) -> np.ndarray:
    chex.assert_equal_shape([made, photo])
    return made.astype(np.float64) - photo.astype(np.float64)


def ssim(made: np.ndarray, photo: np.ndarray) -> float:
    """Structural similarity (Wang et al. 2004, eq. 13), at most 1, the mean over channels.

    Windows are Gaussian, of 11x11 pixels and deviation 1.5, and lie within the image, as in the
    authors' code. Images of fewer than 11 pixels a side have no window: NaN.
    """
    from scipy.ndimage import gaussian_filter

    chex.assert_equal_shape([made, photo])
    if min(made.shape[:2]) <= 2 * RADIUS:
        return float('nan')
    x, y = made.astype(np.float64), photo.astype(np.float64)

    def mean(image: np.ndarray) -> np.ndarray:
        blurred = gaussian_filter(image, SIGMA, radius=RADIUS, axes=(0, 1))
        return blurred[RADIUS:-RADIUS, RADIUS:-RADIUS]

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = ((k * 255) ** 2 for k in (SSIM_K1, SSIM_K2))
    top = (2 * mx * my + c1) * (2 * cov + c2)
    return float((top / ((mx * mx + my * my + c1) * (vx + vy + c2))).mean())


def ab_error(made: np.ndarray, photo: np.ndarray) -> float:
    """The mean distance of colours in the (a, b) plane of CIELAB (1976, white D65).

    Lightness does not enter, so that a grey image has the photo's mean chroma.
    """
    chex.assert_equal_shape([made, photo])
    return float(np.linalg.norm(_ab(made) - _ab(photo), axis=-1).mean())


def _ab(image: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[..., 1:]


def edge_agreement(made: np.ndarray, edges: np.ndarray, thresholds: tuple[int, int]) -> float:
    """How far the edges of a translation are those of its input: F1, from 0 to 1.

    Edges are Canny's. An edge pixel agrees if the other image has one within `NEAR` pixels.
    Precision is the share of the translation's that agree, recall that of the input's; F1 is their
    harmonic mean. 1 if neither has edges.

    Args:
      edges: of the input, bool [H, W].
      thresholds: of Canny, see `data.inputs.canny`.
    """
    import cv2

    from gan_jax.data import inputs

    found = inputs.canny(made, *thresholds)[..., 0] > 0
    if not found.any() and not edges.any():
        return 1.0
    reach = np.ones((2 * NEAR + 1, 2 * NEAR + 1), np.uint8)

    def agreeing(one: np.ndarray, other: np.ndarray) -> float:
        near = cv2.dilate(other.astype(np.uint8), reach) > 0
        return (one & near).sum() / max(one.sum(), 1)

    precision, recall = agreeing(found, edges), agreeing(edges, found)
    return float(2 * precision * recall / max(precision + recall, 1e-12))


class Goal(NamedTuple):
    """The photo that a translation should be, and the edges that it should have."""

    photo: np.ndarray  # uint8 [H, W, 3]
    edges: np.ndarray  # of the input, bool [H, W]
    thresholds: tuple[int, int]  # of Canny, see `data.inputs.canny`


class Score(NamedTuple):
    """A score of a translation."""

    of: Callable[[np.ndarray, Goal], float]  # (translation, what it should be) -> its value
    metric: Metric  # how it is shown


def _of_photo(
    of: Callable[[np.ndarray, np.ndarray], float],
    name: str,
    form: str,
    better: int,
    panel: str = '',
) -> Score:
    metric = Metric(name, form, better=better, by_net=False, panel=panel)
    return Score(lambda made, goal: of(made, goal.photo), metric)


SCORES: Mapping[str, Score] = {
    'l1': _of_photo(l1, 'L1', '{:.4f}', better=-1, panel='L1'),
    'psnr': _of_photo(psnr, 'PSNR, dB', '{:.2f}', better=1),
    'ssim': _of_photo(ssim, 'SSIM', '{:.3f}', better=1, panel='SSIM'),
    'ab_error': _of_photo(ab_error, 'Colour (a, b)', '{:.2f}', better=-1),
    'edge_agreement': Score(
        lambda made, goal: edge_agreement(made, goal.edges, goal.thresholds),
        Metric('Edges, F1', '{:.3f}', better=1, by_net=False, panel='edges, F1'),
    ),
}

# All that is measured of pairs; `distance` is of features.
METRICS: Mapping[str, Metric] = {
    **{key: score.metric for key, score in SCORES.items()},
    'distance': Metric(
        'Distance', '{:.3f}', better=-1, suffixed=True, panel='distance of features'
    ),
}
