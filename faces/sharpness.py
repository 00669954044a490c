"""How sharp a crop is, whatever its size, contrast and colours."""

import chex
import numpy as np

SIDE = 48  # pixels a side at which every crop is judged
NOISE = 4.0  # of grey levels, squared: what rounding and compression leave in one colour


def sharpness(image: np.ndarray) -> float:
    """The variance of the Laplacian of the grey image at 48x48, over that at 24x24.

    How much of the detail of one octave is still there in the next finer one. Natural images
    look alike at every scale, so that faces in focus come near 0.4 whether small or large; and
    contrast divides out. Blurred by a Gaussian of one pixel at 64x64 they come near 0.15.

    Args:
      image: uint8 [H, W, 3], H = W.

    Returns:
      0 (one colour, or a mere slope) or more.
    """
    import cv2

    chex.assert_rank(image, 3)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine, coarse = (_detail(grey, side) for side in (SIDE, SIDE // 2))
    return fine / (coarse + NOISE)


def _detail(grey: np.ndarray, side: int) -> float:
    import cv2

    how = cv2.INTER_AREA if len(grey) > side else cv2.INTER_CUBIC
    small = cv2.resize(grey, (side, side), interpolation=how)
    return float(cv2.Laplacian(small, cv2.CV_32F).var())
