"""Training steps as XLA's CPU compiler makes them."""

from functools import partial

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict
import pytest

from gan_jax import nets, ops, tasks
from gan_jax.types import DataSpec
from tests import gans


@pytest.fixture(autouse=True)
def optimized():
    with gans.optimized():
        yield


def program(function, *args) -> str:
    # These are about machine code; what is looked at has been decided before it.
    options = {'xla_backend_optimization_level': 0, 'xla_llvm_disable_expensive_passes': True}
    return jax.jit(function).lower(*args).compile(options).as_text()


def step(config: ConfigDict, spec: DataSpec) -> str:
    task = tasks.make(config, spec, axis_name=None)
    images = gans.batch(spec, len(tasks.pools(config)), config.batch_size)
    return program(task.step, jax.eval_shape(task.init), images)


# A gradient penalty, so that the step holds second-order gradients besides all others.
WGAN_GP = {'loss': 'wasserstein', 'penalties.gradient_penalty': 10.0}


PAIR_SPEC = DataSpec(image_shape=(64, 128, 3), num_classes=0, num_examples=64, panels=2)
STEPS = {
    'mnist_gan': (gans.config('mnist_gan', **WGAN_GP), gans.MNIST_SPEC),
    'dcgan_mnist': (gans.config('dcgan_mnist', **WGAN_GP), gans.MNIST_SPEC),
    'dcgan': (gans.config('dcgan', **WGAN_GP), gans.DCGAN_SPEC),
    'sgan': (gans.config('sgan', task='semisupervised'), gans.MNIST_SPEC),
    'pix2pix': (gans.pix2pix(), PAIR_SPEC),
    'pix2pix_small': (gans.pix2pix_small(), PAIR_SPEC),
}


@pytest.mark.slow
@pytest.mark.parametrize('name', STEPS)
def test_no_convolution_of_a_step_is_of_the_slow_kind(name):
    text = step(*STEPS[name])
    # Eigen computes none of these, and XLA's own loop is over ten times slower.
    assert 'rhs_reversal' not in text
    assert ' conditional(' not in text


@pytest.mark.parametrize('role', ['gen', 'disc'])
def test_no_convolution_of_a_nets_gradients_is_of_the_slow_kind(role):
    shape = (28, 28, 1) if role == 'disc' else (10,)
    x = jax.ShapeDtypeStruct((8, *shape), 'float32')
    section = {'name': 'sgan_brownlee', 'width': 8}
    net = nets.build(role, section, image_shape=(28, 28, 1), num_classes=2 * (role == 'disc'))
    variables = jax.eval_shape(partial(net.init, train=False), jax.random.key(0), x)

    def loss(params, stats, x):
        scope, rngs = {'params': params, 'batch_stats': stats}, {'dropout': jax.random.key(0)}
        out, _ = net.apply(scope, x, train=True, mutable=['batch_stats'], rngs=rngs)
        return jnp.sum(jnp.square(out))

    stats = variables.get('batch_stats', {})
    text = program(jax.grad(loss, (0, 2)), variables['params'], stats, x)
    assert 'rhs_reversal' not in text
    assert ' conditional(' not in text


def test_the_slow_kind_is_what_plain_lax_leads_to():
    def loss(x, kernel):
        y = jax.lax.conv_transpose(x, kernel, (2, 2), 'SAME', transpose_kernel=True)
        return jnp.sum(jnp.square(y))

    shapes = (
        jax.ShapeDtypeStruct((8, 7, 7, 8), 'float32'),
        jax.ShapeDtypeStruct((4, 4, 4, 8), 'float32'),
    )
    assert 'rhs_reversal' in program(jax.grad(loss, (0, 1)), *shapes)


def test_convolution_and_weight_gradient_share_what_is_made_of_the_map():
    # 32 channels: Winograd. Nine products each for the value and the two gradients.
    def gradient(x, kernel):
        return jax.grad(lambda k: jnp.sum(jnp.square(ops.conv(x, k, 2, 1))))(kernel)

    x = jax.ShapeDtypeStruct((4, 16, 16, 32), 'float32')
    kernel = jax.ShapeDtypeStruct((4, 4, 32, 32), 'float32')
    text = program(gradient, x, kernel)
    assert ' convolution(' not in text
    pads = [line for line in text.splitlines() if ' pad(' in line and '[4,18,18,32]' in line]
    assert len(pads) == 1
