"""Data sets: from files to what the trainer feeds."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ml_collections import ConfigDict

from gan_jax.data import budget, celeb_a, folder, mnist, mnist5k, pairs, synthetic
from gan_jax.data.sources import Dataset
from gan_jax.errors import UserError, nearest
from gan_jax.types import DataSpec


class Entry(NamedTuple):
    """A data set that a config can name.

    Attributes:
      load: from the run's `config.data`.
      spec: of what `load` would return, without the files.
      sized: whether `config.data.image_size` chooses the size of its images.
      tested: whether, at this `config.data`, split 'test' has images that 'train' has not.
      stand_in: the set that needs no files and no network, for smoke presets.
    """

    load: Callable[[ConfigDict], Dataset]
    spec: Callable[[ConfigDict], DataSpec]
    sized: bool
    tested: Callable[[ConfigDict], bool]
    stand_in: str


def _always(config: ConfigDict) -> bool:
    return True


def _never(config: ConfigDict) -> bool:
    return False


def _if_held_out(config: ConfigDict) -> bool:
    return config.held_out > 0


DATASETS: Mapping[str, Entry] = {
    'mnist': Entry(mnist.load, mnist.spec, False, _always, stand_in='mnist5k'),
    'mnist5k': Entry(mnist5k.load, mnist5k.spec, False, _never, stand_in='mnist5k'),
    'folder': Entry(folder.load, folder.spec, True, _if_held_out, stand_in='synthetic'),
    'pairs': Entry(pairs.load, pairs.spec, True, _if_held_out, stand_in='synthetic'),
    'celeb_a': Entry(celeb_a.load, celeb_a.spec, True, _always, stand_in='synthetic'),
    'synthetic': Entry(synthetic.load, synthetic.spec, True, _never, stand_in='synthetic'),
}


# Fields that mean something to these sets only.
_OWNERS = {
    'unlabelled': ('folder',),
    'attribute': ('celeb_a',),
    'input': ('pairs', 'synthetic'),
    'input_path': ('pairs',),
}


def entry(config: ConfigDict) -> Entry:
    """What `config.data` names.

    Raises:
      UserError: an unknown set, or a field that has no meaning for this one.
    """
    if config.name not in DATASETS:
        raise UserError(f'config.data.name={config.name}: {nearest(config.name, DATASETS)}')
    found = DATASETS[config.name]
    for field in ('image_size', 'crop', 'jitter', 'held_out'):
        if config[field] and not found.sized:
            raise UserError(
                f'config.data.{field}={config[field]}: the images of {config.name} are taken as'
                ' they are; leave it 0'
            )
    for field, owners in _OWNERS.items():
        if config[field] and config.name not in owners:
            raise UserError(
                f'config.data.{field}={config[field]} is for config.data.name={owners[0]} only'
            )
    return found


def load(config: ConfigDict) -> Dataset:
    """The data set of a run, with those labels that training may see.

    Args:
      config: the run's `config.data`.

    Raises:
      UserError: the set is unknown or cannot be had, or the labels are not in it.
    """
    return budget.restrict(entry(config).load(config), config.labels)


def split(config: ConfigDict, name: str) -> Dataset:
    """Another split of the same set: all of its images, with all their labels.

    Args:
      config: the run's `config.data`.
      name: of the split.

    Raises:
      UserError: there is no such split.
    """
    other = ConfigDict(config.to_dict())
    other.split = name
    other.num_examples = 0
    other.labels.update(number=0, validation=0, alone=False)
    return load(other)


def held_out(config: ConfigDict) -> Dataset | None:
    """The images of the same set that no run of this `config.data` trains on; None without any."""
    if config.split == 'train' and entry(config).tested(config):
        return split(config, 'test')
    return None


def generated(config: ConfigDict) -> Dataset:
    """The same with random pixels in place of the images, which need not be at hand."""
    like = entry(config).spec(config)
    return budget.restrict(synthetic.make(like, config), config.labels)


def validation(config: ConfigDict) -> Dataset:
    """The labelled images that `config.labels.validation` keeps from training.

    Raises:
      UserError: as `load`, or there are none.
    """
    return budget.validation(entry(config).load(config), config.labels)
