"""Parameter counts against the recipes, and what every pair of nets must do."""

from functools import partial

import chex
from flax.traverse_util import flatten_dict
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.nets import Kind, build, dcgan
from tests import gans

MNIST, COLOUR = (28, 28, 1), (64, 64, 3)
# Small enough to run: name -> (image shape, fields of the generator, of the discriminator)
SMALL = {
    'mlp': (MNIST, {'hidden': (8, 16)}, {'hidden': (16, 8)}),
    'mnist_gan': (MNIST, {'width': 4}, {'width': 4}),
    'dcgan_mnist': (MNIST, {'width': 4}, {'width': 4}),
    'dcgan': ((32, 32, 3), {'width': 4}, {'width': 4}),
}
GENERATORS = SMALL | {name: (MNIST, {'width': 4}) for name in ('sgan', 'sgan_brownlee')}
ROLES = [('gen', name) for name in GENERATORS] + [('disc', name) for name in SMALL]


def variables_of(net, *args):
    """Shapes of the net's variables, without computing them."""
    return jax.eval_shape(partial(net.init, train=False), jax.random.key(0), *args)


PAPER = (256, 256, 3)
COUNTS = [  # trainable parameters of the recipes
    (1_489_936, 'gen', 'mlp', {}, MNIST),
    (533_505, 'disc', 'mlp', {}, MNIST),
    (6_753_409, 'gen', 'dcgan_mnist', {}, MNIST),
    (1_026_305, 'disc', 'dcgan_mnist', {}, MNIST),
    (6_640_193 + 38 * 1024, 'gen', 'mnist_gan', {}, MNIST),  # whose recipe has 62 latents
    (6_559_169, 'disc', 'mnist_gan', {}, MNIST),
    (6_559_169 - 2 * (128 + 1024), 'disc', 'mnist_gan', {'norm': 'none'}, MNIST),
    (1_066_880, 'gen', 'dcgan', {}, (32, 32, 1)),
    (661_248, 'disc', 'dcgan', {}, (32, 32, 1)),
    (3_576_704, 'gen', 'dcgan', {}, COLOUR),
    (2_765_568, 'disc', 'dcgan', {}, COLOUR),
    # A bias takes the place of a scale and a bias.
    (2_765_568 - (128 + 256 + 512), 'disc', 'dcgan', {'norm': 'none'}, COLOUR),
    (12_786_560, 'gen', 'dcgan', {}, (128, 128, 3)),
    (11_164_416, 'disc', 'dcgan', {}, (128, 128, 3)),
    (1_636_737, 'gen', 'sgan', {}, MNIST),
    (113_546, 'disc', 'sgan', {}, MNIST),
    (1_164_289, 'gen', 'sgan_brownlee', {}, MNIST),
    (316_938, 'disc', 'sgan_brownlee', {}, MNIST),
    (29_244_035, 'gen', 'pix2pix', {}, COLOUR),
    (54_413_955, 'gen', 'pix2pix', {}, PAPER),
    (66_998_915, 'gen', 'pix2pix', {}, (512, 512, 3)),
    (2_768_705, 'disc', 'pix2pix', {}, PAPER),
    (2_768_705, 'disc', 'pix2pix', {'norm': 'instance_affine'}, PAPER),
    (2_768_705 - (128 + 256 + 512), 'disc', 'pix2pix', {'norm': 'instance'}, PAPER),
    (2_768_705 - 2 * (128 + 256 + 512), 'disc', 'pix2pix', {'norm': 'none'}, PAPER),
]


@pytest.mark.parametrize('expected, role, name, fields, image_shape', COUNTS)
def test_a_net_has_as_many_parameters_as_its_recipe(expected, role, name, fields, image_shape):
    section = {'name': name, **fields}
    classes = 10 * (role == 'disc' and 'sgan' in name)
    net = build(role, section, image_shape=image_shape, num_classes=classes)
    image = jnp.zeros((2, *image_shape))
    inputs = {Kind.LATENT: [jnp.zeros((2, 100))], Kind.PATCHES: [image, image]}
    variables = variables_of(net, *inputs.get(net.kind, [image]))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables['params'])) == expected


def small(name: str, role: str, num_classes: int = 0, **shared):
    """A small net and arguments to call it with: float32 inputs, int32 labels."""
    image_shape, *fields = GENERATORS[name]
    own = fields[('gen', 'disc').index(role)] | shared.pop('fields', {})
    net = build(
        role, {'name': name, **own}, image_shape=image_shape, num_classes=num_classes, **shared
    )
    shape = (5,) if role == 'gen' else image_shape
    return net, (gans.normal(7, 8, *shape), np.arange(8, dtype=np.int32) % max(num_classes, 1))


init = partial(gans.variables, train=False)


@partial(jax.jit, static_argnums=0)
def sampling(net, variables, *args):
    """The output with running statistics, as in sampling."""
    return net.apply(variables, *args, train=False)


def sample(net, variables, *args):
    """The same on the host."""
    return jax.device_get(sampling(net, variables, *args))


@partial(jax.jit, static_argnums=0)
def training(net, variables, *args):
    """The output and the updated statistics of a training pass."""
    rngs = {'dropout': jax.random.key(3)}
    return net.apply(variables, *args, train=True, mutable=['batch_stats'], rngs=rngs)


def train_pass(net, variables, *args):
    """The same on the host, where looking at it compiles nothing."""
    return jax.device_get(training(net, variables, *args))


