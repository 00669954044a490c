"""How many floating-point operations a step needs, whatever form its compiler gives them."""

import math
from typing import Any

from jax.extend import core
from jax.interpreters import partial_eval

# Primitives of `gan_jax.ops.bilinear` and `gan_jax.ops.depthwise`.
_BILINEAR = {f'conv_{kind}{name}' for kind in ('', 'depthwise_') for name in ('down', 'up', 'corr')}


def flops(closed: Any) -> int:
    """Operations of all products and convolutions in a closed jaxpr, a multiply-add counted as two.

    Elementwise work is left out, as is usual. Convolutions count every tap, those that fall
    on padding included, and as they are written: not as a fast form computes them. What no
    output depends on is left out, as compilers do.
    """
    needed, _ = partial_eval.dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars))
    return _flops(needed)


def _flops(jaxpr: core.Jaxpr) -> int:
    return sum(_equation(equation) for equation in jaxpr.eqns)


def _shape(variable: core.Var | core.Literal) -> tuple[int, ...]:
    aval: Any = variable.aval  # of an array, as all that is multiplied
    return aval.shape


def _equation(equation: core.JaxprEqn) -> int:
    shapes = [_shape(variable) for variable in equation.invars]
    name = equation.primitive.name
    if name == 'dot_general':
        ((contracted, _), _), out = equation.params['dimension_numbers'], equation.outvars[0]
        return 2 * math.prod(_shape(out)) * math.prod(shapes[0][axis] for axis in contracted)
    if name in _BILINEAR:
        # A product for each small place and each element of the kernel.
        kernel = _shape(equation.outvars[0]) if name.endswith('corr') else shapes[1]
        window = equation.params['window']
        return 2 * shapes[0][0] * window.rows.small * window.cols.small * math.prod(kernel)
    repeats = equation.params['length'] if name == 'scan' else 1
    return repeats * sum(map(_flops, core.jaxprs_in_params(equation.params)))
