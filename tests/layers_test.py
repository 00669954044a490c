"""Properties of the layers: precision, devices that share a batch, spectral norm."""

from functools import partial

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import layers
from gan_jax.ops import target
from tests import gans


@partial(jax.jit, static_argnums=0, static_argnames=('train', 'mutable', 'batch_statistics'))
def program(layer: nn.Module, variables, *args, **mode):
    return layer.apply(variables, *args, **mode)


def apply(*args, **mode):
    """The layer's output, and what it updates, on the host, where no program is compiled."""
    return jax.device_get(program(*args, **mode))


LAYERS = {
    'dense': (layers.Dense(6), (3, 4), (3, 6)),
    'conv': (layers.Conv(6, 3, 2), (2, 8, 8, 4), (2, 4, 4, 6)),
    'conv_transpose': (layers.ConvTranspose(6, 4, 2), (2, 5, 5, 4), (2, 10, 10, 6)),
    'upsample_conv': (layers.UpsampleConv(6, 5), (2, 5, 5, 4), (2, 10, 10, 6)),
}


@pytest.mark.parametrize('layer, shape, out', LAYERS.values(), ids=LAYERS)
def test_layers_compute_in_dtype_and_keep_float32_parameters(layer, shape, out):
    x = gans.normal(0, *shape)
    half = layer.clone(dtype=jnp.bfloat16)
    variables = gans.variables(layer, x)
    chex.assert_trees_all_equal_shapes_and_dtypes(gans.variables(half, x), variables)
    y, y_half = apply(layer, variables, x), apply(half, variables, x)
    assert (y.dtype, y_half.dtype) == (jnp.float32, jnp.bfloat16)
    chex.assert_shape([y, y_half], out)
    np.testing.assert_allclose(y, y_half.astype(jnp.float32), rtol=0.05, atol=0.05)


@pytest.mark.parametrize('name', LAYERS)
def test_bias_is_added_to_every_position(name):
    layer, shape, _ = LAYERS[name]
    x = gans.normal(0, *shape)
    variables = gans.variables(layer, x)
    bias = gans.normal(2, 6)
    shifted = {'params': {**variables['params'], 'bias': bias}}
    difference = apply(layer, shifted, x) - apply(layer, variables, x)
    np.testing.assert_allclose(difference, np.broadcast_to(bias, difference.shape), atol=1e-5)
    assert 'bias' not in gans.variables(layer.clone(use_bias=False), x)['params']


def test_initialisers_draw_what_a_draw_in_the_kernels_shape_would():
    key, shape, of_jax = jax.random.key(0), (3, 3, 4, 5), jax.nn.initializers
    for ours, theirs in (
        (layers.normal, of_jax.normal(0.02)),
        (layers.truncated_normal, of_jax.truncated_normal(0.02)),
        (layers.scale_normal, lambda *given: 1 + of_jax.normal(0.02)(*given)),
        (layers.glorot_uniform, of_jax.glorot_uniform()),
    ):
        drawn, wanted = (jax.jit(draw, static_argnums=1)(key, shape) for draw in (ours, theirs))
        np.testing.assert_allclose(drawn, wanted, rtol=1e-5)


def test_leaky_relu_scales_what_is_negative():
    x = np.float32([-2, 0, 3])
    np.testing.assert_allclose(jax.jit(layers.leaky_relu(0.2))(x), [-0.4, 0, 3], rtol=1e-6)


def split(x: np.ndarray, devices: int) -> np.ndarray:
    return x.reshape(devices, -1, *x.shape[1:])


def over_devices(call, parts, **options):
    """The results of simulated devices that share an axis, on the host; one program."""
    return jax.device_get(jax.jit(jax.vmap(call, axis_name='data', **options))(parts))


