"""Metrics: functions of generated and real images. A new one is an entry of MEASUREMENTS."""

from collections.abc import Callable, Collection, Mapping
import dataclasses
import functools
import itertools
from typing import Any, NamedTuple

import numpy as np

from gan_jax.errors import UserError, nearest
from gan_jax.evaluation import (
    birthday,
    distances,
    leaks,
    neighbours,
    scores,
    sets,
    sliced,
    spectrum,
)
from gan_jax.pretrained import features
from gan_jax.types import Metric

COLLAPSED = 0.5  # diversity or spacing below which samples are flagged as collapsed
DUPLICATES = 1e-6  # of the mean distance: what rounding leaves between equal images, and more


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The images that metrics are functions of."""

    fake: sets.Measured  # generated images
    real: sets.Reference  # the reference
    training: sets.Reference | None  # the images trained on, None if they are not to be had
    missing: str = ''  # why they are not, where that is known

    @functools.cached_property
    def isolation(self) -> np.ndarray:
        """`neighbours.isolation` of the samples; needs the training images."""
        assert self.training is not None  # as who asks knows
        return neighbours.isolation(self.fake.features, self.training.shown_features)

    def equal_parts(self) -> list[tuple[sets.Part, sets.Part]]:
        """The smaller of reference and samples with parts of the larger: (real, fake)."""
        count = min(len(self.real), len(self.fake))
        return list(itertools.product(self.real.parts(count), self.fake.parts(count)))


def frechet(given: Comparison) -> dict[str, Any]:
    """The Frechet distance of the features."""
    value = distances.frechet(given.fake.moments, given.real.moments)
    return {f'frechet_{given.real.net.suffix}': value}


def kid(given: Comparison) -> dict[str, Any]:
    """The kernel distance of the features, and its spread over subsets."""
    name = f'kid_{given.real.net.suffix}'
    value, error = distances.kid(given.real.features, given.fake.features)
    return {name: value, f'{name}_std': error}


def manifold(given: Comparison) -> dict[str, Any]:
    """Precision, recall, density and coverage of the features.

    Neighbourhoods are the smaller, and the likelier to hold a sample, the more images there are, so
    equal numbers are compared: the mean over parts of the larger set.
    """
    found = [
        distances.manifold(real.features, fake.features, real.within, fake.within)
        for real, fake in given.equal_parts()
    ]
    means = map(float, np.mean(found, axis=0))
    return distances.Manifold(*means)._asdict()


def diversity(given: Comparison) -> dict[str, Any]:
    """How far samples lie from each other, over how far real images do.

    `diversity` compares the mean distance of all pairs, `spacing` the median distance to the
    nearest other, which also falls if a few images come again and again. Both are about 1 for
    samples as various as real images; below COLLAPSED either is flagged. A set of other size than
    the samples has other nearest distances, so equal numbers are compared. Where more than half of
    the real images have a duplicate there is no `spacing`.
    """
    real, fake = (part.within for part in given.equal_parts()[0])
    found = {'diversity': float(fake.mean / max(real.mean, 1e-12))}
    if (near := np.median(real.near[:, 0])) > DUPLICATES * real.mean:
        found['spacing'] = float(np.median(fake.near[:, 0]) / near)
    return found | {'collapsed': min(found.values()) < COLLAPSED}


def kinds(given: Comparison) -> dict[str, Any]:
    """How many distinct images the samples are of, and the same of the training images.

    Of the reference where these are not to be had. `kinds_pairs`, `kinds_real_pairs`: the pairs
    alike that say so; with none the number is a lower bound.
    """
    real = given.real if given.training is None else given.training
    fake = birthday.count(given.fake.reduced, real.radius)
    return {
        'kinds': fake.number,
        'kinds_pairs': fake.pairs,
        'kinds_real': real.kinds.number,
        'kinds_real_pairs': real.kinds.pairs,
    }


def memorisation(given: Comparison) -> dict[str, Any]:
    """How near samples are to the images trained on; {} without them.

    `memorisation`: the share of samples nearer to training images than to as many held-out ones;
    left out where none are held out. `copies`: the share whose nearest training image is so much
    nearer than others that it was copied.
    """
    if given.training is None:
        return {}
    found = {'copies': float((given.isolation < neighbours.COPY).mean())}
    if given.real.images.role != sets.TRAINING:
        found['memorisation'] = neighbours.memorisation(
            given.fake.features, given.training.views, given.real.views
        )
    return found


def swd(given: Comparison) -> dict[str, Any]:
    """The sliced Wasserstein distance of patches; {} for images smaller than its smallest level."""
    value = sliced.distance(given.fake.image, given.real.image)
    return {} if value is None else {'swd': value}


def noise(given: Comparison) -> dict[str, Any]:
    """Fine grain that real images do not have, in grey levels."""
    found = spectrum.compare(given.fake.grain, given.real.grain)
    return {'noise': found.noise, 'fine_power': found.ratio}


def classes(given: Comparison) -> dict[str, Any]:
    """Metrics of the feature net's own classes of the samples."""
    return dict(given.real.net.measure(given.fake.outputs))


