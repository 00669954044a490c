"""Feature nets: those of the reference implementations, with weights read from files."""

import io
from pathlib import Path
import pickle

from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from gan_jax import evaluation
from gan_jax.errors import UserError
from gan_jax.pretrained import (
    efficientnet_lite0,
    feature_net,
    features,
    inception,
    squeezenet,
    weights,
)
from tests import gans
from tools import train_digits


def shapes(net, side):
    """Shapes of the net's arrays by path."""
    image = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
    tree = jax.eval_shape(net.Net().init, jax.random.key(0), image)
    return {name: leaf.shape for name, leaf in traverse_util.flatten_dict(tree, sep='/').items()}


@pytest.fixture(scope='module')
def lite0():
    """EfficientNet-Lite0 with the weights of its package."""
    return evaluation.load_net('efficientnet_lite0')


@pytest.fixture(scope='module')
def squeeze():
    """SqueezeNet with the weights of its package."""
    return evaluation.load_net('squeezenet')


def pattern(side=224):
    """One image whose pixels a formula gives."""
    row, column, channel = np.indices((side, side, 3))
    return ((row * column // 37 + 80 * channel + row) % 256).astype(np.uint8)[None]


def test_efficientnet_says_what_it_says_in_pytorch(lite0):
    """Recorded of `efficientnet-lite-pytorch` 0.1.0 in PyTorch 2.13 on `pattern`, its parent's net.

    From extract_features(x).mean((2, 3)) and softmax(net(x)), x = (pattern - 127) / 128.
    """
    found = lite0(pattern())
    expected = [0.19945, 0.0, 0.01087, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(found.features[0, :6], expected, atol=2e-5)
    np.testing.assert_allclose(found.features.mean(), 0.1742222, rtol=1e-5)
    np.testing.assert_allclose(found.features.std(), 0.49624535, rtol=1e-5)
    assert found.best == 506 and found.features.shape == (1, 1280)
    np.testing.assert_allclose(found.confidence, 0.6611, atol=1e-4)


def test_squeezenet_says_what_it_says_in_caffe(squeeze):
    """Recorded of OpenCV 4.14, which read the same weights as a net of Caffe's, on `pattern`.

    The mean of the last map after its ReLU, and the softmax of the mean of conv10's.
    """
    found = squeeze(pattern(227))
    expected = [0.0, 0.0, 0.6247852, 0.0, 0.06129159, 0.9324753, 0.24045232, 0.0]
    np.testing.assert_allclose(found.features[0, :8], expected, atol=2e-5)
    np.testing.assert_allclose(found.features.mean(), 1.4614756, rtol=1e-5)
    np.testing.assert_allclose(found.features.std(), 4.8651032, rtol=1e-5)
    assert found.best == 417 and found.features.shape == (1, 512)
    np.testing.assert_allclose(found.confidence, 0.9374486, atol=1e-4)


def test_a_pickle_that_names_more_than_arrays_is_refused():
    with pytest.raises(pickle.UnpicklingError, match='print is no part of an array'):
        features._Arrays(io.BytesIO(pickle.dumps({'conv1': [np.zeros(2), print]}))).load()


@pytest.mark.parametrize('size', [7, 8])
def test_pools_leave_no_row_out(size):
    x = np.tile(np.arange(size, dtype=np.float32).reshape(1, size, 1, 1), (1, 1, size, 1))
    found = np.asarray(jax.jit(squeezenet.halved)(x))[0, :, 0, 0]
    np.testing.assert_array_equal(found, np.minimum(np.arange(2, size + 1, 2), size - 1))


@pytest.mark.parametrize(
    ('net', 'frechet', 'suffix'),
    [('lite0', 'FD-EffLite0', 'efflite0'), ('squeeze', 'FD-SqueezeNet', 'squeezenet')],
)
def test_cats_are_told_from_a_pattern(net, frechet, suffix, request):
    net = request.getfixturevalue(net)
    best = np.array([281, 285, 280, 286, 506], np.int32)
    outputs = feature_net.Outputs(np.zeros((5, 1)), best, np.ones(5))
    assert net.measure(outputs) == {'cat_share': 0.4}
    facts = net.facts()
    assert facts['frechet'] == frechet and facts['suffix'] == suffix


def pytorch_names(shapes):
    """The tensors of a state dict of Inception-v3 that fit these arrays: name -> shape."""
    tensors = {'fc.weight': (1008, 2048), 'fc.bias': (1008,)}
    for path, shape in shapes.items():
        name = '.'.join(path.split('/')[1:-1])
        if path.endswith('kernel') and name != 'fc':
            tensors[f'{name}.conv.weight'] = (shape[3], shape[2], *shape[:2])
            for part in ('weight', 'bias', 'running_mean', 'running_var'):
                tensors[f'{name}.bn.{part}'] = shape[3:]
    return tensors


@pytest.fixture(scope='module')
def random_inception():
    """A state dict of random numbers under which maps neither vanish nor explode."""
    random = np.random.default_rng(0)

    def draw(name, shape):
        if 'conv' in name or name == 'fc.weight':
            return random.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        if name.endswith(('var', 'bn.weight')):
            return random.uniform(0.5, 1.5, shape)
        return random.normal(0, 0.1, shape)

    names = pytorch_names(shapes(inception, 299))
    return {name: draw(name, shape).astype(np.float32) for name, shape in names.items()}


def test_inception_has_the_size_it_is_known_for(random_inception):
    """Keras counts 21,768,352 in kernels and shifts without the classes; 94 convolutions."""
    count = sum(np.prod(shape) for shape in shapes(inception, 299).values())
    assert count == 21_768_352 + 2048 * 1008 + 1008
    assert sum(name.endswith('conv.weight') for name in random_inception) == 94


def test_inception_is_torch_fidelitys(random_inception, tmp_path, monkeypatch):
    """The same from uint8 images on, resizing included, if it is installed."""
    pytest.importorskip('torch_fidelity')
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    tensors = {name: torch.from_numpy(array) for name, array in random_inception.items()}
    counts = {
        name.replace('running_var', 'num_batches_tracked'): torch.tensor(0)
        for name in tensors
        if name.endswith('running_var')
    }
    path = tmp_path / 'inception.pth'
    torch.save(tensors | counts, path)
    reference = FeatureExtractorInceptionV3('reference', ['2048'], str(path))
    image = np.random.default_rng(2).integers(0, 256, (2, 64, 64, 3), np.uint8)
    [expected] = reference(torch.from_numpy(image.transpose(0, 3, 1, 2).copy()))
    net = evaluation.load_net('inception', str(path))
    scale = float(expected.abs().max())
    np.testing.assert_allclose(net(image).features / scale, expected.numpy() / scale, atol=1e-5)
    assert net.facts()['frechet'] == 'FID'


def test_resizing_is_tensorflow_1s():
    """Pixel i at i * H / side, between its neighbours, the last one repeated; no averaging."""
    image = np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1) * np.ones((1, 1, 2, 1), np.float32)
    resized = jax.jit(inception.resized, static_argnums=1)
    up = np.asarray(resized(image, 8))
    np.testing.assert_allclose(up[0, :, 0, 0], [0, 0.5, 1, 1.5, 2, 2.5, 3, 3])
    assert up.shape == (1, 8, 8, 1)
    random = np.random.default_rng(0).normal(size=(1, 10, 10, 3)).astype(np.float32)
    np.testing.assert_allclose(resized(random, 5), random[:, ::2, ::2])
    np.testing.assert_allclose(resized(random, 10), random)


def test_weights_are_read_from_safetensors_too(random_inception, tmp_path):
    path = tmp_path / 'inception.safetensors'
    path.write_bytes(safetensors.numpy.save(random_inception))
    net = evaluation.load_net('inception', str(path))
    assert len(net.fingerprint) == 64 and net.version == '2015-12-05'
    changed = random_inception | {'fc.bias': random_inception['fc.bias'] + 1}
    path.write_bytes(safetensors.numpy.save(changed))
    assert evaluation.load_net('inception', str(path)).fingerprint != net.fingerprint


def test_weights_that_do_not_fit_are_refused(random_inception, tmp_path):
    path = tmp_path / 'weights.safetensors'

    def refuses(tensors, message):
        path.write_bytes(safetensors.numpy.save(tensors))
        with pytest.raises(UserError, match=message) as error:
            evaluation.load_net('inception', str(path))
        assert str(error.value).startswith(f'--weights={path}: not the weights of this net')

    missing = dict(random_inception)
    del missing['Mixed_6b.branch7x7_2.conv.weight']
    refuses(missing, "it has no 'Mixed_6b.branch7x7_2.conv.weight'")
    narrow = random_inception | {'fc.weight': np.zeros((1000, 2048), np.float32)}
    refuses(narrow, 'params/fc/kernel would have the shape')
    name = 'Mixed_5b.branch1x1.conv.weight'
    refuses(random_inception | {name: np.zeros((3, 3), np.float32)}, 'not the weights')
    path.write_bytes(b'nothing')
    with pytest.raises(UserError, match='cannot be read as safetensors'):
        evaluation.load_net('inception', str(path))


def test_weights_that_are_not_there_are_one_line(monkeypatch):
    with pytest.raises(UserError, match='--features=inception needs its weights: --weights=FILE'):
        evaluation.load_net('inception')
    with pytest.raises(UserError, match='--weights=none.pth: cannot be read .No such file'):
        evaluation.load_net('inception', 'none.pth')


@pytest.mark.parametrize(
    ('preferred', 'seen', 'expected'),
    [
        ('digits', {'efficientnet_lite0'}, 'digits'),
        ('', set(), 'efficientnet_lite0'),
        ('', {'efficientnet_lite0'}, 'squeezenet'),
        ('', {'squeezenet'}, 'efficientnet_lite0'),
        ('', {'efficientnet_lite0', 'squeezenet'}, 'efficientnet_lite0'),
    ],
)
def test_a_net_that_training_looked_through_judges_if_there_is_no_other(preferred, seen, expected):
    assert features.default(preferred, seen) == expected


PACKAGED = {'efficientnet_lite0': 'EFFICIENTNET', 'squeezenet': 'SQUEEZENET'}


@pytest.mark.parametrize(('name', 'package'), PACKAGED.items())
def test_a_package_that_is_missing_or_has_another_file_is_one_line(name, package, monkeypatch):
    good = getattr(features, package)
    swapped = good._replace(sha256='0' * 64)
    missing = good._replace(module='no_such_package')
    for bad, words in ((swapped, (good.sha256, '0' * 64)), (missing, ())):
        monkeypatch.setattr(features, package, bad)
        with pytest.raises(UserError, match=f'^--features={name}') as error:
            evaluation.load_net(name)
        message = str(error.value)
        assert all(word in message for word in (f'{good.name}=={good.version}', *words))


def test_maps_on_the_way_are_those_of_the_net():
    """Images have an odd side; the last map leads to the net's features."""
    x = np.tanh(gans.normal(0, 2, 70, 64, 3))
    net = efficientnet_lite0.Net()
    variables = gans.variables(net, x)
    both = jax.jit(lambda v, x: (efficientnet_lite0.Maps().apply(v, x), net.apply(v, x)[0]))
    maps, features = jax.device_get(both(variables, x))
    assert {name: leaf.shape for name, leaf in maps.items()} == {
        'stage1': (2, 18, 16, 24),
        'stage2': (2, 9, 8, 40),
        'stage4': (2, 5, 4, 112),
        'stage6': (2, 3, 2, 320),
    }
    head = variables['params']['head']
    last = np.clip(maps['stage6'] @ head['kernel'][0, 0], 0, 6)
    np.testing.assert_allclose(last.mean((1, 2)), features, rtol=1e-3, atol=1e-7)


def test_the_digits_that_are_shipped():
    """The file says how it was trained, is what that training makes today, and is small."""
    path = Path(features.__file__).with_name('digits.safetensors')
    stored = weights.read(path, 'gan_jax')
    assert path.stat().st_size < 1_000_000
    assert float(stored.facts['test_accuracy']) >= 0.994
    assert stored.facts['version'] == train_digits.VERSION
    assert evaluation.load_net('digits').version.startswith(f'{train_digits.VERSION}.')
