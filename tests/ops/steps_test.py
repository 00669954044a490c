"""Whole training steps with the chosen forms against the same steps on plain `lax`."""

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import layers
from gan_jax.ops import cpu, gemm, plain
from gan_jax.tasks import adversarial
from gan_jax.types import DataSpec
from tests import gans

WGAN_GP = {'loss': 'wasserstein', 'penalties.gradient_penalty': 10.0, 'disc.net.dropout': 0.0}
WIDE = {'gen.net.width': 32, 'disc.net.width': 32}  # enough for every form to be chosen
STEPS = {
    'dcgan': (DataSpec((32, 32, 3), 0, 64), 'dcgan', {}),
    'mnist_gan': (gans.MNIST_SPEC, 'mnist_gan', {}),
    'second order': (gans.MNIST_SPEC, 'dcgan_mnist', WGAN_GP),
}


@pytest.fixture
def smooth(monkeypatch):
    """The sign flips of LeakyReLU would make of rounding what looks like an error."""

    def activation(x):
        return jnp.tanh(x) + 0.2 * x

    monkeypatch.setattr(nn, 'relu', activation)
    monkeypatch.setattr(layers, 'leaky_relu', lambda slope: activation)


def gradients(case):
    """Both networks' gradients of one step, before any optimizer."""
    spec, net, changes = STEPS[case]
    config = gans.config(net, batch_size=16, **WIDE, **changes)
    recipe = adversarial.make_recipe(config, spec, None)
    recipe = gans.remembering(recipe)
    state = jax.jit(lambda: adversarial.init(recipe, spec))()
    step = jax.jit(lambda state, batch: adversarial.step(recipe, state, batch))
    after, _ = step(state, gans.batch(spec, 1, 16))
    return [jax.device_get(net.opt_state) for net in after.nets]


@pytest.mark.slow
@pytest.mark.parametrize(
    'case', ['dcgan', 'mnist_gan', pytest.param('second order', marks=pytest.mark.newest)]
)
def test_gradients_are_those_of_lax(case, smooth, monkeypatch):
    got = gradients(case)
    used = []
    monkeypatch.setattr(cpu, 'form', lambda *_: used.append(plain) or plain)
    want = gradients(case)
    assert used
    for ours, theirs in zip(got, want, strict=True):
        norm = float(optax.tree.norm(theirs))
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5 * norm)


@pytest.mark.slow
def test_the_comparison_would_notice(smooth, monkeypatch):
    """A thousandth lost in one corner of some maps is far above the tolerance."""
    want = gradients('dcgan')
    exact = gemm.down
    monkeypatch.setattr(gemm, 'down', lambda *args: exact(*args).at[:, 0, 0].multiply(0.999))
    got = gradients('dcgan')
    errors = [
        max(float(np.abs(a - b).max()) for a, b in zip(*map(jax.tree.leaves, pair), strict=True))
        / float(optax.tree.norm(pair[1]))
        for pair in zip(got, want, strict=True)
    ]
    assert max(errors) > 1e-5