class TestBatchNorm:
    def test_takes_batch_statistics_in_training_and_running_ones_otherwise(self):
        norm = layers.BatchNorm(momentum=0.9, epsilon=1e-5)
        x = 3 + 2 * gans.normal(0, 50, 4, 4, 2)
        variables = gans.variables(norm, x, train=False)
        y, updated = apply(norm, variables, x, train=True, mutable='batch_stats')
        np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-5)
        np.testing.assert_allclose(y.std((0, 1, 2)), 1, atol=1e-4)
        # decay .9: running = .9 * initial + .1 * batch, from mean 0 and variance 1
        stats, axes = updated['batch_stats'], (0, 1, 2)
        np.testing.assert_allclose(stats['mean'], 0.1 * x.mean(axes), rtol=1e-5)
        np.testing.assert_allclose(stats['var'], 0.9 + 0.1 * x.var(axes), rtol=1e-5)
        unchanged = apply(norm, variables, x, train=False)
        np.testing.assert_allclose(unchanged, x, rtol=1e-4)

    @pytest.mark.parametrize('devices', [2, 4])
    def test_over_an_axis_equals_one_big_batch(self, devices):
        whole = layers.BatchNorm(momentum=0.9)
        shared = layers.BatchNorm(momentum=0.9, axis_name='data')
        x = gans.normal(0, 8, 3, 3, 2) * np.arange(1, 9, dtype=np.float32).reshape(8, 1, 1, 1)
        variables = gans.variables(shared, x, train=True)

        train = {'train': True, 'mutable': 'batch_stats'}
        expected = apply(whole, variables, x, **train)
        call = partial(shared.apply, variables, **train)
        y, stats = over_devices(call, split(x, devices), out_axes=(0, None))
        chex.assert_trees_all_close((y.reshape(x.shape), stats), expected, rtol=1e-5, atol=1e-5)

    def test_debiased_moments_are_weighted_means_of_the_batches_alone(self):
        norm = layers.BatchNorm(momentum=0.9, epsilon=1e-3, debias=True)
        batches = np.asarray(3 + 2 * gans.normal(0, 4, 50, 2))
        variables = jax.jit(partial(norm.init, train=True))(jax.random.key(0), batches[0])
        np.testing.assert_array_equal(variables['batch_stats']['updates'], 0)
        means, variances = np.mean(batches, 1), np.var(batches, 1)
        for t in range(1, 5):
            y, updated = apply(norm, variables, batches[t - 1], train=True, mutable='batch_stats')
            np.testing.assert_allclose(y.mean(0), 0, atol=1e-5)
            variables = variables | updated
            weights = 0.9 ** np.arange(t)[::-1]
            stats = variables['batch_stats']
            for name, moments in (('mean', means), ('var', variances)):
                expected = np.average(moments[:t], axis=0, weights=weights)
                np.testing.assert_allclose(stats[name], expected, rtol=1e-5)
        unchanged = apply(norm, variables, batches[0], train=False)
        mean, std = (np.asarray(m) for m in (stats['mean'], np.sqrt(stats['var'] + 1e-3)))
        np.testing.assert_allclose(unchanged, (batches[0] - mean) / std, rtol=1e-4, atol=1e-5)

    def test_keeps_float32_moments_in_bfloat16(self):
        norm = layers.BatchNorm(momentum=0.0, dtype=jnp.bfloat16)
        # Moments taken in bfloat16, which has no number between 256 and 258, would be off.
        x = np.full((64, 2), 256, jnp.bfloat16)
        x[::2] = 258
        variables = gans.variables(norm, x, train=False)
        y, updated = apply(norm, variables, x, train=True, mutable='batch_stats')
        assert y.dtype == jnp.bfloat16
        chex.assert_trees_all_equal_dtypes(variables, jax.tree.map(np.float32, variables))
        np.testing.assert_array_equal(updated['batch_stats']['mean'], 257)
        np.testing.assert_allclose(updated['batch_stats']['var'], 1, atol=0.01)

    def test_takes_batch_statistics_out_of_training_without_storing_them(self):
        norm = layers.BatchNorm(momentum=0.9, epsilon=1e-5, scale_init=layers.scale_normal)
        x = 3 + 2 * gans.normal(0, 5, 4, 4, 2)
        variables = gans.variables(norm, x, train=False)
        variables['params']['bias'] = np.float32([1.0, -2.0])
        expected, _ = apply(norm, variables, x, train=True, mutable='batch_stats')
        actual = apply(norm, variables, x, train=False, batch_statistics=True)
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
        shared = layers.BatchNorm(epsilon=1e-5, axis_name='data')
        call = partial(shared.apply, variables, train=False, batch_statistics=True)
        parts = over_devices(call, split(x[:4], 2))
        whole = apply(norm, variables, x[:4], train=False, batch_statistics=True)
        np.testing.assert_allclose(parts.reshape(whole.shape), whole, rtol=1e-5, atol=1e-5)


