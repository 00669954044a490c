"""Decodes images of 16 bits a channel, which PNG and TIFF files may have.

Pillow, which decodes all others, has no such pixels in colour.
"""

import numpy as np
from PIL import Image

from gan_jax.data import containers, decode
from gan_jax.data.containers import Bare
from gan_jax.data.decode import Unreadable

MOST = 65_535  # the greatest level
STEP = 257  # levels of 16 bits in one of 8
_BITS = 258  # the tag of TIFF (6.0, section 8)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def read_fitted(
    content: bytes, size: tuple[int, int], crop: int = 0, channels: int = 3
) -> np.ndarray:
    """Does as `decode.read_fitted`, uint16 [height, width, channels]; 8 bits are spread over 16."""
    bare = containers.strip(content)
    if not _is_deep(bare):
        return decode.read_fitted(content, size, crop, channels).astype(np.uint16) * STEP
    planes = np.moveaxis(_converted(_straight(bare), channels), -1, 0)
    upright = [decode.upright(Image.fromarray(plane), bare.orientation) for plane in planes]
    fitted = np.concatenate([decode.fitted(plane, size, crop) for plane in upright], axis=-1)
    levels = np.clip(np.rint(fitted), 0, MOST).astype(np.uint16)
    return np.minimum(levels, levels[..., 3:]) if channels == 4 else levels


def _is_deep(bare: Bare) -> bool:
    """Whether a file has 16 bits a channel, or says so."""
    if bare.kind == 'PNG':
        return bare.content[24:25] == b'\x10'  # of IHDR
    if bare.kind != 'TIFF':
        return False
    try:
        with decode.opened(bare) as image:
            return 16 in image.tag_v2.get(_BITS, ())  # type: ignore[attr-defined]
    except Unreadable:
        raise
    except Exception as error:  # the decoder raises whatever it meets
        raise Unreadable(str(error) or repr(error)) from error


def _straight(bare: Bare) -> np.ndarray:
    """Grey, RGB, or RGBA before it is multiplied: float32 [H, W, C] from 0 to `MOST`."""
    import cv2

    decode.opened(bare).close()  # refuses what is too large before it is decoded
    found = cv2.imdecode(np.frombuffer(bare.content, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise Unreadable(f'a broken {bare.kind} file')
    if found.dtype != np.uint16:
        raise Unreadable(f'pixels of type {found.dtype}, which have no known range')
    order = (2, 1, 0, 3)  # blue is first
    levels = found[..., None] if found.ndim == 2 else found[..., order[: found.shape[2]]]
    if bare.transparent and levels.shape[2] != 4:
        shown = (levels != np.array(bare.transparent)).any(axis=-1, keepdims=True)
        levels = np.concatenate([np.repeat(levels, 3 // levels.shape[2], 2), shown * MOST], axis=2)
    return levels.astype(np.float32)


def _converted(levels: np.ndarray, channels: int) -> np.ndarray:
    """Straight levels in so many channels, of four multiplied by alpha, else over white."""
    if levels.shape[2] == 1 and channels == 1:
        return levels
    colour = np.repeat(levels, 3, axis=2) if levels.shape[2] == 1 else levels[..., :3]
    alpha = levels[..., 3:] if levels.shape[2] == 4 else np.full_like(colour[..., :1], MOST)
    colour = colour * (alpha / MOST)
    if channels == 4:
        return np.concatenate([colour, alpha], axis=-1)
    colour += MOST - alpha
    return (colour @ _LUMA)[..., None] if channels == 1 else colour
