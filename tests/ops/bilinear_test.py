"""Derivatives of the operations to second order, and JAX's transformations of them."""

import functools
import re

import jax
from jax import export, lax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P
import numpy as np
import pytest

from gan_jax import ops

_DIMENSIONS = ('NHWC', 'HWIO', 'NHWC')


def lax_conv(x, kernel, stride, padding):
    pads = padding if padding == 'SAME' else [(padding, padding)] * 2
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), pads, dimension_numbers=_DIMENSIONS
    )


def lax_conv_transpose(x, kernel, stride, padding, more):
    """The adjoint of `lax_conv`; `more` rows and columns say of which of the sizes it has."""
    sides = (stride * side for side in x.shape[1:3])
    if padding != 'SAME':
        extra = kernel.shape[0] - stride - 2 * padding + more
        sides = (side + extra for side in sides)
    big = jax.ShapeDtypeStruct((len(x), *sides, kernel.shape[2]), x.dtype)
    adjoint = jax.linear_transpose(lambda y: lax_conv(y, kernel, stride, padding), big)
    return adjoint(x)[0]


def lax_upsample_conv(x, kernel):
    return lax_conv(x.repeat(2, axis=1).repeat(2, axis=2), kernel, 1, 'SAME')


def draw(seed: int, *shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape, dtype=np.float32))


def relative_error(actual: jax.Array, expected: jax.Array) -> float:
    """The largest error over the largest value."""
    actual, expected = jax.device_get((actual, expected))
    return np.max(np.abs(actual - expected)) / np.max(np.abs(expected))


def conv(stride, padding):
    how = dict(stride=stride, padding=padding)
    return functools.partial(ops.conv, **how), functools.partial(lax_conv, **how)


def transposed(stride, padding, more=0):
    how = stride, padding, more
    return (
        lambda x, k: ops.conv_transpose(x, k, *how),
        lambda x, k: lax_conv_transpose(x, k, *how),
    )


# operation, the same in lax, map, kernel; other windows: tests/ops/forms_test.py
CASES = {
    'conv 5x5 s2 same': (*conv(2, 'SAME'), (2, 7, 10, 3), (5, 5, 3, 4)),
    'conv 4x4 s1 valid, whole': (*conv(1, 0), (3, 4, 4, 6), (4, 4, 6, 1)),
    'conv 3x3 s1 on larger maps': (*conv(1, 1), (2, 9, 8, 5), (3, 3, 5, 6)),
    'conv 4x4 s2 by Winograd': (*conv(2, 1), (4, 16, 16, 32), (4, 4, 32, 32)),
    'conv 4x4 s1 to a logit a patch': (*conv(1, 1), (2, 10, 9, 32), (4, 4, 32, 1)),
    'conv 7x7 s1 same to an image': (*conv(1, 'SAME'), (2, 9, 8, 16), (7, 7, 16, 1)),
    'transposed 4x4 s2': (*transposed(2, 1), (2, 5, 4, 3), (4, 4, 2, 3)),
    'transposed 3x3 s2, a row more': (*transposed(2, 1, 1), (2, 6, 5, 3), (3, 3, 2, 3)),
    'transposed 3x3 s3, two more': (*transposed(3, 0, 2), (2, 4, 5, 3), (3, 3, 2, 3)),
    'transposed 2x2 s1, padded by 3': (*transposed(1, 3), (2, 7, 6, 3), (2, 2, 2, 3)),
    'transposed 5x5 s2 same': (*transposed(2, 'SAME'), (2, 4, 5, 3), (5, 5, 2, 3)),
    'transposed 2x2 s3 same': (*transposed(3, 'SAME'), (2, 4, 5, 3), (2, 2, 2, 3)),
    'upsampled 4x4': (ops.upsample_conv, lax_upsample_conv, (2, 4, 6, 3), (4, 4, 3, 5)),
    'upsampled 5x5': (ops.upsample_conv, lax_upsample_conv, (2, 7, 6, 6), (5, 5, 6, 5)),
}


def derivatives(operation, x, kernel):
    """The value, its two gradients, and the gradients of a penalty on a gradient."""

    def loss(x, kernel):
        return jnp.mean(jnp.square(operation(x, kernel)) + operation(x, kernel))

    def penalty(x, kernel):
        gradients = jax.grad(loss, (0, 1))(x, kernel)
        return sum(jnp.sum(jnp.square(g)) for g in gradients)

    first, second = jax.grad(loss, (0, 1))(x, kernel), jax.grad(penalty, (0, 1))(x, kernel)
    return operation(x, kernel), *first, *second


@pytest.mark.parametrize('case', CASES)
def test_values_and_derivatives_to_second_order_are_those_of_lax(case):
    ours, theirs, x_shape, kernel_shape = CASES[case]
    x, kernel = draw(0, *x_shape), draw(1, *kernel_shape)
    actual = jax.jit(functools.partial(derivatives, ours))(x, kernel)
    expected = jax.jit(functools.partial(derivatives, theirs))(x, kernel)
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == e.shape
        assert relative_error(a, e) < 1e-5


@functools.cache
def whole_batch():
    kernel, x = draw(0, 4, 4, 3, 3), draw(1, 8, 8, 8, 3)
    return kernel, x, jax.jit(second_order)(kernel, x)


