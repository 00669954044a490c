"""Nets are built from a config's section, and a wrong section is refused in a line."""

from functools import partial

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict
import pytest

from gan_jax import nets
from gan_jax.errors import UserError
from tests import gans

MNIST = (28, 28, 1)
EACH = pytest.mark.parametrize(
    'role, name', [(role, name) for role in ('gen', 'disc') for name in nets.of_role(role)]
)


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


@pytest.mark.parametrize(
    ('config', 'changes', 'expected'),
    [
        (gans.projected, {'disc.net.frozen': 'squeezenet'}, {'squeezenet'}),
        (gans.pix2pix_projected, {}, {'tiny'}),
        (gans.pix2pix_small, {}, {'tiny'}),
        (gans.pix2pix_small, {'translation.perceptual': 0.0}, set()),
        (partial(gans.config, 'mlp'), {}, set()),
    ],
)
def test_a_run_tells_what_it_looked_through(config, changes, expected):
    assert nets.looked_through(config(**changes)) == expected


def test_fields_lists_what_a_config_may_set():
    assert nets.fields('mlp', 'gen') == {'hidden': (256, 512, 1024)}
    assert nets.fields('dcgan_mnist', 'disc') == {
        'width': 64,
        'dropout': 0.5,
        'spectral_norm': False,
    }


@EACH
def test_a_section_with_every_default_written_out_is_the_default_net(role, name):
    image_shape = (64, 64, 3)
    section = {'name': name, **nets.fields(name, role)}
    make = partial(nets.build, role, image_shape=image_shape, num_classes=10)
    assert make(section) == make({'name': name})


# Values of other types, in every field of every net: tests/fields_test.py.
@pytest.mark.parametrize(
    'net, message',
    [
        ({'name': 'dcgan_mnst'}, r"^config.disc.net.name=dcgan_mnst .*'dcgan_mnist'\?$"),
        ({'name': 'dcgan_mnist', 'widht': 3}, r"^config.disc.net.widht .*'width'\?$"),
        ({'name': 'mlp', 'image_shape': MNIST}, '^config.disc.net.image_shape .* hidden'),
        ({'name': 'mlp', 'hidden': (256, 0)}, r'^config.disc.net.hidden=\(256, 0\) must'),
        ({'name': 'dcgan_mnist', 'width': 0}, '^config.disc.net.width=0 must be a whole number'),
        ({'name': 'dcgan_mnist', 'dropout': 1.0}, '^config.disc.net.dropout=1.0 must .*0, 1'),
        ({'name': 'mnist_gan', 'norm': 'layer'}, "^config.disc.net.norm='layer' .*'batch'"),
        ({'name': 'projected', 'pixel_weight': -1}, 'net.pixel_weight=-1 must be a num'),
        ({'name': 'mlp', 'spectral_norm': 1}, '^config.disc.net.spectral_norm=1 must be True'),
        ({'name': 'pix2pix', 'n_layers': True}, '^config.disc.net.n_layers=True must be 0 or 1'),
        ({'name': 'pix2pix', 'n_layers': 4}, '^config.disc.net.n_layers=4 needs .* least 48 pix'),
        ({'name': 'projected', 'pixel_weight': 1}, 'net.pixel_weight=1.0 needs images'),
        ({'name': 'sgan'}, '^config.disc.net.name=sgan tells at least 2 classes apart'),
    ],
)
def test_mistakes_are_named_in_one_line(net, message):
    with pytest.raises(UserError, match=message):
        nets.build('disc', net, image_shape=MNIST)


@pytest.mark.parametrize(
    'role, name, image_shape, others',
    [
        ('disc', 'dcgan', (28, 28, 1), 'mlp, mnist_gan, dcgan_mnist, projected'),
        ('disc', 'dcgan', (64, 36, 3), 'mlp, .*'),
        ('disc', 'mnist_gan', (30, 28, 1), 'mlp, .*'),
        ('disc', 'dcgan_mnist', (28, 8, 1), 'mlp, .*'),
        ('disc', 'sgan', (30, 28, 1), 'projected_classes'),
        ('gen', 'dcgan', (30, 28, 1), 'mlp'),
        ('gen', 'dcgan_mnist', (28, 8, 1), 'mlp, mnist_gan, sgan, sgan_brownlee'),
        ('gen', 'pix2pix', (100, 100, 3), 'none'),
    ],
)
def test_image_sizes_a_net_cannot_make_are_refused_and_nets_of_its_kind_named(
    role, name, image_shape, others
):
    with pytest.raises(UserError, match=f'^config.{role}.net.name={name} .*for these: {others}$'):
        build(role, image_shape, name=name)


