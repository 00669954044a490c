"""Depthwise convolution and its derivatives against autodiff of a grouped `lax` convolution."""

import functools

import jax
from jax import lax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import ops
from gan_jax.ops import depthwise
from gan_jax.ops.convolutions import axis
from gan_jax.ops.windows import Window
from tests import gans

CASES = [(taps, stride, side) for taps in (3, 5) for stride in (1, 2) for side in (7, 8)]
FORMS = ('down', 'up', 'corr')


def grouped(x, kernel, stride):
    """The same by `lax`."""
    return lax.conv_general_dilated(
        x,
        kernel[:, :, None],
        (stride, stride),
        'SAME',
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
        feature_group_count=x.shape[3],
    )


def operands(taps: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    return gans.normal(0, 2, side, side + 3, 6), gans.normal(1, taps, taps, 6)


def assert_close(actual, expected):
    for one, other in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype
        np.testing.assert_allclose(one, other, atol=1e-4 * np.abs(np.asarray(other)).max())


@pytest.mark.parametrize('taps, stride, side', CASES)
def test_value_and_gradients_are_those_of_a_grouped_convolution(taps, stride, side):
    given = operands(taps, side)

    @jax.jit
    def both(x, kernel, weight):
        def results(conv):
            def loss(x, kernel):
                return jnp.vdot(conv(x, kernel, stride), weight)

            return conv(x, kernel, stride), jax.grad(loss, (0, 1))(x, kernel)

        return results(ops.depthwise_conv), results(grouped)

    shape = jax.eval_shape(functools.partial(grouped, stride=stride), *given).shape
    weight = gans.normal(2, *shape)
    assert_close(*both(*given, weight))


@pytest.mark.newest
@pytest.mark.parametrize('taps, stride, side', [(3, 2, 8), (5, 2, 7), (5, 1, 6)])
def test_second_and_forward_derivatives(taps, stride, side):
    given = operands(taps, side)

    def results(conv):
        def loss(x, kernel):
            return jnp.sum(conv(x, kernel, stride) ** 3)

        def penalty(x, kernel):
            return jnp.sum(jax.grad(loss)(x, kernel) ** 2)

        return jax.jvp(loss, given, given), jax.grad(penalty, (0, 1))(*given)

    assert_close(
        jax.jit(lambda: results(ops.depthwise_conv))(), jax.jit(lambda: results(grouped))()
    )


@pytest.mark.parametrize('taps, stride, side', CASES)
def test_both_forms_are_one_map(taps, stride, side):
    big, kernel = operands(taps, side)
    window = Window(*(axis(n, taps, stride, 'SAME') for n in big.shape[1:3]))
    small = gans.normal(2, 2, window.rows.small, window.cols.small, 6)
    operands_of = dict(zip(FORMS, ((big, kernel), (small, kernel), (big, small)), strict=True))

    @functools.partial(jax.jit, static_argnums=0)
    def maps(kind, operands_of):
        calls = {form: getattr(depthwise, f'{kind}_{form}') for form in FORMS}
        return {form: calls[form](*given, window) for form, given in operands_of.items()}

    assert_close(maps('shifted', operands_of), maps('grouped', operands_of))


def test_of_a_frozen_kernel_no_gradient_is_computed():
    x, kernel = operands(3, 8)
    program = jax.make_jaxpr(jax.grad(lambda x: ops.depthwise_conv(x, kernel).sum()))(x)
    assert 'depthwise_up' in str(program) and 'depthwise_corr' not in str(program)


def test_bfloat16_is_summed_in_float32():
    given = [x.astype(jnp.bfloat16) for x in operands(5, 8)]
    conv = jax.jit(lambda *given: ops.depthwise_conv(*given, 2))
    found, exact = conv(*given), conv(*(x.astype(np.float32) for x in given))
    assert found.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(found, np.float32), exact, rtol=2**-8, atol=1e-6)


@pytest.mark.newest
def test_maps_of_many_batches():
    x, kernel = gans.normal(0, 3, 2, 7, 7, 4), gans.normal(1, 3, 3, 3, 4)
    convs = ops.depthwise_conv, grouped
    ours, theirs = (jax.jit(jax.vmap(functools.partial(conv, stride=2))) for conv in convs)
    assert_close(ours(x, kernel), theirs(x, kernel))


@pytest.mark.newest
@pytest.mark.parametrize('platform', ['cuda', 'tpu'])
def test_accelerators_get_grouped_convolutions(platform):
    gradients = jax.jit(jax.grad(lambda x, k: ops.depthwise_conv(x, k, 2).sum(), (0, 1)))
    program = jax.export.export(gradients, platforms=[platform])(*operands(5, 7)).mlir_module()
    assert program.count('stablehlo.convolution') == 2 and 'optimization_barrier' not in program