class Measurement(NamedTuple):
    """A measurement, and the metrics that come of it."""

    # (what is compared) -> values by their keys, fit for JSON. Beside a metric's own key there may
    # be KEY_std, its spread, KEY_real, its value of real images, and KEY_pairs.
    compute: Callable[[Comparison], dict[str, Any]]
    metrics: Mapping[str, Metric]  # by their keys, without a net's suffix


def _distance(name: str, form: str) -> Metric:
    meaning = f'{name}, 0: the same distribution'
    return Metric(name, form, meaning, better=-1, suffixed=True, panel=name)


def _beside(name: str, meaning: str) -> Metric:
    return Metric(name, '{:.1%}', meaning, better=1, panel='Samples beside real images')


_MANIFOLD = {
    'precision': _beside('Precision', 'samples that look like real images'),
    'recall': _beside('Recall', 'real images that samples look like'),
    'density': Metric('Density', '{:.3f}', '1: as dense as real images', better=1),
    'coverage': Metric('Coverage', '{:.1%}', 'real images with a sample next to them', better=1),
}
_DIVERSITY = {
    'diversity': Metric('Diversity', '{:.3f}', 'mean distance, 1: as real images'),
    'spacing': Metric('Spacing', '{:.3f}', 'distance to the nearest other, 1: as real images'),
    'collapsed': Metric('Collapsed', '{}', 'diversity or spacing below 0.5'),
}
_KINDS = Metric('Kinds', '{:,.0f}', 'distinct images, by how many pairs are alike', by_net=False)
_MEMORISATION = {
    'copies': Metric('Copies', '{:.1%}', 'samples with one training image much nearer than others'),
    'memorisation': Metric('Memorisation', '{:.3f}', '0.5: none, 1: copies'),
}
_PATCHES = Metric('Patches', '{:.2f}', 'sliced Wasserstein distance x 1000, 0: the same', -1, False)
_GRAIN = {
    'noise': Metric('Pixel noise', '{:.2f}', 'grey levels of 255 above real images', -1, False),
    'fine_power': Metric('Fine detail', '{:.3f}', 'at high frequencies, 1: as real', by_net=False),
}
_CLASSES = {key: metric for net in features.NETS.values() for key, metric in net.metrics.items()}

# By what `config.evaluate.metrics` calls them.
MEASUREMENTS: Mapping[str, Measurement] = {
    'frechet': Measurement(frechet, {'frechet': _distance('Frechet distance', '{:.4g}')}),
    'kid': Measurement(kid, {'kid': _distance('Kernel distance', '{:.3g}')}),
    'manifold': Measurement(manifold, _MANIFOLD),
    'diversity': Measurement(diversity, _DIVERSITY),
    'kinds': Measurement(kinds, {'kinds': _KINDS}),
    'memorisation': Measurement(memorisation, _MEMORISATION),
    'swd': Measurement(swd, {'swd': _PATCHES}),
    'noise': Measurement(noise, _GRAIN),
    'classes': Measurement(classes, _CLASSES),
}

# All metrics of samples, by their keys without a net's suffix.
METRICS: Mapping[str, Metric] = {
    **{key: metric for made in MEASUREMENTS.values() for key, metric in made.metrics.items()},
    **leaks.METRICS,
}


HELD_OUT = '_held_out'  # follows the names of what is measured on held-out images
PAIRS = 'pairs'  # what the scores of a translator's pairs are made by, which is no metric

# Metrics that can choose between states of a run, without the net's suffix: what they are made by,
# and 1 where less is better, -1 where more is. Each net has its own of those of its classes.
RANKED: Mapping[str, tuple[str, int]] = {
    key: (made, -metric.better)
    for made, metrics in (
        *((name, made.metrics) for name, made in MEASUREMENTS.items()),
        (PAIRS, scores.METRICS),
    )
    for key, metric in metrics.items()
    if metric.better
}


def ranked(name: str) -> tuple[str, int] | None:
    """The entry of RANKED for a metric, with or without a net's suffix and HELD_OUT; None: none."""
    name = name.removesuffix(HELD_OUT)
    return RANKED.get(name) or RANKED.get(name.split('_')[0])


def measure(
    image: np.ndarray,
    reference: sets.Reference,
    training: sets.Reference | None = None,
    only: Collection[str] = (),
) -> dict[str, Any]:
    """Measures generated images against real ones.

    Args:
      image: uint8 [N, H, W, C].
      reference: real images, under the feature net to use.
      training: the images trained on, under the same net; None leaves out the memorisation.
      only: keys of MEASUREMENTS; empty: all.

    Returns:
      fit for JSON: features, reference and samples, with which every metric is to be shown,
      metrics (by name), real: those of the net's classes that the reference itself has, and notes:
      what a reader of these metrics should know.

    Raises:
      UserError: images of other shapes, types, or too few of them.
    """
    return compare(Comparison(sets.Measured(image, reference.net), reference, training), only)


