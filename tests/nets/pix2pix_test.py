"""U-Net and PatchGAN: maps, what a logit sees, ways to translate, PyTorch."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.nets import patch, unet
from tests import gans
from tests.nets.nets_test import assert_initialised, init, train_pass, variables_of

SHAPE = (32, 32, 3)  # no dropout: that begins at 64
SMALL = {'depth': 4, 'norm': 'instance_affine', 'upsample': 'resize', 'join_input': True}


def generator(**fields) -> unet.Generator:
    return unet.Generator(**{'image_shape': SHAPE, 'width': 2, **fields})


def discriminator(**fields) -> patch.Discriminator:
    return patch.Discriminator(**{'image_shape': SHAPE, 'width': 4, **fields})


@partial(jax.jit, static_argnums=0, static_argnames='mode')
def translating(net, variables, args, key, mode):
    """The output out of training; `mode` as items."""
    return net.apply(variables, *args, train=False, rngs={'dropout': key}, **dict(mode))


def translate(net, variables, *args, seed=0, **mode):
    """The same on the host."""
    key = jax.random.key(seed)
    return jax.device_get(translating(net, variables, args, key, mode=tuple(mode.items())))


@pytest.fixture(scope='module')
def trained():
    """A small U-Net whose running moments are not those of the images, and four images."""
    net, x = generator(image_shape=(64, 64, 3)), gans.normal(0, 4, 64, 64, 3)
    variables = init(net, x)
    _, moved = train_pass(net, variables, 2 * x)
    return net, {**variables, **moved}, x


class TestGenerator:
    @pytest.mark.parametrize('side, fields', [(64, {}), (32, SMALL)])
    def test_makes_float32_images_in_its_range_of_any_channels(self, side, fields):
        net = generator(image_shape=(side, side, 3), **fields)
        x = gans.normal(0, 2, side, side, 1)
        variables = jax.tree.map(lambda v: 100 * v, init(net, x))
        images, _ = train_pass(net, variables, x)
        chex.assert_shape(images, (2, side, side, 3))
        assert images.dtype == jnp.float32
        assert -1 <= images.min() < -0.9 and 0.9 < images.max() <= 1

    def test_maps_halve_to_one_pixel_and_double_back(self):
        net = generator(image_shape=(256, 256, 3))
        image = jax.ShapeDtypeStruct((1, 256, 256, 3), 'float32')

        def capture(x):
            variables = net.init(jax.random.key(0), x, train=False)
            found = net.apply(variables, x, train=False, capture_intermediates=True)[1]
            return found['intermediates']

        maps = jax.eval_shape(capture, image)

        def side(kind, i):
            return maps[f'{kind}_{i}']['__call__'][0].shape[1:]

        widths = [2, 4, 8, 16, 16, 16, 16, 16]
        sides = [128, 64, 32, 16, 8, 4, 2, 1]
        down = [(s, s, w) for s, w in zip(sides, widths, strict=True)]
        assert [side('Conv', i) for i in range(8)] == down
        up = [*down[-2::-1], (256, 256, 3)]
        assert [side('ConvTranspose', i) for i in range(8)] == up
        assert sum(name.startswith('Dropout') for name in maps) == 3
        assert sum(name.startswith('BatchNorm') for name in maps) == 6 + 7

    def test_of_a_blank_input_resizing_leaves_no_checkerboard(self):
        def patterns(upsample: str) -> np.ndarray:
            """The middle of an image without its mean over every 2x2 pixels."""
            net = generator(
                image_shape=(64, 64, 3), norm='none', width=4, depth=2, upsample=upsample
            )
            x = np.ones((1, 64, 64, 3), np.float32)
            middle = translate(net, init(net, x), x)[0, 24:40, 24:40]
            return middle - middle.mean(axis=(0, 1))

        assert np.abs(patterns('resize')).max() < 1e-6 < 1e-3 < np.abs(patterns('transposed')).max()

    def test_no_map_is_smaller_than_one_pixel(self):
        assert [generator(depth=depth).misfit() for depth in (0, 1, 5)] == [''] * 3
        assert generator(depth=6).misfit().startswith('depth=6 is at most 5')

    def test_checks_the_size_of_its_images(self):
        with pytest.raises(AssertionError):
            variables_of(generator(), jnp.zeros((1, 16, 16, 3)))

    def test_every_input_pixel_reaches_the_image_through_the_bottleneck(self):
        net, x = generator(norm='none', width=4), gans.normal(0, 1, *SHAPE)
        variables = init(net, x)
        grad = jax.jit(jax.grad(lambda x: net.apply(variables, x, train=False)[0, 0, 0, 0]))(x)
        assert np.all(np.asarray(grad) != 0)


class TestModes:
    def test_the_papers_mode_is_training_without_its_updates(self, trained):
        net, variables, x = trained
        expected, _ = train_pass(net, variables, x)  # with the key 3
        mode = dict(batch_statistics=True, dropout=True)
        np.testing.assert_allclose(
            translate(net, variables, x, seed=3, **mode), expected, atol=1e-5
        )
        assert not np.allclose(translate(net, variables, x, seed=4, **mode), expected, atol=1e-3)

    def test_training_without_dropout(self, trained):
        net, variables, x = trained
        apply = partial(net.apply, variables, x, train=True, mutable=['batch_stats'])
        expected = train_pass(net.clone(dropout=0.0), variables, x)
        chex.assert_trees_all_close(jax.jit(partial(apply, dropout=False))(), expected, atol=1e-5)


class TestDiscriminator:
    def test_its_maps_are_those_of_its_hidden_layers(self):
        net, x = discriminator(), gans.normal(0, 2, *SHAPE)
        variables = init(net, x, x)
        logits, maps = translate(net, variables, x, x, return_features=True)
        np.testing.assert_array_equal(logits, translate(net, variables, x, x))
        assert [y.shape for y in maps] == [
            (2, 16, 16, 4),
            (2, 8, 8, 8),
            (2, 4, 4, 16),
            (2, 3, 3, 32),
        ]

    @pytest.mark.parametrize(
        'n_layers, side', [(0, 256), (1, 126), (2, 62), (3, 30), (4, 14), (5, 6)]
    )
    def test_map_of_logits(self, n_layers, side):
        net = discriminator(image_shape=(256, 256, 3), n_layers=n_layers)
        x = jax.ShapeDtypeStruct((2, 256, 256, 3), 'float32')
        condition = jax.ShapeDtypeStruct((2, 256, 256, 1), 'float32')
        init_with_output = partial(net.init_with_output, train=False)
        logits, _ = jax.eval_shape(init_with_output, jax.random.key(0), x, condition)
        assert (logits.shape, logits.dtype) == ((2, side, side), jnp.float32)

    @pytest.mark.parametrize('n_layers, field', [(0, 1), (1, 16), (3, 70), (5, 286)])
    def test_a_logit_sees_its_patch_of_image_and_condition(self, n_layers, field):
        side = {0: 8, 1: 32, 3: 128, 5: 384}[n_layers]
        net = discriminator(image_shape=(side, side, 1), n_layers=n_layers, width=2, norm='none')
        x = gans.normal(0, 1, side, side, 1)
        variables = init(net, x, x)

        @jax.jit
        def support(x, condition):
            def logit(x, condition):
                logits = net.apply(variables, x, condition, train=False)
                return logits[0, logits.shape[1] // 2, logits.shape[2] // 2]

            return jax.grad(logit, (0, 1))(x, condition)

        for grad in support(x, x):
            rows, cols = np.nonzero(np.asarray(grad)[0, :, :, 0])
            assert {np.ptp(rows) + 1, np.ptp(cols) + 1} == {field}
            assert rows.min() > 0 and rows.max() < side - 1  # not cut off by the border

    def test_condition_and_image_must_be_of_one_size(self):
        x = jnp.zeros((2, *SHAPE))
        for condition in (x[:1], x[:, :16]):
            with pytest.raises(AssertionError):
                variables_of(discriminator(), x, condition)

    def test_small_images_for_many_layers_are_refused(self):
        of_64 = partial(discriminator, image_shape=(64, 64, 3))
        assert of_64(n_layers=5).misfit().startswith('n_layers=5 needs')
        for n_layers in range(5):
            assert of_64(n_layers=n_layers).misfit() == ''
        net = discriminator(image_shape=(48, 48, 3), n_layers=4)
        x = jax.ShapeDtypeStruct((1, 48, 48, 3), 'float32')
        init_with_output = partial(net.init_with_output, train=False)
        logits, _ = jax.eval_shape(init_with_output, jax.random.key(0), x, x)
        assert net.misfit() == '' and logits.shape == (1, 1, 1)


@pytest.mark.parametrize('role', ['gen', 'disc'])
def test_initialised_as_junyanz_does(role):
    x = jnp.zeros((1, *SHAPE))
    net = {'gen': generator(width=16, depth=3), 'disc': discriminator(width=32)}[role]
    args = (x,) if role == 'gen' else (x, x)
    assert_initialised(net, *args, of_mean=0.015, of_std=0.4)


class Torch:
    """pix2pix's nets in PyTorch, with the weights of ours."""

    def __init__(self, params):
        self.torch = pytest.importorskip('torch')
        self.params = params

    def layer(self, kind: str, number: int, x, stride: int = 2):
        """The `number`-th convolution or transposed one of the net."""
        weights = self.params[f'{kind}_{number}']
        # [kh, kw, big, small] -> [small, big, kh, kw], both of Conv2d and of ConvTranspose2d
        kernel = self.tensor(np.transpose(weights['kernel'], (3, 2, 0, 1)))
        bias = self.tensor(weights['bias']) if 'bias' in weights else None
        functional = self.torch.nn.functional
        function = {'Conv': functional.conv2d, 'ConvTranspose': functional.conv_transpose2d}[kind]
        return function(x, kernel, bias, stride, 1)

    def norm(self, number: int, x):
        """The `number`-th batch norm, in training."""
        weights = self.params[f'BatchNorm_{number}']
        scale, bias = self.tensor(weights['scale']), self.tensor(weights['bias'])
        return self.torch.nn.functional.batch_norm(x, None, None, scale, bias, True)

    def tensor(self, x):
        return self.torch.from_numpy(np.array(x))

    def image(self, x):
        return self.tensor(np.transpose(x, (0, 3, 1, 2)))

    def unet(self, x, level: int = 0, levels: int = 5):
        """The block of a level, as junyanz nests them: what it returns goes to the level above."""
        relu, leaky = self.torch.relu, self.torch.nn.functional.leaky_relu
        y = self.layer('Conv', level, x if level == 0 else leaky(x, 0.2))
        last = levels - 1 - level
        if last:
            y = self.norm(level - 1, y) if level else y
            y = self.unet(y, level + 1)
        y = self.layer('ConvTranspose', last, relu(y))
        if level == 0:
            return self.torch.tanh(y)
        # Norms are numbered along the net: levels - 2 of the encoder come first.
        return self.torch.cat([x, self.norm(levels - 2 + last, y)], 1)

    def patch(self, x, condition):
        """Three layers of stride 2."""
        leaky = self.torch.nn.functional.leaky_relu
        y = leaky(self.layer('Conv', 0, self.torch.cat([condition, x], 1)), 0.2)
        for number, stride in ((1, 2), (2, 2), (3, 1)):
            y = leaky(self.norm(number - 1, self.layer('Conv', number, y, stride)), 0.2)
        return self.layer('Conv', 4, y, 1)


def with_biases(params):
    """Biases that are not zero, so that one in the wrong place shows."""
    return jax.tree.map(lambda p: p + 0.1 * gans.normal(5, *p.shape) if p.ndim == 1 else p, params)


def test_unet_is_pytorchs_with_the_same_weights():
    net, x = generator(dropout=0.0), gans.normal(0, 4, *SHAPE)
    variables = init(net, x)
    variables['params'] = with_biases(variables['params'])
    other = Torch(variables['params'])
    expected = other.unet(other.image(x)).permute(0, 2, 3, 1).numpy()
    actual, _ = train_pass(net, variables, x)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_patch_is_pytorchs_with_the_same_weights():
    net, x, condition = discriminator(), gans.normal(0, 2, *SHAPE), gans.normal(1, 2, *SHAPE[:2], 1)
    variables = init(net, x, condition)
    variables['params'] = with_biases(variables['params'])
    other = Torch(variables['params'])
    expected = other.patch(other.image(x), other.image(condition))[:, 0].numpy()
    actual, _ = train_pass(net, variables, x, condition)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
