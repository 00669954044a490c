"""A translator measured on pairs: those it was trained on, held-out ones, and another domain's.

Every translation is by the run's own function, one image at a time, as in its previews and by
`gan-jax translate`. Beside it stand two that need no training: the input itself, and the mean of
the training photos.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
import itertools
import json
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict
import numpy as np

from gan_jax import data, files, images, runs
from gan_jax.data import albums, inputs, views
from gan_jax.data.sources import Dataset
from gan_jax.errors import UserError
from gan_jax.evaluation import figures, scores
from gan_jax.evaluation.feature_net import FeatureNet
from gan_jax.evaluation.sets import ImageSet, Reference
from gan_jax.progress import Progress
from gan_jax.trained import Trained

TRAIN, HELD_OUT, OTHER = 'train', 'held_out', 'other_domain'  # splits
MADE, INPUT, MEAN = 'translated', 'input', 'mean_photo'  # what is compared with the photo
RESULT, PICTURE = 'evaluation.json', 'translations.png'  # in a workdir
SHOWN = 4  # pairs of each split in it
WIDEST = 256  # pixels of an image in it
CHUNK = 16  # pairs that are read at once
ENOUGH = 2_048  # pairs from which a Frechet distance is worth its name
FRECHET = ('frechet',)


class Pairs(NamedTuple):
    """Pairs to measure on.

    Attributes:
      split: TRAIN, HELD_OUT or OTHER.
      dataset: of both panels side by side.
      config: the `config.data` it was loaded by.
      count: how many of them, from the first on.
    """

    split: str
    dataset: Dataset
    config: ConfigDict
    count: int

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Inputs and photos, uint8 [H, W, 3], without augmentation."""
        for start in range(0, self.count, CHUNK):
            index = np.arange(start, min(start + CHUNK, self.count))
            batch = self.dataset.source.take(index)
            for pair in views.centred(self.config, np.asarray(batch.image), panels=2):
                given, photo = np.split(pair, 2, axis=1)
                yield given, photo


def find(run: Trained, workdir: Path, count: int, other: str) -> list[Pairs]:
    """The pairs of a run, and those that its kind of input makes of the photos in a folder.

    Args:
      run: the trained translator.
      workdir: its folder.
      count: pairs of each split at most.
      other: a folder, a .zip or an image of another domain; '' for none.

    Raises:
      UserError: images are not to be had, or inputs cannot be made from photos alone.
    """
    config = run.config.data
    training = data.load(config)
    runs.refuse_other_data(workdir, run.config, training.fingerprint)
    sets = {TRAIN: (training, config)}
    if (test := data.held_out(config, training)) is not None:
        sets[HELD_OUT] = test, config
    if other:
        sets[OTHER] = _elsewhere(config, other)
    return [
        Pairs(split, dataset, own, min(count, dataset.spec.num_examples))
        for split, (dataset, own) in sets.items()
    ]


def _elsewhere(config: ConfigDict, path: str) -> tuple[Dataset, ConfigDict]:
    if config.input == 'folder':
        raise UserError(
            '--reference: the inputs of the run are in a folder of their own, so that those of'
            ' other photos are not known; leave it out'
        )
    config = ConfigDict(config.to_dict())
    config.update(name='pairs', path=path, split='train', held_out=0.0, num_examples=0)
    try:
        return data.load(config), config
    except UserError as error:  # of a field that the user did not set
        raise UserError(str(error).replace('config.data.path', '--reference')) from None


class Scored(NamedTuple):
    """What `score` found.

    Attributes:
      scores: name -> mean score, of each of MADE, INPUT and MEAN, fit for JSON.
      made: the translations, uint8 [N, H, W, 3].
      strips: input, translation and photo of the first `SHOWN`, uint8 [n, H, 3 W, 3].
    """

    scores: dict[str, dict[str, float | None]]
    made: np.ndarray
    strips: np.ndarray


def score(run: Trained, pairs: Iterable[tuple[np.ndarray, np.ndarray]], mean: np.ndarray) -> Scored:
    """Translates inputs one by one, and compares with their photos.

    Args:
      run: the trained translator.
      pairs: inputs and photos, uint8 [H, W, 3].
      mean: the mean training photo.
    """
    translator = run.task.translator
    variables = translator.variables(run.state)
    rows, made, strips = [], [], []
    for given, photo in pairs:
        made.append(translator.translate(variables, given))
        candidates = {MADE: made[-1], INPUT: given, MEAN: mean}
        rows.append(_scores(candidates, given, photo, run.config.data))
        if len(made) <= SHOWN:
            strips.append(np.concatenate([given, made[-1], photo], axis=1))
    return Scored(_means(rows), np.stack(made), np.stack(strips))


class Measured(NamedTuple):
    """What `measure` found.

    Attributes:
      splits: fit for JSON: by split, `images`, `of`, `set`, `fingerprint`, and `scores`.
      picture: input, translation and photo of the first pairs of each split, uint8 [h, w, 3].
    """

    splits: dict[str, Any]
    picture: np.ndarray