def assert_fills_its_range(net, *args):
    """A generator makes float32 images up to both ends of its pixel range."""
    variables = init(net, *args)
    chex.assert_trees_all_equal_dtypes(variables, jax.tree.map(jnp.float32, variables))
    # Latents 100 times too large drive the last layer to both ends of its range.
    images, _ = train_pass(net, jax.tree.map(lambda v: 100 * v, variables), *args)
    chex.assert_shape(images, (8, *net.image_shape))
    assert images.dtype == jnp.float32
    low, high = net.pixel_range
    assert low <= images.min() < low + 0.01 and high - 0.01 < images.max() <= high


@pytest.mark.parametrize('name', GENERATORS)
def test_generators_make_float32_images_in_their_pixel_range(name):
    net, args = small(name, 'gen')
    assert_fills_its_range(net, *args)


@pytest.mark.parametrize('role, name', ROLES)
def test_labels_change_the_output_of_conditional_nets_only(role, name):
    net, (x, label) = small(name, role, num_classes=3)
    variables = init(net, x, label)
    first, second = (sample(net, variables, x, c) for c in (label, (label + 1) % 3))
    assert (first != second).any()
    net, args = small(name, role)
    program = jax.make_jaxpr(partial(net.apply, train=False))(init(net, *args), *args).jaxpr
    assert not any(program.invars[-1] is read for step in program.eqns for read in step.invars)


@pytest.mark.parametrize('role', ['gen', 'disc'])
def test_conditional_nets_ask_for_a_label(role):
    net, (x, _) = small('mlp', role, num_classes=3)
    with pytest.raises(ValueError, match='`label`'):
        init(net, x)


def test_discriminators_check_the_shape_of_their_images():
    net, _ = small('mlp', 'disc')
    with pytest.raises(AssertionError):
        init(net, jnp.zeros((2, 14, 56, 1)))


NORMED = [('gen', name) for name in SMALL] + [('disc', 'mnist_gan'), ('disc', 'dcgan')]


@pytest.mark.parametrize('role, name', NORMED)
def test_training_moves_all_running_moments_and_sampling_none(role, name):
    net, args = small(name, role)
    variables = init(net, *args)
    _, moved = train_pass(net, variables, *args)
    still = jax.jit(partial(net.apply, train=False, mutable=['batch_stats']))(variables, *args)[1]
    chex.assert_trees_all_equal(jax.device_get(still['batch_stats']), variables['batch_stats'])
    unchanged = jax.tree.map(np.array_equal, moved['batch_stats'], variables['batch_stats'])
    assert not any(jax.tree.leaves(unchanged))


@pytest.mark.parametrize('name', ['mnist_gan', 'dcgan'])
def test_without_norm_a_logit_depends_on_its_own_image_only(name):
    net, (x, label) = small(name, 'disc', fields={'norm': 'none'})
    variables = init(net, x, label)
    logits, _ = train_pass(net, variables, x, label)
    others, _ = train_pass(net, variables, np.concatenate([x[:1], 2 * x[1:]]), label)
    np.testing.assert_allclose(logits[0], others[0], rtol=1e-4)
    assert 'batch_stats' not in variables


@pytest.mark.parametrize('name', SMALL)
def test_spectral_norm_normalises_every_kernel_of_a_discriminator(name):
    net, args = small(name, 'disc', num_classes=3, fields={'spectral_norm': True})
    plain, _ = small(name, 'disc', num_classes=3)
    variables = init(net, *args)
    chex.assert_trees_all_equal_shapes(variables['params'], variables_of(plain, *args)['params'])
    # What is applied is W / sigma(W): a kernel 10 times as large is the same kernel.
    larger = jax.tree.map(lambda p: 10 * p if p.ndim > 1 else p, variables['params'])
    logits, moved = train_pass(net, variables, *args)
    scaled, _ = train_pass(net, {**variables, 'params': larger}, *args)
    np.testing.assert_allclose(logits, scaled, rtol=1e-3, atol=1e-4)
    kernels = {p[:-1] for p, leaf in flatten_dict(variables['params']).items() if leaf.ndim > 1}
    before, after = flatten_dict(variables['batch_stats']), flatten_dict(moved['batch_stats'])
    vectors = {path: u for path, u in before.items() if path[-1] == 'u'}
    assert {path[:-1] for path in vectors} == kernels
    # A vector of one entry is 1 or -1 from the start.
    assert all(u.size == 1 or not np.array_equal(u, after[p]) for p, u in vectors.items())


def test_dcgan_is_initialised_as_pytorchs_example():
    net = dcgan.Generator(image_shape=(32, 32, 3), width=32)
    assert_initialised(net, jnp.zeros((1, 50)), of_mean=0.01, of_std=0.3)


def assert_initialised(net, *args, of_mean, of_std):
    """Kernels and scales have a deviation of 0.02, and biases are 0, within tolerances."""
    variables = jax.jit(partial(net.init, train=False))(jax.random.key(0), *args)
    for path, leaf in jax.tree.leaves_with_path(jax.device_get(variables['params'])):
        mean, std = {'kernel': (0, 0.02), 'scale': (1, 0.02), 'bias': (0, 0)}[path[-1].key]
        assert leaf.mean() == pytest.approx(mean, abs=of_mean)
        assert leaf.std() == pytest.approx(std, rel=of_std)
