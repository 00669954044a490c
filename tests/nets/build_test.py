"""From a config's section to a net, and what a wrong section is told."""

import jax.numpy as jnp
from ml_collections import ConfigDict
import pytest

from gan_jax import nets
from gan_jax.errors import UserError

MNIST = (28, 28, 1)


def build(role='gen', image_shape=MNIST, **net):
    return nets.build(role, {'name': 'mlp', **net}, image_shape=image_shape)


def test_a_config_section_becomes_a_net():
    section = ConfigDict({'name': 'dcgan_mnist', 'width': 16, 'dropout': 0})
    net = nets.build(
        'disc',
        section,
        image_shape=MNIST,
        num_classes=10,
        dtype=jnp.bfloat16,
        axis_name='data',
        batch_norm='per_device',
    )
    assert isinstance(net, nets.NETS['dcgan_mnist'].disc)
    assert (net.width, net.dropout, net.spectral_norm) == (16, 0.0, False)
    assert (net.image_shape, net.num_classes, net.dtype) == (MNIST, 10, jnp.bfloat16)
    assert (net.axis_name, net.norm_axis) == ('data', None)


def test_a_list_of_sizes_becomes_a_hashable_net():
    net = build(hidden=[8, 16])
    assert net.hidden == (8, 16)
    hash(net)


def test_fields_lists_what_a_config_may_set():
    assert nets.fields('mlp', 'gen') == {'hidden': (256, 512, 1024)}
    assert nets.fields('dcgan_mnist', 'disc') == {
        'width': 64,
        'dropout': 0.5,
        'spectral_norm': False,
    }


@pytest.mark.parametrize('name', nets.NETS)
@pytest.mark.parametrize('role', ['gen', 'disc'])
def test_a_section_with_every_default_written_out_is_the_default_net(name, role):
    image_shape = (64, 64, 3)
    section = {'name': name, **nets.fields(name, role)}
    assert nets.build(role, section, image_shape=image_shape) == nets.build(
        role, {'name': name}, image_shape=image_shape
    )


@pytest.mark.parametrize(
    'net, message',
    [
        ({'name': 'dcgan_mnst'}, r"^config.disc.net.name=dcgan_mnst .*'dcgan_mnist'\?$"),
        ({'name': 'dcgan_mnist', 'widht': 3}, r"^config.disc.net.widht .*'width'\?$"),
        ({'name': 'mlp', 'image_shape': MNIST}, '^config.disc.net.image_shape .* hidden'),
        ({'name': 'mlp', 'hidden': 256}, '^config.disc.net.hidden=256 must be whole numbers'),
        ({'name': 'mlp', 'hidden': (256, 0)}, r'^config.disc.net.hidden=\(256, 0\) must'),
        ({'name': 'dcgan_mnist', 'width': 0}, '^config.disc.net.width=0 must be a whole number'),
        ({'name': 'dcgan_mnist', 'width': 1.5}, '^config.disc.net.width=1.5 must'),
        ({'name': 'dcgan_mnist', 'dropout': 1.0}, '^config.disc.net.dropout=1.0 must .*0, 1'),
        ({'name': 'dcgan_mnist', 'dropout': 'no'}, "^config.disc.net.dropout='no' must"),
        (
            {'name': 'mnist_gan', 'norm': 'layer'},
            "^config.disc.net.norm='layer' .*'batch' or 'none'",
        ),
        ({'name': 'mlp', 'spectral_norm': 1}, '^config.disc.net.spectral_norm=1 must be True'),
    ],
)
def test_mistakes_are_named_in_one_line(net, message):
    with pytest.raises(UserError, match=message) as error:
        nets.build('disc', net, image_shape=MNIST)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'name, image_shape, others',
    [
        ('dcgan', (28, 28, 1), 'mlp, mnist_gan, dcgan_mnist'),
        ('dcgan', (64, 32, 3), 'mlp, mnist_gan, dcgan_mnist'),
        ('mnist_gan', (30, 28, 1), 'mlp'),
        ('dcgan_mnist', (28, 8, 1), 'mlp, mnist_gan'),
    ],
)
@pytest.mark.parametrize('role', ['gen', 'disc'])
def test_image_sizes_a_net_cannot_make_are_refused(role, name, image_shape, others):
    with pytest.raises(UserError, match=f'^config.{role}.net.name={name} .*for these: {others}$'):
        build(role, image_shape, name=name)
