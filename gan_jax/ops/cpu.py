"""The three maps on a CPU: a form for each shape, chosen when the program is lowered.

The rule follows what `benchmarks/convolutions.py` measures, map by map, and whole training
steps confirm. Where `down` and `corr` in one program can share what they make of the big map, it
gives them one form.
"""

from types import ModuleType

import jax

from gan_jax.ops import direct, gemm, mirror, winograd
from gan_jax.ops.windows import Window


def down(big: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.down`."""
    return form('down', window, big, kernel.shape[2:]).down(big, kernel, window)


def up(small: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.up`."""
    return form('up', window, small, kernel.shape[2:]).up(small, kernel, window)


def corr(big: jax.Array, small: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.corr`."""
    return form('corr', window, big, (big.shape[3], small.shape[3])).corr(big, small, window)


def form(kind: str, window: Window, batch: jax.Array, channels: tuple[int, ...]) -> ModuleType:
    """The module whose map to use.

    Args:
      kind: 'down' | 'up' | 'corr'.
      batch: either map of the layer; its leading size and dtype count. A size that is
        symbolic, as in an exported net, counts as 1.
      channels: (C_big, C_small).
    """
    size, rows = window.rows.small * window.cols.small, _rows(window, batch)
    # Eigen has no bfloat16 convolutions, and starts slowly for few rows.
    eigen = rows > 128 and batch.dtype == 'float32'
    # An image, or two together, has too few channels for anything else, and neither one window
    # nor one tap needs copies.
    if channels[0] <= 6 or size == 1 or window.taps == (1, 1):
        return gemm
    if mirror.applies(window) and channels[1] <= 4:
        return mirror
    if winograd.applies(window) and min(channels) >= 16:
        # Its transforms of the kernel must be shared by many rows, the more the larger it is.
        return winograd if rows >= max(256, channels[0] * channels[1] // 512) else gemm
    # In a weight gradient the small map is Eigen's kernel, which it slides over as many places as
    # the layer's kernel has taps: of few rows, one product of patches takes half the time.
    few_rows = kind == 'corr' and window.strides == (1, 1) and rows < 512
    return direct if eigen and not few_rows else gemm


def _rows(window: Window, batch: jax.Array) -> int:
    """Elements of the small map; of one example if their number is symbolic."""
    size = window.rows.small * window.cols.small
    return batch.shape[0] * size if isinstance(batch.shape[0], int) else size