class TestMoments:
    """Moments of one pass, as on a GPU, against float64."""

    CASES = {
        'usual': lambda x: x,
        'far from zero': lambda x: 1_000 + x,
        'hardly vary': lambda x: 1 + 1e-3 * x,
        'a corner apart': lambda x: x + np.float32(300) * (np.arange(256) == 0).reshape(16, 16, 1),
        'one example': lambda x: x[:1],
    }

    @pytest.mark.parametrize('case', CASES)
    @pytest.mark.parametrize('axes', [(0, 1, 2), (1, 2)])
    def test_lose_no_digit_to_two_passes(self, case, axes):
        x = np.float32(self.CASES[case](gans.normal(0, 8, 16, 16, 32)))
        exact = np.asarray(x, np.float64)
        mean, var = exact.mean(axes, keepdims=True), exact.var(axes, keepdims=True)

        def error(found):
            """The larger of two: values in units of their deviation, and deviations, relative."""
            off = np.abs(np.asarray(found[0], np.float64) - mean) / np.sqrt(var)
            return max(off.max(), np.abs(np.asarray(found[1], np.float64) / var - 1).max())

        @jax.jit
        def both(x):
            mean = jnp.mean(x, axes, keepdims=True)
            two = mean, jnp.mean(jnp.square(x - mean), axes, keepdims=True)
            return layers.moments(x, axes), two

        one, two = both(x)
        # What a value of float32 is rounded to, in units of the deviation, is lost either way.
        rounding = float(np.max(np.abs(exact).max() / np.sqrt(var))) * 2**-24
        assert error(one) < max(3 * error(two), 2 * rounding, 2e-6)

    def test_of_a_constant_are_exact(self):
        moments = jax.jit(partial(layers.moments, axes=(0, 1, 2)))
        mean, var = moments(np.full((4, 8, 8, 2), 0.1, np.float32))
        np.testing.assert_array_equal(mean, np.float32(0.1))
        np.testing.assert_array_equal(var, 0)


@pytest.mark.parametrize('axis_name', [None, 'data'])
@pytest.mark.parametrize('layer', [layers.BatchNorm, layers.InstanceNorm])
def test_norms_in_one_pass_are_those_in_two(layer, axis_name):
    """Values, running moments and gradients, first and second order, traced as for a GPU."""
    extra = {'debias': True} if layer is layers.BatchNorm else {'affine': True}
    norm = layer(**extra, axis_name=axis_name) if layer is layers.BatchNorm else layer(**extra)
    x = 3 + gans.normal(0, 8, 4, 4, 2) * np.arange(1, 9, dtype=np.float32).reshape(8, 1, 1, 1)
    options = {'train': True} if layer is layers.BatchNorm else {}
    variables = jax.device_put(gans.variables(norm, x, **options))

    def loss(x):
        def whole(x):
            return norm.apply(variables, x, **options, mutable=['batch_stats'])

        if axis_name is None:
            y, stats = whole(x)
        else:
            y, stats = jax.vmap(whole, axis_name=axis_name, out_axes=(0, None))(split(x, 2))
        return jnp.sum(jnp.sin(y)), stats

    def penalty(x):
        return jnp.sum(jnp.square(jax.grad(lambda x: loss(x)[0])(x)))

    def all_of(x):
        (value, stats), gradient = jax.value_and_grad(loss, has_aux=True)(x)
        return value, stats, gradient, jax.grad(penalty)(x)

    expected = jax.jit(all_of)(x)
    with target.platform('gpu'):
        found = jax.jit(all_of)(x)
    chex.assert_trees_all_close(found, expected, rtol=1e-4, atol=1e-5)


