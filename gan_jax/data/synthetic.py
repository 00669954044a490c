"""`synthetic`: images of random pixels, for benchmarks and to try a program without data."""

import hashlib

import numpy as np

from gan_jax import fields
from gan_jax.data import decode
from gan_jax.data.datasets import Dataset, Source, stored_shape
from gan_jax.errors import UserError
from gan_jax.fields import Data
from gan_jax.types import Batch, DataSpec

NUM_EXAMPLES = 10_000
POOL = 512  # different images; the set repeats them
NUM_CLASSES = 10


def spec(config: Data) -> DataSpec:
    """Images of `image_size` pixels a side, two side by side for pairs; ten classes in turn.

    Raises:
      UserError: no size is given.
    """
    height, width = fields.sides(config)
    if height < 1:
        raise UserError('config.data.image_size=0: the synthetic set needs a size, e.g. 64')
    panels = 2 if config.input else 1
    count = config.num_examples or NUM_EXAMPLES
    shape = height, panels * width, decode.CHANNELS[config.channels]
    return DataSpec(shape, NUM_CLASSES, count, panels, config.deep)


def load(config: Data) -> Dataset:
    """The set of `config.data`."""
    if config.path:
        raise UserError(f'config.data.path={config.path!r} must be empty for the synthetic set')
    return make(spec(config), config)


def make(like: DataSpec, config: Data) -> Dataset:
    """Random pixels of the shape and number of the set that `config.data` names, as it."""
    what = 'synthetic, 16 bits' if like.deep else 'synthetic', *like[:4]
    return Dataset(
        name=config.name,
        split=config.split,
        spec=like,
        class_names=tuple(str(number) for number in range(like.num_classes)),
        fingerprint=hashlib.sha256(repr(what).encode()).hexdigest(),
        source=Generated(like, stored_shape(config, like)),
    )


class Generated(Source):
    """The examples of a synthetic set by index."""

    def __init__(self, like: DataSpec, shape: tuple[int, int, int]):
        """Draws the pool of images of a shape, the same in every process."""
        random = np.random.default_rng(0)
        self._count, self._classes = like.num_examples, max(like.num_classes, 1)
        levels = np.iinfo(like.dtype).max + 1
        pool = random.integers(0, levels, (min(POOL, self._count), *shape), like.dtype)
        # No colour is above its alpha.
        self._pool = np.minimum(pool, pool[..., 3:]) if shape[-1] == 4 else pool

    def __len__(self) -> int:
        return self._count

    def take(self, indices: np.ndarray) -> Batch[np.ndarray]:
        return Batch(self._pool[indices % len(self._pool)], self._labels_of(indices))

    def labels(self) -> np.ndarray:
        return self._labels_of(np.arange(self._count))

    def _labels_of(self, indices: np.ndarray) -> np.ndarray:
        return (indices % self._classes).astype(np.int32)
