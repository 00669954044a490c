"""Data sets: from files to what the trainer feeds."""

from collections.abc import Callable, Mapping

from ml_collections import ConfigDict

from gan_jax.data import mnist, mnist5k
from gan_jax.data.sources import Dataset
from gan_jax.errors import UserError, nearest

DATASETS: Mapping[str, Callable[[ConfigDict], Dataset]] = {
    'mnist': mnist.load,
    'mnist5k': mnist5k.load,
}


def load(config: ConfigDict) -> Dataset:
    """The data set of a run.

    Args:
      config: the run's `config.data`.

    Raises:
      UserError: the set is unknown or cannot be had.
    """
    if config.name not in DATASETS:
        raise UserError(f'config.data.name={config.name}: {nearest(config.name, DATASETS)}')
    return DATASETS[config.name](config)
