"""A translator assessed on pairs: those it was trained on, held-out ones, and another domain's."""

from collections.abc import Callable, Iterator, Sequence
import itertools
import json
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict
import numpy as np

from gan_jax import data, nets
from gan_jax.data import from_files
from gan_jax.data.datasets import Dataset
from gan_jax.errors import UserError
from gan_jax.evaluation import metrics, pairs
from gan_jax.evaluation.pairs import HELD_OUT, OTHER, SHOWN, TRAIN, Pairs
from gan_jax.fields import Data
from gan_jax.io import files, images
from gan_jax.pretrained.feature_net import FeatureNet
from gan_jax.records import workdirs
from gan_jax.terminal.progress import Progress
from gan_jax.use.trained import Trained, translator_of

RESULT, PICTURE = 'evaluation.json', 'translations.png'  # in a workdir
WIDEST = 256  # pixels of an image in it
ENOUGH = 2_048  # pairs from which a Frechet distance is worth its name
FRECHET = ('frechet',)


def find(run: Trained, workdir: Path, count: int, other: Path | None) -> list[Pairs]:
    """The pairs of a run, and those that its kind of input makes of the photos in a folder.

    Args:
      count: pairs of each split at most.
      other: a folder, a .zip or an image of another domain; None for none.

    Raises:
      UserError: images are not to be had, or inputs cannot be made from photos alone.
    """
    config = run.config.data
    training = data.load(config)
    workdirs.refuse_other_data(workdir, run.config, training.fingerprint)
    sets = {TRAIN: (training, config)}
    if (test := data.held_out(config, training)) is not None:
        sets[HELD_OUT] = test, config
    if other:
        sets[OTHER] = _elsewhere(config, other)
    return [
        Pairs(split, dataset, own, min(count, dataset.spec.num_examples))
        for split, (dataset, own) in sets.items()
    ]


def _elsewhere(config: Data, path: Path) -> tuple[Dataset, Data]:
    if config.input == 'folder':
        raise UserError(
            '--reference: the inputs of the run are in a folder of their own, so that those of'
            ' other photos are not known; leave it out'
        )
    other = ConfigDict(config.to_dict())
    other.update(name='pairs', path=str(path), split='train', held_out=0.0, num_examples=0)
    try:
        return data.load(other), other
    except UserError as error:  # of a field that the user did not set
        raise UserError(str(error).replace('config.data.path', '--reference')) from None


class Assessed(NamedTuple):
    """The result of `measure`."""

    # fit for JSON: by split, `images`, `of`, `set`, `fingerprint`, and `scores`
    splits: dict[str, Any]
    # input, translation and photo of the first pairs of each split, uint8 [h, w, 3]
    picture: np.ndarray


def measure(
    run: Trained, sets: Sequence[Pairs], net: Callable[[], FeatureNet], progress: Progress
) -> Assessed:
    """Scores all pairs of a run.

    Args:
      net: makes the feature net of the Frechet distance, where there are `ENOUGH` pairs for one.
    """
    # Before the pairs are translated, which may take hours.
    feature_net = net() if any(part.count >= ENOUGH for part in sets) else None
    mean = pairs.mean_photo(sets[0])
    counted = itertools.count(1)

    def watched(part: Pairs) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for pair in part:
            yield pair
            progress.update(next(counted))

    splits: dict[str, dict[str, Any]] = {}
    strips: list[np.ndarray] = []
    translate = pairs.translating(translator_of(run.task), run.state)
    for part in sets:
        found = pairs.score(translate, watched(part), run.config.data, mean)
        splits[part.split] = _facts(part) | {'scores': found.scores}
        if feature_net and part.count >= ENOUGH:
            distance = metrics.measure(found.made, pairs.reference(part, feature_net), only=FRECHET)
            facts = feature_net.facts(nets.looked_through(run.config))
            splits[part.split] |= distance['figures'] | {'features': facts}
        strips.extend(found.strips)
    columns = 1 if len(strips) < SHOWN else 2
    return Assessed(splits, _shrunk(images.tile(np.stack(strips), columns), columns))


def _facts(part: Pairs) -> dict[str, Any]:
    dataset = part.dataset
    return {
        'images': part.count,
        'of': dataset.spec.num_examples,
        'set': part.name(),
        'fingerprint': dataset.fingerprint,
    }


def _shrunk(picture: np.ndarray, columns: int) -> np.ndarray:
    """So that no image of it is wider than WIDEST."""
    from PIL import Image

    width = WIDEST * 3 * columns
    if picture.shape[1] <= width * 1.1:
        return picture
    height = round(picture.shape[0] * width / picture.shape[1])
    image = Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(image)


def assess(
    run: Trained,
    workdir: Path,
    count: int,
    other: Path | None,
    net: Callable[[], FeatureNet],
) -> dict[str, Any]:
    """Measures a run, and writes evaluation.json and the picture into its folder.

    Returns:
      fit for JSON: run, step, seed, inference {moments, dropout, precision}, splits, notes.
    """
    sets = find(run, workdir, count, other)
    with Progress(sum(part.count for part in sets), 'evaluate', 'pair') as progress:
        measured = measure(run, sets, net, progress)
    own = run.config.translation
    found = {
        'run': str(run.config.name),
        'step': int(run.state.step),
        'seed': int(run.config.seed),
        'inference': {
            'moments': own.batch_statistics,
            'dropout': own.dropout,
            'precision': run.config.precision,
        },
        'splits': measured.splits,
        'notes': _notes(run.config.data, sets),
    }
    images.write_png(workdir / PICTURE, measured.picture)
    files.replace(workdir / RESULT, json.dumps(found, indent=2) + '\n')
    return found


def _notes(config: Data, sets: Sequence[Pairs]) -> list[str]:
    if not config.held_out or any(part.split == HELD_OUT for part in sets):
        return []
    count = sets[0].dataset.spec.num_examples
    return [f'of training pairs alone: {from_files.none_held_out(config, count)}']
