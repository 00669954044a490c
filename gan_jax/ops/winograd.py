"""The three maps for 4x4 kernels of stride 2 and padding 1 with 9 products where there were 16.

Space to depth, S[R, (p, c)] = big[2 R + p - 1, c], makes a 4-tap stride-2 convolution a
2-tap one of stride 1, and two of its outputs need three products (Winograd's F(2, 2)):

    y0 = d0 g0 + d1 g1 = m0 + m1        m0 = (d0 - d1) g0
    y1 = d1 g0 + d2 g1 = m1 - m2        m1 = d1 (g0 + g1),  m2 = (d1 - d2) g1

that is y = A^T ((G g) * (B^T d)), all coefficients 0 or +-1, and both axes together are the
same with nine products. As y is bilinear in d and g, its two gradients are the same
products transposed: d += B ((A y') * (G g)), g += G^T ((B^T d) * (A y')).

A small map with an odd side is computed with a row or column of zeros more, as if it were even.

Planes are lists of three (or two) rows and columns of arrays [N T_h T_w, channels], T tiles
of two outputs each. Each is multiplied on its own: one batched product is slower.
"""

from collections.abc import Callable
import functools
import operator
from typing import NamedTuple

import jax
from jax import lax
from jax.experimental.layout import Layout, with_layout_constraint
import jax.numpy as jnp

from gan_jax.ops.windows import Axis, Window

_B_T = ((1, -1, 0), (0, 1, 0), (0, 1, -1))
_G = ((1, 0), (1, 1), (0, 1))
_A_T = ((1, 1, 0), (0, 1, -1))
_G_T, _A = tuple(zip(*_G, strict=True)), tuple(zip(*_A_T, strict=True))

Planes = list[list[jax.Array]]


class _BigRows(NamedTuple):
    """Some of each tile's four big rows (or columns), and what adds up to them.

    Tile t's d_i is row R = 2 t + i of S, that is big rows 2 R - 1 and 2 R (phases 0 and 1).
    So d_1 of a tile is the second and third of its big rows; the first is phase 1 of its
    d_0 and of the d_2 of the tile before, the last phase 0 of its d_2 and of the next d_0.
    """

    phases: slice  # which of the two
    # (sign, i, shift): +- m_i of tile t + shift, by the columns of B^T
    terms: tuple[tuple[int, int, int], ...]


_BIG_ROWS = (
    _BigRows(slice(1, 2), ((1, 0, 0), (-1, 2, -1))),
    _BigRows(slice(0, 2), ((-1, 0, 0), (1, 1, 0), (1, 2, 0))),
    _BigRows(slice(0, 1), ((-1, 2, 0), (1, 0, 1))),
)


def applies(window: Window) -> bool:
    """Whether these forms can compute the map."""
    return all(axis == Axis(2 * axis.small, axis.small, 4, 2, 1) for axis in window)


def _evened(window: Window) -> Window:
    """The window with even sides of the small map, a row or column more where they are odd."""
    sizes = (axis.small + axis.small % 2 for axis in window)
    return Window(*(Axis(2 * size, size, 4, 2, 1) for size in sizes))


def _sized(x: jax.Array, height: int, width: int) -> jax.Array:
    """Zeros below and on the right, or a cut there, to this size."""
    _, h, w, _ = x.shape
    if (h, w) == (height, width):
        return x
    config = [(0, 0, 0), (0, height - h, 0), (0, width - w, 0), (0, 0, 0)]
    return lax.pad(x, jnp.zeros((), x.dtype), config)


