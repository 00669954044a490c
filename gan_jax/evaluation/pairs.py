"""Pairs, and the scores of a translator on them.

Every translation is by the run's own function, one image at a time, as in its previews and by
`gan-jax translate`. Beside it stand two that need no training: the input itself, and the mean of
the training photos.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
import dataclasses
import functools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gan_jax.data import inputs, views
from gan_jax.data.datasets import Dataset
from gan_jax.evaluation import distances, metrics, scores
from gan_jax.evaluation import sets as image_sets
from gan_jax.evaluation.sets import ImageSet, Measured, Reference
from gan_jax.fields import Data
from gan_jax.io import paths
from gan_jax.pretrained.feature_net import FeatureNet
from gan_jax.states import GanState, Translator

TRAIN, HELD_OUT, OTHER = 'train', 'held_out', 'other_domain'  # splits
MADE, INPUT, MEAN = 'translated', 'input', 'mean_photo'  # what is compared with the photo
SHOWN = 4  # pairs of each split in a picture
CHUNK = 16  # pairs that are read at once
ROLES = {
    TRAIN: image_sets.TRAINING,
    HELD_OUT: image_sets.HELD_OUT,
    OTHER: image_sets.CHOSEN,
}
Translate = Callable[[np.ndarray], np.ndarray]  # uint8 [H, W, 3] -> uint8 [H, W, 3]


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Pairs to measure on."""

    split: str  # TRAIN, HELD_OUT or OTHER
    dataset: Dataset  # of both panels side by side
    config: Data  # the `config.data` it was loaded by
    count: int  # how many of them, from the first on

    def name(self) -> str:
        """The set's display name; for photos of --reference, their path."""
        if self.split == OTHER:
            return paths.shown(Path(self.config.path))
        return f'{self.dataset.name}, split {self.dataset.split}'

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Inputs and photos, uint8 [H, W, 3], without augmentation."""
        for start in range(0, self.count, CHUNK):
            index = np.arange(start, min(start + CHUNK, self.count))
            batch = self.dataset.source.take(index)
            for pair in views.centred(self.config, np.asarray(batch.image), panels=2):
                given, photo = np.split(pair, 2, axis=1)
                yield given, photo


class Scored(NamedTuple):
    """The result of `score`."""

    # name -> mean score, of each of MADE, INPUT and MEAN, fit for JSON
    scores: dict[str, dict[str, float | None]]
    made: np.ndarray  # the translations, uint8 [N, H, W, 3]
    strips: np.ndarray  # input, translation and photo of the first `SHOWN`, uint8 [n, H, 3 W, 3]


def translating(translator: Translator, state: GanState) -> Translate:
    """A state's translator, as a function of images alone."""
    return functools.partial(translator.translate, translator.variables(state))


def score(
    translate: Translate,
    pairs: Iterable[tuple[np.ndarray, np.ndarray]],
    config: Data,
    mean: np.ndarray | None = None,
) -> Scored:
    """Translates inputs one by one, and compares with their photos.

    Args:
      pairs: inputs and photos, uint8 [H, W, 3].
      mean: the mean training photo; None scores the translations alone.
    """
    rows, made, strips = [], [], []
    for given, photo in pairs:
        made.append(translate(given))
        others = {} if mean is None else {INPUT: given, MEAN: mean}
        rows.append(_scores({MADE: made[-1], **others}, given, photo, config))
        if len(made) <= SHOWN:
            strips.append(np.concatenate([given, made[-1], photo], axis=1))
    return Scored(_means(rows), np.stack(made), np.stack(strips))


def photos(pairs: Pairs) -> ImageSet:
    """The photos that the inputs should become."""
    name, fingerprint = f'photos of {pairs.name()}', pairs.dataset.fingerprint
    image = np.stack([photo for _, photo in pairs])
    return ImageSet(name, ROLES[pairs.split], fingerprint, pairs.dataset.spec.num_examples, image)


def reference(pairs: Pairs, net: FeatureNet) -> Reference:
    """The photos, under a feature net."""
    return Reference(photos(pairs), net)


def observer(
    translator: Translator,
    sets: Mapping[str, Pairs],
    config: Data,
    net: FeatureNet | None,
    only: Sequence[str],
) -> Callable[[GanState], dict[str, float]]:
    """Measures a translator while it trains.

    Args:
      sets: pairs, by what follows the names of their scores.
      only: keys of `metrics.MEASUREMENTS`, of the translations against the photos, by the net.

    Returns:
      state -> of each set the scores of its translations, their metrics, and `distance`.
    """
    real = {suffix: reference(pairs, net) for suffix, pairs in sets.items()} if net else {}

    def measure(state: GanState) -> dict[str, float]:
        found: dict[str, float] = {}
        for suffix, pairs in sets.items():
            scored = score(translating(translator, state), pairs, config)
            values: dict[str, Any] = dict(scored.scores[MADE])
            if suffix in real:
                values |= _by_features(scored.made, real[suffix], only)
            numbers = {n: v for n, v in values.items() if isinstance(v, int | float)}
            found |= {f'{name}{suffix}': value for name, value in numbers.items()}
        return found

    return measure


def _by_features(made: np.ndarray, real: Reference, only: Sequence[str]) -> dict[str, Any]:
    fake = Measured(made, real.net)
    found = metrics.compare(metrics.Comparison(fake, real, None), only)['figures'] if only else {}
    if len(made) > 1:
        found |= {f'distance_{real.net.suffix}': distance(fake.features, real.features)}
    return found


def distance(made: np.ndarray, photo: np.ndarray) -> float:
    """How far translations are from their photos, over how far these are from each other.

    1: as far as any other photo. By features, float [N, D] of both in one order, N above 1: unlike
    by pixels, mud is no nearer than a cat of another colour.
    """
    own = np.linalg.norm(made - photo, axis=1).mean()
    return float(own / distances.within(photo).mean)


def edges_of(given: np.ndarray, config: Data) -> np.ndarray:
    """The edges of an input, bool [H, W]: of edges themselves, else Canny's."""
    if config.input == 'canny':
        return given[..., 0] > 127
    return inputs.canny(given, *inputs.thresholds(config.canny))[..., 0] > 0


def _scores(
    candidates: Mapping[str, np.ndarray], given: np.ndarray, photo: np.ndarray, config: Data
) -> dict[str, dict[str, float]]:
    """The scores of each candidate for a pair."""
    goal = scores.Goal(photo, edges_of(given, config), inputs.thresholds(config.canny))
    return {
        name: {key: score.of(image, goal) for key, score in scores.SCORES.items()}
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
    total: np.ndarray = np.zeros(())
    for _, photo in pairs:
        total = total + photo.astype(np.float64)
    return np.rint(total / pairs.count).astype(np.uint8)