class TestInstanceNorm:
    def test_normalises_every_channel_of_every_example(self):
        x = gans.normal(0, 3, 6, 5, 2) * np.arange(1, 4, dtype=np.float32).reshape(3, 1, 1, 1) + 7
        norm = layers.InstanceNorm()
        assert gans.variables(norm, x) == {}
        y = apply(norm, {}, x)
        np.testing.assert_allclose(y.mean((1, 2)), 0, atol=1e-5)
        np.testing.assert_allclose(y.std((1, 2)), 1, atol=1e-4)
        np.testing.assert_allclose(apply(norm, {}, x[1:2]), y[1:2], rtol=1e-5, atol=1e-6)

    def test_keeps_float32_moments_in_bfloat16(self):
        x = np.full((1, 8, 8, 2), 256, jnp.bfloat16)
        x[:, ::2] = 258
        y = apply(layers.InstanceNorm(dtype=jnp.bfloat16), {}, x)
        assert y.dtype == jnp.bfloat16
        np.testing.assert_allclose(np.abs(y.astype(np.float32)), 1, atol=0.01)


class TestDropout:
    def apply(self, x, axis_name=None, key=0, **fields):
        dropout = layers.Dropout(rate=0.4, axis_name=axis_name, **fields)
        call = partial(dropout.apply, {}, train=True)
        return jax.jit(call)(x, rngs={'dropout': jax.random.key(key)})

    def test_zeroes_its_share_and_keeps_the_mean(self):
        y = np.asarray(self.apply(np.ones((100, 200))))
        assert float((y == 0).mean()) == pytest.approx(0.4, abs=0.02)
        np.testing.assert_allclose(y[y != 0], 1 / 0.6, rtol=1e-6)

    def test_is_the_identity_out_of_training(self):
        x = gans.normal(0, 4, 5)
        np.testing.assert_array_equal(apply(layers.Dropout(0.4), {}, x, train=False), x)

    def test_draws_another_mask_for_each_example_and_key(self):
        ones = np.ones((4, 50))
        masks = np.concatenate([self.apply(ones), self.apply(ones, key=1)])
        assert len(np.unique(masks, axis=0)) == 8

    @pytest.mark.parametrize('devices', [2, 4])
    def test_does_not_depend_on_the_devices_that_share_the_batch(self, devices):
        x = gans.normal(0, 8, 3, 3, 2)
        shared = over_devices(lambda x: self.apply(x, 'data'), split(x, devices))
        np.testing.assert_array_equal(shared.reshape(x.shape), self.apply(x))


