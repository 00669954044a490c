"""Data sets: from files to what the trainer feeds."""

from collections.abc import Callable, Mapping
import dataclasses
from pathlib import Path
from typing import NamedTuple

from ml_collections import ConfigDict
import numpy as np

from gan_jax.data import added, celeb_a, folder, label_subsets, mnist, mnist5k, pairs, synthetic
from gan_jax.data import image_files as image_files
from gan_jax.data.datasets import Dataset as Dataset
from gan_jax.errors import UserError, nearest
from gan_jax.fields import Data
from gan_jax.io import paths
from gan_jax.types import DataSpec


class Entry(NamedTuple):
    """A data set that a config can name."""

    load: Callable[[Data], Dataset]  # from the run's `config.data`
    spec: Callable[[Data], DataSpec]  # of what `load` would return, without the files
    sized: bool  # whether `config.data.image_size` chooses the size of its images
    stand_in: str  # the set that needs no files and no network, for smoke presets
    features: str = ''  # the feature net of its kind of images; '': one for photographs


DATASETS: Mapping[str, Entry] = {
    'mnist': Entry(mnist.load, mnist.spec, sized=False, stand_in='mnist5k', features='digits'),
    'mnist5k': Entry(
        mnist5k.load, mnist5k.spec, sized=False, stand_in='mnist5k', features='digits'
    ),
    'folder': Entry(folder.load, folder.spec, sized=True, stand_in='synthetic'),
    'pairs': Entry(pairs.load, pairs.spec, sized=True, stand_in='synthetic'),
    'celeb_a': Entry(celeb_a.load, celeb_a.spec, sized=True, stand_in='synthetic'),
    'synthetic': Entry(synthetic.load, synthetic.spec, sized=True, stand_in='synthetic'),
}


_ALBUMS = 'folder', 'pairs'  # sets that take all pictures below a folder


def entry(config: Data) -> Entry:
    """The registry's entry that `config.data` names.

    Raises:
      UserError: an unknown set, or a field that has no meaning for this one.
    """
    if config.name not in DATASETS:
        raise UserError(f'config.data.name={config.name}: {nearest(config.name, DATASETS)}')
    found = DATASETS[config.name]
    for field in ('image_size', 'width', 'crop', 'jitter', 'held_out'):
        if config[field] and not found.sized:
            raise UserError(
                f'config.data.{field}={config[field]}: the images of {config.name} are taken as'
                ' they are; leave it 0'
            )
    return found


def keep_out(config: Data, output: Path, flag: str) -> None:
    """Keeps results out of the folders of whose pictures a run learns: they would become some.

    Raises:
      UserError: it lies in such a folder, however deep.
    """
    for field in ('path', 'input_path'):
        if config.name in _ALBUMS and config[field]:
            image_files.keep_out(Path(config[field]), f'config.data.{field}', output, flag)


def load(config: Data) -> Dataset:
    """The data set of a run, with those labels that training may see, and what is added to it.

    Raises:
      UserError: the set is unknown or cannot be had, the labels are not in it, or what is to be
        added does not fit it.
    """
    dataset = label_subsets.restrict(entry(config).load(config), config.labels)
    if config.added:
        dataset = added.join(dataset, paths.absolute(config.added, 'config.data.added'))
    if not dataset.attributes:
        return dataset
    labels = dataset.source.labels()
    count = np.bincount(labels[labels >= 0], minlength=len(dataset.class_names))
    return dataclasses.replace(dataset, spec=dataset.spec._replace(counts=tuple(count.tolist())))


def whole(config: Data, split: str) -> Dataset:
    """A split of a run's set with all of its own images and labels; the config stays as it is.

    Raises:
      UserError: there is no such split.
    """
    other = ConfigDict(config.to_dict())
    other.update(split=split, num_examples=0)
    return entry(other).load(other)


def held_out(config: Data, dataset: Dataset) -> Dataset | None:
    """The split 'test' of a run's set; None if it has none, or the run trains on it.

    Raises:
      UserError: the images cannot be had.
    """
    if config.split in ('test', 'all') or 'test' not in dataset.splits:
        return None
    return whole(config, 'test')


def generated(config: Data) -> Dataset:
    """The same with random pixels in place of the images, which need not be at hand."""
    like = entry(config).spec(config)
    return label_subsets.restrict(synthetic.make(like, config), config.labels)


def validation(config: Data) -> Dataset:
    """The labelled images that `config.labels.validation` keeps from training.

    Raises:
      UserError: as `load`, or there are none.
    """
    return label_subsets.validation(entry(config).load(config), config.labels)
