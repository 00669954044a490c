import os
from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest

from gan_jax import data
from gan_jax.data import mnist, mnist5k
from gan_jax.errors import UserError
from gan_jax.types import DataSpec

REAL = Path(__file__).parents[3] / 'shared' / 'data' / 'mnist'


@pytest.fixture
def config(make_config):
    return make_config(name='mnist5k').data


def test_has_500_digits_of_each_class(config):
    dataset = data.load(config)
    assert dataset.spec == DataSpec((28, 28, 1), 10, 5000)
    images, labels = dataset.arrays()
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(np.bincount(labels), 500)
    np.testing.assert_array_equal(mnist5k.read()[0], images)


@pytest.mark.skipif(not REAL.is_dir(), reason=f'{REAL} is absent')
def test_its_digits_are_mnist():
    images, labels = mnist5k.read()
    paths = {name: REAL / name for name in mnist.MD5}
    pixels, classes = mnist.read_split(paths, 'train')
    known = {image.tobytes(): label for image, label in zip(pixels, classes, strict=True)}
    assert [known[image.tobytes()] for image in images] == labels.tolist()


def test_a_path_is_an_error(config):
    config.path = 'digits'
    with pytest.raises(UserError, match="config.data.path='digits' must be empty for mnist5k"):
        data.load(config)


START = """
import sys
from gan_jax import config, data
from gan_jax.data import feeds
made = config.default()
dataset = data.load(made.data)
feeds.make_feed(dataset, made, ['in_turn']).item(0)
print(*{'tensorflow', 'tensorflow_datasets', 'array_record', 'cv2'} & set(sys.modules))
print(dataset.fingerprint)
"""


def start():
    """The output of a process of its own that begins to feed the digits."""
    environment = {**os.environ, 'PYTHONPATH': str(Path(data.__file__).parents[2])}
    command = [sys.executable, '-W', 'error', '-c', START]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)


def test_a_second_start_imports_no_input_library(config):
    expected = data.load(config).fingerprint
    assert start().stdout.splitlines() == ['', expected]


def test_a_first_start_neither_imports_tensorflow_nor_prints_to_stdout(own_cache):
    got = start()
    modules, fingerprint = got.stdout.splitlines()
    assert 'tensorflow' not in modules.split()
    assert len(fingerprint) == 64
    assert got.stderr.splitlines() == [
        f'Preparing mnist5k-2 in {own_cache}/tfds/mnist5k-2/gan_jax/1.0.0 (once)'
    ]
