"""The shape of an image as it is stored, and as training sees it."""

from gan_jax.fields import Data
from gan_jax.types import DataSpec


def seen_shape(config: Data, stored: tuple[int, int, int], panels: int) -> tuple[int, int, int]:
    """(H, W, C) of what training sees of stored images (H, W, C).

    Args:
      config: the run's `config.data`.
      stored: as prepared, `config.jitter` pixels larger each way, for each panel.
      panels: images side by side.
    """
    height, width, channels = stored
    return height - config.jitter, width - panels * config.jitter, channels


def stored_shape(config: Data, spec: DataSpec) -> tuple[int, int, int]:
    """(H, W, C) of the stored images of which training sees what `spec` says."""
    height, width, channels = spec.image_shape
    return height + config.jitter, width + spec.panels * config.jitter, channels
