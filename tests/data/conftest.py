"""Data sets in miniature, and configs for them."""

import gzip
import hashlib
import struct

import numpy as np
import pytest

from gan_jax import config
from gan_jax.data import mnist

COUNTS = {'train': 40, 't10k': 20}


def _idx(array: np.ndarray) -> bytes:
    """https://yann.lecun.com/exdb/mnist: two zeros, type 8 (uint8), rank, sizes, then the data."""
    head = struct.pack('>HBB', 0, 8, array.ndim) + struct.pack(f'>{array.ndim}I', *array.shape)
    return gzip.compress(head + array.tobytes())


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """A folder with four IDX files of 40 and 20 digits, which pass for the official ones."""
    folder = tmp_path / 'idx'
    folder.mkdir()
    rng = np.random.default_rng(0)
    for prefix, count in COUNTS.items():
        pixels = rng.integers(0, 256, (count, 28, 28), np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        (folder / f'{prefix}-images-idx3-ubyte.gz').write_bytes(_idx(pixels))
        (folder / f'{prefix}-labels-idx1-ubyte.gz').write_bytes(_idx(labels))
    digests = {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in mnist.MD5}
    monkeypatch.setattr(mnist, 'MD5', digests)
    return folder


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache in which nothing is prepared."""
    folder = tmp_path / 'cache'
    monkeypatch.setenv('GAN_JAX_CACHE', str(folder))
    return folder


@pytest.fixture
def make_config():
    """Builds a config with `config.data` fields."""

    def make(**fields):
        made = config.default()
        made.data.update(fields)
        return made

    return make


@pytest.fixture
def digits(make_config):
    """A config for 200 of the packaged digits."""
    return make_config(name='mnist5k', num_examples=200)