def compare(given: Comparison, only: Collection[str] = ()) -> dict[str, Any]:
    """`measure` of what may be used again: see there."""
    _check(given, only)
    found: dict[str, Any] = {}
    for name in only or MEASUREMENTS:
        found |= MEASUREMENTS[name].compute(given)
    return {
        'features': given.real.net.facts(),
        'reference': given.real.images.facts(),
        'samples': len(given.fake),
        'figures': found,
        'real': classes(dataclasses.replace(given, fake=given.real)),
        'notes': _notes(given) + _notes_on_diversity(found),
    }


def _check(given: Comparison, only: Collection[str]) -> None:
    fake, real = given.fake.image, given.real.image
    for name in only:
        if name not in MEASUREMENTS:
            raise UserError(f'no metric {name!r}: {nearest(name, MEASUREMENTS)}')
    if fake.dtype != np.uint8:
        raise UserError(f'images of {fake.dtype}: give them as uint8, 0 to 255')
    if fake.shape[1:] != real.shape[1:]:
        raise UserError(
            f'--reference: {given.real.images.name} has images of {_size(real)}, and the samples'
            f' have {_size(fake)}: give images of that size'
        )
    check_numbers(len(fake), given.real)


def check_numbers(samples: int, real: sets.Reference) -> None:
    """Refuses what cannot be compared, before any sample is made.

    Raises:
      UserError: too few of either, or real images without a difference.
    """
    if samples < distances.FEWEST:
        raise UserError(
            f'--num_samples={samples}: the distances need at least {distances.FEWEST} samples'
        )
    if len(real) < distances.FEWEST:
        raise UserError(
            f'--reference: {real.images.name} has {len(real)} images, and the distances need'
            f' at least {distances.FEWEST}: give a larger set'
        )
    if all(np.array_equal(image, real.image[0]) for image in real.image):
        raise UserError(
            f'--reference: {real.images.name} has {len(real)} images that are all the same, and'
            ' distances between samples are measured by theirs: give different ones'
        )


def _known(real: sets.Reference, training: sets.Reference) -> int:
    """Images of the reference that are training images, to the last bit."""
    known = {image.tobytes() for image in training.image}
    return sum(image.tobytes() in known for image in real.image)


def _size(image: np.ndarray) -> str:
    return 'x'.join(map(str, image.shape[1:]))


def _notes(given: Comparison) -> list[str]:
    notes = []
    dimensions = given.real.features.shape[1]
    few = min(len(given.real), len(given.fake))
    if few <= dimensions:
        notes.append(
            f'{few:,} images are no more than the {dimensions:,} dimensions of the features:'
            ' compare the Frechet distance only with others of the same reference and number of'
            ' samples'
        )
    if given.real.images.role == sets.TRAINING:
        notes.append(
            'measured against the images it was trained on, for want of others: a model that'
            ' copies them looks perfect but for the share of copies, and its memorisation cannot'
            ' be told'
        )
    elif given.training is None:
        why = f' ({given.missing})' if given.missing else ''
        notes.append(
            f'without the training images neither copies nor memorisation can be told{why}'
        )
    elif known := _known(given.real, given.training):
        notes.append(
            f'{known:,} images of the reference are among the training images: the memorisation'
            ' is no longer what it says'
        )
    elif given.training.images.total > len(given.real):
        ceiling = 0.5 + 0.5 * len(given.real) / given.training.images.total
        notes.append(
            f'{given.training.images.total:,} training images against {len(given.real):,} others:'
            f' the memorisation of a model that only copies would be about {ceiling:.2f}'
        )
    return notes + _notes_on_training(given)


def _notes_on_training(given: Comparison) -> list[str]:
    if given.training is None:
        return []
    notes = []
    if given.real.images.role == sets.CHOSEN:
        notes.append(
            'the memorisation presumes reference images of the same kind as the training images:'
            ' beside others it is high although nothing is copied'
        )
    if len(given.training) < given.training.images.total:
        notes.append(
            f'{len(given.training):,} of {given.training.images.total:,} training images were'
            ' looked at: copies of the others are not found'
        )
    return notes


def _notes_on_diversity(found: Mapping[str, Any]) -> list[str]:
    notes = []
    if 'diversity' in found and 'spacing' not in found:
        notes.append('more than half of the real images are exact duplicates: spacing is left out')
    if found.get('collapsed') and 'precision' in found:
        notes.append(
            'the samples have collapsed: precision and density mean little then, as all of them may'
            ' lie in the wide neighbourhood of one outlying real image'
        )
    return notes