@pytest.mark.parametrize(
    'role, name, kind, able',
    [
        ('gen', 'pix2pix', nets.Kind.LATENT, 'mlp, mnist_gan, .*'),
        ('gen', 'mlp', nets.Kind.TRANSLATION, 'pix2pix'),
        ('disc', 'sgan', nets.Kind.LOGIT, 'mlp, mnist_gan, dcgan_mnist, dcgan, projected'),
        ('disc', 'pix2pix', nets.Kind.CLASSES, 'projected_classes, sgan, sgan_brownlee'),
        ('disc', 'mlp', nets.Kind.PATCHES, 'pix2pix, projected_patches'),
    ],
)
def test_nets_of_another_kind_are_refused_and_those_of_the_right_one_named(role, name, kind, able):
    message = f'^config.{role}.net.name={name} .* needs a net that {kind.value}: {able}$'
    with pytest.raises(UserError, match=message):
        nets.build(role, {'name': name}, kind=kind, image_shape=(64, 64, 3), num_classes=10)


def example(role, name):
    """A net for images at 64x64, and the shapes of what it takes, of two examples."""
    shape, image = (64, 64, 3), jax.ShapeDtypeStruct((2, 64, 64, 3), 'float32')
    arguments = {
        nets.Kind.LATENT: [jax.ShapeDtypeStruct((2, 9), 'float32')],
        nets.Kind.PATCHES: [image, image],
    }
    section = {'name': name} | ({'frozen': 'tiny'} if 'frozen' in nets.fields(name, role) else {})
    net = nets.build(role, section, image_shape=shape, num_classes=10)
    labelled = net.kind in (nets.Kind.LATENT, nets.Kind.LOGIT)
    label = [jax.ShapeDtypeStruct((2,), 'int32')] * labelled
    strides = (4, 8, 16, 32)
    maps = [jax.ShapeDtypeStruct((2, 64 // s, 64 // s, 3), 'float32') for s in strides]
    return net, [*arguments.get(net.kind, [image]), *[maps] * net.takes_maps, *label]


def initial(net, args):
    """The shapes of its output and variables."""
    return jax.eval_shape(partial(net.init_with_output, train=True), jax.random.key(0), *args)


@EACH
def test_the_kind_of_a_net_is_what_it_takes_and_returns(role, name):
    net, args = example(role, name)
    out, _ = initial(net, args)
    outputs = {nets.Kind.LOGIT: (2,), nets.Kind.CLASSES: (2, 10), nets.Kind.PATCHES: (2, 6, 6)}
    expected = outputs.get(net.kind, (2, 64, 64, 3))
    if len(net.judges()) > 1:
        assert out.shape[1] % len(net.judges()) == 0
        expected = (2, out.shape[1])
    assert (out.shape, out.dtype) == (expected, jnp.float32)


@EACH
def test_in_bfloat16_variables_and_outputs_are_float32(role, name):
    net, args = example(role, name)
    found, expected = initial(net.clone(dtype=jnp.bfloat16), args), initial(net, args)
    assert found == expected and {x.dtype.name for x in jax.tree.leaves(found)} == {'float32'}


@EACH
def test_batch_statistics_are_those_of_all_devices_or_of_each(role, name):
    """Whether what a training pass leaves differs among two devices, by tracing alone."""
    net, args = example(role, name)
    _, variables = initial(net, args)
    parts = jax.tree.map(lambda x: jax.ShapeDtypeStruct((2, *x.shape), x.dtype), args)

    def trace(batch_norm):
        own = net.clone(axis_name='data', batch_norm=batch_norm)
        call = partial(own.apply, train=True, mutable=['batch_stats'])
        mapped = jax.vmap(
            lambda variables, args: call(variables, *args, rngs={'dropout': jax.random.key(0)}),
            in_axes=(None, 0),
            out_axes=(0, None),
            axis_name='data',
        )
        jax.eval_shape(mapped, variables, parts)

    trace('global')
    if 'BatchNorm' in str(variables):
        with pytest.raises(ValueError, match='out_axes'):
            trace('per_device')


@pytest.mark.parametrize('shape', [(64, 96, 3), (128, 64, 3)])
@pytest.mark.parametrize('name', ['dcgan', 'fastgan', 'projected', 'pix2pix'])
def test_nets_make_and_judge_rectangles(name, shape):
    image, label = jnp.zeros((2, *shape)), jnp.zeros(2, jnp.int32)
    own = {'frozen': 'tiny', 'pixel_weight': 0.5} if name == 'projected' else {}
    for role in ('gen', 'disc'):
        if name not in nets.of_role(role):
            continue
        net = nets.build(role, {'name': name, **own}, image_shape=shape)
        given = {
            nets.Kind.LATENT: (jnp.zeros((2, 8)), label),
            nets.Kind.LOGIT: (image, label),
            nets.Kind.TRANSLATION: (image,),
            nets.Kind.PATCHES: (image, image),
        }[net.kind]
        made, _ = jax.eval_shape(
            partial(net.init_with_output, train=False), jax.random.key(0), *given
        )
        assert made.shape == (2, *shape) if role == 'gen' else made.shape[0] == 2


def test_the_nearest_size_that_a_net_can_make_is_named():
    with pytest.raises(UserError, match='such as 64x96, or choose'):
        build('gen', (64, 99, 3), name='dcgan')
    with pytest.raises(UserError, match='such as 64, or choose'):
        build('gen', (70, 70, 3), name='dcgan')