def measure(
    run: Trained, sets: Sequence[Pairs], net: Callable[[], FeatureNet], progress: Progress
) -> Measured:
    """Scores all pairs of a run.

    Args:
      run: the trained translator.
      sets: `find` of it.
      net: makes the feature net of the Frechet distance, where there are `ENOUGH` pairs for one.
      progress: of all pairs.
    """
    # Before the pairs are translated, which may take hours.
    feature_net = net() if any(pairs.count >= ENOUGH for pairs in sets) else None
    mean = mean_photo(sets[0])
    counted = itertools.count(1)

    def watched(pairs: Pairs) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for pair in pairs:
            yield pair
            progress.update(next(counted))

    splits, strips = {}, []
    for pairs in sets:
        found = score(run, watched(pairs), mean)
        splits[pairs.split] = _facts(pairs) | {'scores': found.scores}
        if pairs.count >= ENOUGH:
            distance = figures.measure(found.made, _reference(pairs, feature_net), only=FRECHET)
            splits[pairs.split] |= distance['figures'] | {'features': distance['features']}
        strips.extend(found.strips)
    columns = 1 if len(strips) < SHOWN else 2
    return Measured(splits, _shrunk(images.tile(np.stack(strips), columns), columns))


def _reference(pairs: Pairs, net: FeatureNet) -> Reference:
    photos = np.stack([photo for _, photo in pairs])
    name, fingerprint = f'photos of {_name(pairs)}', pairs.dataset.fingerprint
    return Reference(ImageSet(name, pairs.split, fingerprint, pairs.count, photos), net)


def edges_of(given: np.ndarray, config: ConfigDict) -> np.ndarray:
    """The edges of an input, bool [H, W]: of edges themselves, else Canny's."""
    if config.input == 'canny':
        return given[..., 0] > 127
    return inputs.canny(given, *inputs.thresholds(config.canny))[..., 0] > 0


def _scores(
    candidates: Mapping[str, np.ndarray], given: np.ndarray, photo: np.ndarray, config: ConfigDict
) -> dict[str, dict[str, float]]:
    """The scores of each candidate for a pair."""
    edges, thresholds = edges_of(given, config), inputs.thresholds(config.canny)
    return {
        name: {key: score.of(image, photo) for key, score in scores.SCORES.items()}
        | {scores.EDGES: scores.edge_agreement(image, edges, thresholds)}
        for name, image in candidates.items()
    }


def _means(rows: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float | None]]:
    """The means over images; None for what no image has, or for infinite PSNR."""

    def mean(name: str, score: str) -> float | None:
        value = float(np.mean([row[name][score] for row in rows]))
        return value if np.isfinite(value) else None

    return {name: {score: mean(name, score) for score in rows[0][name]} for name in rows[0]}


def mean_photo(pairs: Pairs) -> np.ndarray:
    """The mean of the photos, the one image that is nearest to all of them; uint8 [H, W, 3]."""
    total = 0.0
    for _, photo in pairs:
        total = total + photo.astype(np.float64)
    return np.rint(total / pairs.count).astype(np.uint8)


def _facts(pairs: Pairs) -> dict[str, Any]:
    dataset = pairs.dataset
    return {
        'images': pairs.count,
        'of': dataset.spec.num_examples,
        'set': _name(pairs),
        'fingerprint': dataset.fingerprint,
    }


def _name(pairs: Pairs) -> str:
    """Of the set: of another domain's the path, as a reference of samples has."""
    if pairs.split == OTHER:
        return str(Path(pairs.config.path))
    return f'{pairs.dataset.name}, split {pairs.dataset.split}'


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
    other: str,
    net: Callable[[], FeatureNet],
) -> dict[str, Any]:
    """Measures a run, and writes evaluation.json and the picture into its folder.

    Args:
      run: the trained translator.
      workdir: its folder.
      count, other: see `find`.
      net: see `measure`.

    Returns:
      fit for JSON: run, step, seed, inference {moments, dropout, precision}, splits, notes.
    """
    sets = find(run, workdir, count, other)
    with Progress(sum(pairs.count for pairs in sets), 0, 'evaluate', 'pair') as progress:
        measured = measure(run, sets, net, progress)
    own = run.config.translation
    found = {
        'run': str(run.config.name),
        'step': int(run.state.step),
        'seed': int(run.config.seed),
        'inference': {
            'moments': own.moments,
            'dropout': own.dropout,
            'precision': run.config.precision,
        },
        'splits': measured.splits,
        'notes': _notes(run.config.data, sets),
    }
    images.write_png(workdir / PICTURE, measured.picture)
    files.replace(workdir / RESULT, json.dumps(found, indent=2) + '\n')
    return found


def _notes(config: ConfigDict, sets: Sequence[Pairs]) -> list[str]:
    if not config.held_out or any(pairs.split == HELD_OUT for pairs in sets):
        return []
    count = sets[0].dataset.spec.num_examples
    return [f'of training pairs alone: {albums.none_held_out(config, count)}']