def second_order(kernel, x):
    """d/dk of a gradient penalty, a mean over examples."""

    def critic(x, kernel):
        y = jnp.square(ops.conv(x, kernel, 2, 1))
        return jnp.sum(jnp.square(ops.conv_transpose(y, kernel, 2, 1)))

    def penalty(kernel):
        return jnp.mean(jnp.sum(jnp.square(jax.grad(critic)(x, kernel)), axis=(1, 2, 3)))

    return jax.grad(penalty)(kernel)


def averaged(kernel, x):
    return lax.pmean(second_order(kernel, x), 'data')


def by_vmap(kernel, x):
    mapped = jax.vmap(averaged, in_axes=(None, 0), out_axes=None, axis_name='data')
    return jax.jit(mapped)(kernel, x.reshape(4, 2, *x.shape[1:]))


def by_shard_map(kernel, x):
    mesh = jax.make_mesh((4,), ('data',), axis_types=(jax.sharding.AxisType.Auto,))
    mapped = jax.shard_map(
        averaged, mesh=mesh, in_specs=(P(), P('data')), out_specs=P(), check_vma=False
    )
    return jax.jit(mapped)(kernel, x)


def by_scan(kernel, x):
    def add(total, x):
        return total + second_order(kernel, x) / 4, None

    parts = x.reshape(4, 2, *x.shape[1:])
    return jax.jit(lambda: lax.scan(add, jnp.zeros_like(kernel), parts)[0])()


@pytest.mark.parametrize('split', [by_vmap, by_shard_map, by_scan])
def test_a_second_order_gradient_is_the_mean_of_those_of_parts_of_the_batch(split):
    kernel, x, expected = whole_batch()
    assert relative_error(split(kernel, x), expected) < 1e-5


def test_gradients_of_single_examples_add_up():
    x, kernel = draw(0, 3, 6, 6, 2), draw(1, 3, 3, 2, 4)

    def gradient(x):
        return jax.grad(lambda k: jnp.sum(jnp.sin(ops.conv(x, k, 2))))(kernel)

    parts, whole = jax.jit(lambda: (jax.vmap(gradient)(x[:, None]), gradient(x)))()
    np.testing.assert_allclose(parts.sum(axis=0), whole, rtol=1e-4, atol=1e-5)


def test_forward_and_reverse_mode_agree():
    x, kernel = draw(0, 1, 5, 5, 2), draw(1, 3, 3, 2, 2)
    dx, dk = draw(2, *x.shape), draw(3, *kernel.shape)

    def loss(x, kernel):
        return jnp.sum(jnp.sin(ops.conv_transpose(x, kernel, 2)))

    @jax.jit
    def both_ways():
        gradients = jax.grad(loss, (0, 1))(x, kernel)
        reverse = jnp.vdot(gradients[0], dx) + jnp.vdot(gradients[1], dk)
        return jax.jvp(loss, (x, kernel), (dx, dk))[1], reverse

    forward, reverse = both_ways()
    np.testing.assert_allclose(forward, reverse, rtol=1e-4)


@pytest.mark.parametrize('platforms', [['cpu'], ['cuda'], ['tpu'], ['cpu', 'cuda', 'tpu']])
def test_exports_with_any_batch_size_for_any_platform(platforms):
    kernel = draw(0, 4, 4, 32, 32)
    (size,) = export.symbolic_shape('n')
    shape = jax.ShapeDtypeStruct((size, 32, 32, 32), jnp.float32)
    operation = jax.jit(lambda x: ops.conv(x, kernel, 2, 1))
    exported = export.export(operation, platforms=platforms)(shape)
    # Off the CPU it is one convolution, as `lax` has it.
    assert ('stablehlo.convolution' in exported.mlir_module()) == (platforms != ['cpu'])
    if 'cpu' in platforms:
        x = draw(1, 3, 32, 32, 32)
        np.testing.assert_allclose(
            jax.jit(exported.call)(x), lax_conv(x, kernel, 2, 1), rtol=1e-4, atol=1e-4
        )


def test_operands_of_two_dtypes_are_refused():
    with pytest.raises(TypeError, match='bfloat16 and float32'):
        ops.conv(jnp.zeros((1, 4, 4, 1), jnp.bfloat16), jnp.zeros((1, 1, 1, 1)))


def precisions(function, *args) -> set[str]:
    """The precisions of all products in the program that is lowered for CUDA."""
    text = jax.jit(function).trace(*args).lower(lowering_platforms=('cuda',)).as_text()
    products = [
        line for line in text.splitlines() if re.search('stablehlo.(convolution|dot_general)', line)
    ]
    assert products
    return {found for line in products for found in re.findall(r'DEFAULT|HIGHEST|HIGH', line)}


@pytest.mark.parametrize('operation', ['conv', 'conv_transpose', 'upsample_conv'])
def test_maps_and_all_their_derivatives_have_the_precision_they_are_called_in(operation):
    x, kernel = draw(0, 2, 4, 4, 3), draw(1, 3, 3, 3, 3)
    function = functools.partial(derivatives, getattr(ops, operation))
    assert precisions(function, x, kernel) == {'DEFAULT'}
    with jax.default_matmul_precision('float32'):
        assert precisions(function, x, kernel) == {'HIGHEST'}

    def inside(x, kernel):
        with jax.default_matmul_precision('float32'):
            return function(x, kernel)

    assert precisions(inside, x, kernel) == {'HIGHEST'}  # as evaluation sets it, while tracing