def down(big: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.down`."""
    whole, window = window, _evened(window)
    big = _sized(big, window.rows.big, window.cols.big)
    products = _pairwise(_dot(1, 0), _tile_planes(big, window), _kernel_planes(kernel))
    shape = _tiles(window)[0], 1, _tiles(window)[1], kernel.shape[3]
    blocks = [
        [plane.astype(big.dtype).reshape(-1, *shape) for plane in row]
        for row in _transform(_A_T, products)
    ]
    small = _joined(blocks, window.rows.small, window.cols.small)
    return _sized(small, whole.rows.small, whole.cols.small)


def up(small: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.up`."""
    whole, window = window, _evened(window)
    small = _sized(small, window.rows.small, window.cols.small)
    products = _pairwise(_dot(1, 1), _small_planes(small), _kernel_planes(kernel))
    shape = *_tiles(window), 2, 2, kernel.shape[2]
    m = [[plane.reshape(-1, *shape) for plane in row] for row in products]
    blocks = [[_block(m, row, col).astype(small.dtype) for col in _BIG_ROWS] for row in _BIG_ROWS]
    big = _joined(blocks, window.rows.big, window.cols.big)
    return _sized(big, whole.rows.big, whole.cols.big)


def corr(big: jax.Array, small: jax.Array, window: Window) -> jax.Array:
    """See `bilinear.corr`."""
    window = _evened(window)
    big = _sized(big, window.rows.big, window.cols.big)
    small = _sized(small, window.rows.small, window.cols.small)
    left, right = _tile_planes(big, window), _small_planes(small)
    # A product that sums over rows transposes its left factor: better the smaller of the two,
    # unless there are so few rows that the result is larger than either.
    rows, channels = left[0][0].shape
    narrow = big.dtype != jnp.float32
    swapped = narrow or rows > channels
    product = _dot_transposed if narrow else _dot(0, 0)
    products = _pairwise(product, *((right, left) if swapped else (left, right)))
    taps = jnp.stack([jnp.stack(row) for row in _transform(_G_T, products)])
    if swapped:
        taps = taps.swapaxes(2, 3)
    shape = 2, 2, 2, 2, big.shape[3], small.shape[3]
    kernel = taps.reshape(shape).transpose(0, 2, 1, 3, 4, 5).reshape(4, 4, *shape[4:])
    return kernel.astype(big.dtype)


def _tiles(window: Window) -> tuple[int, int]:
    return window.rows.small // 2, window.cols.small // 2


def _dot(left: int, right: int) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """The product of two matrices that sums over these axes of theirs."""

    def dot(x: jax.Array, y: jax.Array) -> jax.Array:
        numbers = (((left,), (right,)), ((), ()))
        return lax.dot_general(x, y, numbers, preferred_element_type=jnp.float32)

    return dot


def _dot_transposed(x: jax.Array, y: jax.Array) -> jax.Array:
    """x^T y, with x^T written out.

    XLA's bfloat16 products sum over the left factor's last axis only; for another one it
    converts both factors to float32, and takes twice the time.
    """
    x = with_layout_constraint(x.T, Layout(major_to_minor=(0, 1)))
    return _dot(1, 0)(x, y)


def _pairwise(
    function: Callable[[jax.Array, jax.Array], jax.Array], left: Planes, right: Planes
) -> Planes:
    return [
        [function(x, y) for x, y in zip(*rows, strict=True)]
        for rows in zip(left, right, strict=True)
    ]


def _sum(terms: list[tuple[int, jax.Array]]) -> jax.Array:
    """The sum of sign * array; signs are 1 or -1."""
    added, subtracted = ([x for sign, x in terms if sign == wanted] for wanted in (1, -1))
    if not subtracted:
        return functools.reduce(operator.add, added)
    less = functools.reduce(operator.add, subtracted)
    return functools.reduce(operator.add, added) - less if added else -less


def _transform(matrix: tuple[tuple[int, ...], ...], planes: Planes) -> Planes:
    """M planes M^T, summed in float32 and rounded once."""

    def entry(row: tuple[int, ...], col: tuple[int, ...]) -> jax.Array:
        total = _sum(
            [
                (row[i] * col[j], plane.astype(jnp.float32))
                for i, line in enumerate(planes)
                for j, plane in enumerate(line)
                if row[i] and col[j]
            ]
        )
        return total.astype(planes[0][0].dtype)

    return [[entry(row, col) for col in matrix] for row in matrix]


def _tile_planes(big: jax.Array, window: Window) -> Planes:
    """B^T d B: three by three planes [N T_h T_w, 4 C_big]."""
    height, width = _tiles(window)
    x = jnp.pad(big, ((0, 0), (1, 1), (1, 1), (0, 0)))
    x = x.reshape(-1, 2 * height + 1, 2, 2 * width + 1, 2 * big.shape[3]).swapaxes(2, 3)
    # Once to memory, as all nine planes read it.
    x = x.reshape(-1, 2 * height + 1, 2 * width + 1, 4 * big.shape[3])
    x = lax.optimization_barrier(x)
    d = [
        [x[:, i : i + 2 * height - 1 : 2, j : j + 2 * width - 1 : 2] for j in range(3)]
        for i in range(3)
    ]
    return _matrices(_transform(_B_T, d))


def _kernel_planes(kernel: jax.Array) -> Planes:
    """G g G^T: three by three planes [4 C_big, C_small]."""
    _, _, channels, features = kernel.shape
    g = kernel.reshape(2, 2, 2, 2, channels, features).transpose(0, 2, 1, 3, 4, 5)
    g = g.reshape(2, 2, 4 * channels, features)
    return _transform(_G, [list(row) for row in g])


def _small_planes(small: jax.Array) -> Planes:
    """A y A^T: three by three planes [N T_h T_w, C_small]."""
    y = [[small[:, i::2, j::2] for j in range(2)] for i in range(2)]
    return _matrices(_transform(_A, y))


def _matrices(planes: Planes) -> Planes:
    """A row for each tile."""
    return [[plane.reshape(-1, plane.shape[3]) for plane in row] for row in planes]


def _block(m: Planes, row: _BigRows, col: _BigRows) -> jax.Array:
    """[N, T_h, rows, T_w, cols * C_big] of the big map: what the tiles' B m B^T add up to."""
    terms = []
    for row_sign, i, row_shift in row.terms:
        for col_sign, j, col_shift in col.terms:
            x = m[i][j][:, :, :, row.phases, col.phases]
            terms.append((row_sign * col_sign, _shifted(_shifted(x, 1, row_shift), 2, col_shift)))
    total = _sum(terms).swapaxes(2, 3)
    return total.reshape(*total.shape[:4], -1)


def _shifted(x: jax.Array, axis: int, shift: int) -> jax.Array:
    """y[t] = x[t + shift], 0 where x ends."""
    config = [(0, 0, 0)] * x.ndim
    config[axis] = (-shift, shift, 0)
    return lax.pad(x, jnp.zeros((), x.dtype), config) if shift else x


def _joined(blocks: Planes, height: int, width: int) -> jax.Array:
    """Blocks [N, T_h, rows, T_w, cols * C] of every tile's part of a map -> [N, H, W, C]."""
    # Joined from memory, by copies; fused, the joint would branch at every element.
    blocks = lax.optimization_barrier(blocks)
    x = jnp.concatenate([jnp.concatenate(row, axis=4) for row in blocks], axis=2)
    return x.reshape(x.shape[0], height, width, -1)
