"""Three bilinear maps that are each other's derivatives: a convolution to any order.

With one kernel k[kh, kw, C_big, C_small] and one `Window` they share,

    down(big, k) -> small     convolution
    up(small, k) -> big       its adjoint, transposed convolution
    corr(big, small) -> k     its weight gradient

and as sum(down(big, k) * small) = sum(up(small, k) * big) = sum(corr(big, small) * k),

    d down(big, k)      g on small:  up(g, k),      corr(big, g)
    d up(small, k)      g on big:    down(g, k),    corr(g, small)
    d corr(big, small)  g on k:      up(small, g),  down(big, g)

so a derivative of any order, forward or reverse, is made of these three again. They are
primitives of JAX, lowered once all differentiation and batching is done: for a CPU as
`gan_jax.ops.cpu` chooses, for any other platform to plain `lax` convolutions. Inside
`jax.shard_map` they need `check_vma=False`.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
import jax.numpy as jnp

from gan_jax.ops import cpu, plain
from gan_jax.ops.windows import Window


def down(big: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """[N, H, W, C_big], [kh, kw, C_big, C_small] -> [N, h, w, C_small]."""
    return _down.bind(big, kernel, window=window)


def up(small: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """[N, h, w, C_small], [kh, kw, C_big, C_small] -> [N, H, W, C_big]."""
    return _up.bind(small, kernel, window=window)


def corr(big: jax.Array, small: jax.Array, window: Window) -> jax.Array:
    """[N, H, W, C_big], [N, h, w, C_small] -> [kh, kw, C_big, C_small]."""
    return _corr.bind(big, small, window=window)


def _small_shape(big: Any, kernel: Any, window: Window) -> tuple[int, ...]:
    return big.shape[0], window.rows.small, window.cols.small, kernel.shape[3]


def _big_shape(small: Any, kernel: Any, window: Window) -> tuple[int, ...]:
    return small.shape[0], window.rows.big, window.cols.big, kernel.shape[2]


def _kernel_shape(big: Any, small: Any, window: Window) -> tuple[int, ...]:
    return *window.taps, big.shape[3], small.shape[3]


def _primitive(
    name: str, shape: Callable[..., tuple[int, ...]], default: Callable, on_cpu: Callable
) -> Primitive:
    primitive = Primitive(f'conv_{name}')

    def abstract(left: Any, right: Any, *, window: Window) -> Any:
        if left.dtype != right.dtype:
            raise TypeError(f'conv_{name} of {left.dtype} and {right.dtype}')
        return left.update(shape=shape(left, right, window), weak_type=False)

    @lru_cache
    def compiled(window: Window) -> Callable:
        return jax.jit(partial(primitive.bind, window=window))

    def implementation(left: jax.Array, right: jax.Array, *, window: Window) -> jax.Array:
        with jax.disable_jit(False):  # else it would come back here, without end
            return compiled(window)(left, right)

    primitive.def_abstract_eval(abstract)
    primitive.def_impl(implementation)
    lower = partial(mlir.lower_fun, multiple_results=False)
    mlir.register_lowering(primitive, lower(default))
    mlir.register_lowering(primitive, lower(on_cpu), platform='cpu')
    batching.primitive_batchers[primitive] = partial(_batch, primitive)
    return primitive


def _batch(
    primitive: Primitive, operands: tuple, axes: tuple, *, window: Window
) -> tuple[jax.Array, int]:
    """Under vmap: a batch of maps with one kernel is a larger batch; else one by one."""
    left, right = operands
    if primitive is not _corr and axes[1] is None:
        left = jnp.moveaxis(left, axes[0], 0)
        out = primitive.bind(left.reshape(-1, *left.shape[2:]), right, window=window)
        return out.reshape(*left.shape[:2], *out.shape[1:]), 0
    size = next(x.shape[axis] for x, axis in zip(operands, axes, strict=True) if axis is not None)
    pairs = zip(_unstacked(left, axes[0], size), _unstacked(right, axes[1], size), strict=True)
    return jnp.stack([primitive.bind(*pair, window=window) for pair in pairs]), 0


def _unstacked(operand: jax.Array, axis: int | None, size: int) -> list[jax.Array]:
    return [operand] * size if axis is None else list(jnp.unstack(operand, axis=axis))


_down = _primitive('down', _small_shape, plain.down, cpu.down)
_up = _primitive('up', _big_shape, plain.up, cpu.up)
_corr = _primitive('corr', _kernel_shape, plain.corr, cpu.corr)

ad.defbilinear(
    _down,
    lambda g, big, kernel, window: up(g, kernel, window),
    lambda g, big, kernel, window: corr(big, g, window),
)
ad.defbilinear(
    _up,
    lambda g, small, kernel, window: down(g, kernel, window),
    lambda g, small, kernel, window: corr(g, small, window),
)
ad.defbilinear(
    _corr,
    lambda g, big, small, window: up(small, g, window),
    lambda g, big, small, window: down(big, g, window),
)
