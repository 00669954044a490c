"""The semi-supervised pairs: classifiers and their features, PyTorch."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.nets import build, sgan
from tests import gans
from tests.nets.nets_test import MNIST, init, train_pass

SMALL = {'sgan': {'width': 4}, 'sgan_brownlee': {'width': 4}}
NAMES = pytest.mark.parametrize('name', SMALL)


def classifier(name, **fields):
    """A small discriminator of three classes and eight images for it."""
    net = build('disc', {'name': name, **SMALL[name]}, image_shape=MNIST, num_classes=3)
    return net.clone(**fields), gans.normal(7, 8, *MNIST)


@partial(jax.jit, static_argnums=0)
def featuring(net, variables, x):
    """Logits and features of a training pass."""
    mode = dict(train=True, return_features=True, mutable=['batch_stats'])
    return net.apply(variables, x, rngs={'dropout': jax.random.key(3)}, **mode)[0]


def features_pass(net, variables, x):
    """The same on the host."""
    return jax.device_get(featuring(net, variables, x))


@pytest.mark.parametrize('name, size', [('sgan', 256), ('sgan_brownlee', 64)])
def test_features_are_the_last_hidden_layer_of_the_same_pass(name, size):
    net, x = classifier(name, dtype=jnp.bfloat16)
    variables = init(net, x)
    logits, features = features_pass(net, variables, x)
    chex.assert_shape(features, (8, size))
    assert features.dtype == jnp.float32
    np.testing.assert_array_equal(logits, train_pass(net, variables, x)[0])


@NAMES
def test_features_are_those_before_dropout(name):
    net, x = classifier(name)
    variables = init(net, x)
    logits, features = features_pass(net, variables, x)
    plain, same = features_pass(net.clone(dropout=0.0), variables, x)
    np.testing.assert_allclose(features, same, rtol=1e-5, atol=1e-6)
    assert (logits != plain).all()


def test_book_discriminator_is_pytorchs_with_the_same_weights():
    torch = pytest.importorskip('torch')
    from torch import nn

    net = sgan.Discriminator(image_shape=MNIST, num_classes=10, width=4, dropout=0.0)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, *MNIST), dtype=np.float32)
    variables = init(net, x)
    # Biases and scales that are not zero and one, so that one in the wrong place shows.
    params = variables['params'] = jax.tree.map(
        lambda p: p + rng.standard_normal(p.shape, np.float32) / 10 if p.ndim == 1 else p,
        variables['params'],
    )
    pad = nn.ZeroPad2d((0, 1, 0, 1))  # TensorFlow's 'SAME' of even sides
    norms = [nn.BatchNorm2d(width, eps=1e-3) for width in (8, 16)]
    convs = [nn.Conv2d(1, 4, 3, 2), nn.Conv2d(4, 8, 3, 2), nn.Conv2d(8, 16, 3, 2, 1)]
    dense = nn.Linear(256, 10)
    hidden = nn.Sequential(
        *(pad, convs[0], nn.LeakyReLU(0.01)),
        *(pad, convs[1], norms[0], nn.LeakyReLU(0.01)),
        *(convs[2], norms[1], nn.LeakyReLU(0.01)),
    )
    with torch.no_grad():
        for number, conv in enumerate(convs):
            ours = params[f'Conv_{number}']
            conv.weight.copy_(torch.tensor(np.transpose(ours['kernel'], (3, 2, 0, 1)).copy()))
            conv.bias.copy_(torch.tensor(np.array(ours['bias'])))
        for number, norm in enumerate(norms):
            ours = params[f'BatchNorm_{number}']
            norm.weight.copy_(torch.tensor(np.array(ours['scale'])))
            norm.bias.copy_(torch.tensor(np.array(ours['bias'])))
        dense.weight.copy_(torch.tensor(np.array(params['Dense_0']['kernel']).T.copy()))
        dense.bias.copy_(torch.tensor(np.array(params['Dense_0']['bias'])))
        maps = hidden.train()(torch.tensor(x).permute(0, 3, 1, 2))
        features = maps.permute(0, 2, 3, 1).reshape(3, -1)
        expected = dense(features).numpy(), features.numpy()
    for ours, theirs in zip(features_pass(net, variables, x), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
