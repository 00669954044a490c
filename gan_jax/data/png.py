"""An image as it is stored: a PNG file that is quick to write and to read."""

import numpy as np


def encode(image: np.ndarray) -> bytes:
    """A PNG file of uint8 or uint16 [H, W, C], C = 1, 3 or 4.

    Its pixels are neither filtered nor packed: twice the bytes for photos of 64x64, but written
    in a tenth of the time and read in a fifth.
    """
    import cv2

    pixels = _swapped(image)
    quick = (cv2.IMWRITE_PNG_COMPRESSION, 0, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE)
    return cv2.imencode('.png', pixels, quick)[1].tobytes()


def decode(content: bytes) -> np.ndarray:
    """The image of a PNG file, whoever wrote it: uint8 or uint16 [H, W, C], C = 1, 3 or 4.

    Raises:
      ValueError: it is none.
    """
    import cv2

    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError('no PNG file')
    return image[..., None] if image.ndim == 2 else _swapped(image)


def _swapped(image: np.ndarray) -> np.ndarray:
    """With red and blue exchanged: OpenCV has blue first."""
    import cv2

    how = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    return image if image.shape[-1] == 1 else cv2.cvtColor(image, how[image.shape[-1]])