class TestSpectralNorm:
    def trained(self, layer: nn.Module, x: np.ndarray, passes: int) -> dict:
        variables = gans.variables(layer, x)
        step = jax.jit(lambda v: layer.apply(v, x, train=True, mutable='batch_stats')[1])
        for _ in range(passes):
            variables = {**variables, **step(variables)}
        return jax.device_get(variables)

    def test_largest_singular_value_of_a_dense_kernel_becomes_one(self):
        layer = layers.Dense(6, use_bias=False, spectral_norm=True)
        variables = self.trained(layer, np.eye(9, dtype=np.float32), passes=100)
        applied = apply(layer, variables, np.eye(9, dtype=np.float32))
        values = np.linalg.svd(applied, compute_uv=False)
        assert values[0] == pytest.approx(1, abs=1e-3)

    def test_of_a_convolution_is_that_of_its_kernel_as_a_matrix(self):
        layer = layers.Conv(6, 3, padding=0, use_bias=False, spectral_norm=True)
        x = gans.normal(0, 2, 3, 3, 4)
        variables = self.trained(layer, x, passes=100)
        # On a 3x3 map a 3x3 convolution is the product with the kernel as a matrix.
        pixels = np.eye(36, dtype=np.float32).reshape(36, 3, 3, 4)
        matrix = apply(layer, variables, pixels).reshape(36, 6)
        kernel = variables['params']['kernel'].reshape(36, 6)
        largest = np.linalg.svd(kernel, compute_uv=False)[0]
        np.testing.assert_allclose(matrix, kernel / largest, rtol=1e-3, atol=1e-5)

    def test_iterates_only_in_training(self):
        layer = layers.Dense(6, spectral_norm=True)
        x = np.eye(9, dtype=np.float32)
        variables = gans.variables(layer, x)
        _, fixed = apply(layer, variables, x, mutable='batch_stats')
        _, moved = apply(layer, variables, x, train=True, mutable='batch_stats')
        u = variables['batch_stats']['u']
        np.testing.assert_array_equal(fixed['batch_stats']['u'], u)
        kernel = np.asarray(variables['params']['kernel'], np.float64)
        expected = kernel.T @ (kernel @ np.asarray(u))  # one power iteration on W^T W
        expected /= np.linalg.norm(expected)
        np.testing.assert_allclose(moved['batch_stats']['u'], expected, rtol=1e-4, atol=1e-6)

    def test_gradient_flows_through_sigma_but_not_through_the_singular_vectors(self):
        layer = layers.Dense(6, use_bias=False, spectral_norm=True)
        x = np.eye(9, dtype=np.float32)
        variables = gans.variables(layer, x)
        weights = gans.normal(2, 9, 6)

        def total(kernel):
            scope = {'params': {'kernel': kernel}, 'batch_stats': variables['batch_stats']}
            y, _ = layer.apply(scope, x, train=True, mutable='batch_stats')
            return jnp.sum(weights * y)

        kernel = variables['params']['kernel']
        u = variables['batch_stats']['u']
        left = kernel @ u / np.linalg.norm(kernel @ u)
        right = left @ kernel / np.linalg.norm(left @ kernel)
        sigma = left @ kernel @ right
        # d/dW sum(G * W / s) with ds/dW = left right^T
        expected = weights / sigma - np.sum(weights * kernel) / sigma**2 * np.outer(left, right)
        np.testing.assert_allclose(jax.jit(jax.grad(total))(kernel), expected, rtol=1e-4, atol=1e-5)


def test_the_embedding_of_a_combination_is_the_sum_of_its_attributes():
    net = layers.Net((8, 8, 3), num_classes=8, attributes=3)
    code = np.asarray(net.code(np.arange(8)))
    # `-a,b,-c` is class 2: without the first, with the second, without the third.
    np.testing.assert_array_equal(code[2], [1, 0, 0, 1, 1, 0])
    np.testing.assert_array_equal(code.sum(axis=1), 3)
    assert len(np.unique(code, axis=0)) == 8
    # One attribute is two classes.
    single = layers.Net((8, 8, 3), num_classes=2, attributes=1)
    np.testing.assert_array_equal(single.code(np.arange(2)), np.eye(2))
    assert layers.Net((8, 8, 3)).code(None) is None


def test_projection_is_the_product_of_the_labels_row_with_the_features():
    projection = layers.Projection()
    features, label = gans.normal(0, 3, 7), np.array([4, 0, 2])
    code = np.eye(5, dtype=np.float32)[label]
    variables = gans.variables(projection, features, code)
    embedding = variables['params']['embedding']['kernel']
    chex.assert_shape(embedding, (5, 7))
    expected = [embedding[c] @ f for c, f in zip(label, features, strict=True)]
    np.testing.assert_allclose(
        apply(projection, variables, features, code), expected, rtol=1e-5, atol=1e-6
    )
