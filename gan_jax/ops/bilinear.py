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
`gan_jax.ops.cpu` chooses, for an NVIDIA GPU as `gan_jax.ops.cuda` does, for any other platform to
plain `lax` convolutions. The `jax.default_matmul_precision` that they are called in is theirs, and
that of their derivatives. Inside `jax.shard_map` they need `check_vma=False`.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
import jax.numpy as jnp

from gan_jax.ops import cpu, cuda, plain
from gan_jax.ops.windows import Window

Map = Callable[[jax.Array, jax.Array, Window], jax.Array]


def down(big: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """[N, H, W, C_big], [kh, kw, C_big, C_small] -> [N, h, w, C_small]."""
    return bind(_down, big, kernel, window)


def up(small: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """[N, h, w, C_small], [kh, kw, C_big, C_small] -> [N, H, W, C_big]."""
    return bind(_up, small, kernel, window)


def corr(big: jax.Array, small: jax.Array, window: Window) -> jax.Array:
    """[N, H, W, C_big], [N, h, w, C_small] -> [kh, kw, C_big, C_small]."""
    return bind(_corr, big, small, window)


def bind(made: Primitive, left: jax.Array, right: jax.Array, window: Window) -> jax.Array:
    """Applies a primitive in the precision of products that holds now."""
    config: Any = jax.config  # whose fields older versions do not declare
    precision = config.jax_default_matmul_precision
    return made.bind(left, right, window=window, precision=precision)


def _small_shape(big: Any, kernel: Any, window: Window) -> tuple[int, ...]:
    return big.shape[0], window.rows.small, window.cols.small, kernel.shape[3]


def _big_shape(small: Any, kernel: Any, window: Window) -> tuple[int, ...]:
    return small.shape[0], window.rows.big, window.cols.big, kernel.shape[2]


def _kernel_shape(big: Any, small: Any, window: Window) -> tuple[int, ...]:
    return *window.taps, big.shape[3], small.shape[3]


def primitive(
    name: str, shape: Callable[..., tuple[int, ...]], default: Map, **forms: Map
) -> Primitive:
    """A bilinear map as a primitive of JAX: `shape` of its result, and its forms by platform."""
    made = Primitive(f'conv_{name}')

    def abstract(left: Any, right: Any, *, window: Window, precision: str | None) -> Any:
        if left.dtype != right.dtype:
            raise TypeError(f'conv_{name} of {left.dtype} and {right.dtype}')
        return left.update(shape=shape(left, right, window), weak_type=False)

    @lru_cache
    def compiled(**params: Any) -> Callable[..., jax.Array]:
        return jax.jit(partial(made.bind, **params))

    def implementation(left: jax.Array, right: jax.Array, **params: Any) -> jax.Array:
        with jax.disable_jit(False):  # else it would come back here, without end
            return compiled(**params)(left, right)

    def lower(form: Map) -> Any:
        def lowered(
            left: jax.Array, right: jax.Array, *, window: Window, precision: str | None
        ) -> jax.Array:
            # The name is in what a profile, or `gan-jax compile`, says of the program.
            with jax.default_matmul_precision(precision), jax.named_scope(made.name):
                return form(left, right, window)

        return mlir.lower_fun(lowered, multiple_results=False)

    made.def_abstract_eval(abstract)
    made.def_impl(implementation)
    mlir.register_lowering(made, lower(default))
    for platform, form in forms.items():
        mlir.register_lowering(made, lower(form), platform=platform)
    batching.primitive_batchers[made] = partial(_batch, made)
    return made


def differentiate(down: Primitive, up: Primitive, corr: Primitive) -> None:
    """Makes the three maps each other's derivatives, as the module says."""
    ad.defbilinear(
        down,
        lambda g, big, kernel, **params: up.bind(g, kernel, **params),
        lambda g, big, kernel, **params: corr.bind(big, g, **params),
    )
    ad.defbilinear(
        up,
        lambda g, small, kernel, **params: down.bind(g, kernel, **params),
        lambda g, small, kernel, **params: corr.bind(g, small, **params),
    )
    ad.defbilinear(
        corr,
        lambda g, big, small, **params: up.bind(small, g, **params),
        lambda g, big, small, **params: down.bind(big, g, **params),
    )


def _batch(
    primitive: Primitive,
    operands: tuple[jax.Array, jax.Array],
    axes: tuple[int | None, int | None],
    **params: Any,
) -> tuple[jax.Array, int]:
    """Under vmap: a batch of maps with one kernel is a larger batch; else one by one."""
    left, right = operands
    axis, other = axes
    if axis is not None and other is None and not primitive.name.endswith('corr'):
        left = jnp.moveaxis(left, axis, 0)
        out = primitive.bind(left.reshape(-1, *left.shape[2:]), right, **params)
        return out.reshape(*left.shape[:2], *out.shape[1:]), 0
    size = next(x.shape[axis] for x, axis in zip(operands, axes, strict=True) if axis is not None)
    pairs = zip(_unstacked(left, axis, size), _unstacked(right, other, size), strict=True)
    return jnp.stack([primitive.bind(*pair, **params) for pair in pairs]), 0


def _unstacked(operand: jax.Array, axis: int | None, size: int) -> list[jax.Array]:
    return [operand] * size if axis is None else list(jnp.unstack(operand, axis=axis))


_down = primitive('down', _small_shape, plain.down, cpu=cpu.down, cuda=cuda.down)
_up = primitive('up', _big_shape, plain.up, cpu=cpu.up, cuda=cuda.up)
_corr = primitive('corr', _kernel_shape, plain.corr, cpu=cpu.corr, cuda=cuda.corr)
differentiate(_down, _up, _corr)
