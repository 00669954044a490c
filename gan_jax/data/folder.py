"""`folder`: a folder of images of your own, or a .zip of one."""

from collections.abc import Collection
import dataclasses
import difflib
from pathlib import Path

from gan_jax.data import classes, from_files, image_files, label_table
from gan_jax.data.datasets import Dataset
from gan_jax.data.label_table import Labels
from gan_jax.errors import UserError, nearest
from gan_jax.fields import Data
from gan_jax.types import DataSpec

USUAL = 'unlabelled'  # by experiments with few labels; a set that is all sorted has none
ASSUMED = 500  # images of a folder that was not looked at


def spec(config: Data) -> DataSpec:
    """The spec of a folder of the config's size; classes and counts are not known yet.

    Two classes are assumed where the config says which of the images have none.
    """
    num_classes = 2 if config.unlabelled else 0
    count = config.num_examples or ASSUMED
    found = DataSpec(from_files.shape(config), num_classes, count, deep=config.deep)
    return classes.assumed(found, config.attributes)


def load(config: Data) -> Dataset:
    """The images below `config.path`, [size, size, C], in the order of their names.

    The centred part of each, `config.crop` pixels high or as large as it can be, at
    `config.image_size` and `width` (`decode.fitted`). Folders in the folder are classes if all
    images lie in two or more of them; with `config.unlabelled` the images in that folder, or in
    none, have the label -1 (`image_files.classes`). Or `labels.csv` says them (`label_table.read`):
    with `config.attributes` the images that have no class in it are left out, or, with
    `config.unlabelled`, have the label -1.

    Raises:
      UserError: there is no such folder, or no image in it that can be used, or the folder of
        those without a label seems misspelt.
    """
    if not config.path:
        raise UserError('config.data.path is empty: give --config.data.path=FOLDER of your images')
    from_files.size(config)
    found = image_files.find(Path(config.path))
    names, labels = image_files.classes(found.names, config.unlabelled)
    table = label_table.read(found, config, bool(names))
    if table is None:
        _refuse_misspelt(config.unlabelled, set(image_files.outermost(found.names)))
        table = Labels(names, labels)
    kept = [index for index in range(len(found)) if index not in table.unlisted]
    dataset = from_files.load(
        config,
        state=(found.state, config.crop, *table.state),
        names=[found.names[index] for index in kept],
        class_names=table.class_names,
        make=lambda index: (
            from_files.read_fitted(config, found.read(kept[index])),
            int(table.labels[kept[index]]),
        ),
        left_out=[*found.ignored, *table.left_out(found.names)],
    )
    remedy = ''
    if not table.class_names:
        remedy = label_table.to_have_classes(found) or image_files.to_have_classes(found.names)
    return dataclasses.replace(dataset, attributes=table.attributes, to_have_classes=remedy)


def _refuse_misspelt(unlabelled: str, there: Collection[str]) -> None:
    """The largest of all classes would be the pile of what is not sorted."""
    if not unlabelled or unlabelled in there:
        return
    lower = {name.lower(): name for name in there}
    if close := difflib.get_close_matches(unlabelled.lower(), lower, n=1, cutoff=0.9):
        name = lower[close[0]]
        raise UserError(
            f'config.data.path: the sub-folder {name!r} would be a class beside'
            f' config.data.unlabelled={unlabelled!r}: rename it, or set'
            f' --config.data.unlabelled={name}'
        )
    if unlabelled != USUAL:
        named = [name for name in there if name]
        raise UserError(
            f'config.data.unlabelled={unlabelled!r}: config.data.path has no such sub-folder with'
            f' images; {nearest(unlabelled, named) if named else "leave it out"}'
        )
