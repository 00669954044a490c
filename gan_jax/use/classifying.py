"""Classes of images by a trained classifier, and how far its confidence can be trusted."""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict

import chex
import jax
import numpy as np
from PIL import Image

from gan_jax import data
from gan_jax.data import classes, decode, image_files, looks, parallel, views
from gan_jax.data.datasets import Dataset
from gan_jax.errors import UserError
from gan_jax.io import files
from gan_jax.io.schema import Count, Positive, Share
from gan_jax.states import GanState
from gan_jax.use.trained import Trained

RESULT = 'classification.json'  # in a workdir
CHUNK = 128  # images in one call, so that memory does not grow with their number
BINS = 10  # of confidence, in a calibration


class Bin(TypedDict):
    """Answers of about the same confidence."""

    count: Positive
    confidence: Share
    accuracy: Share


class Subject(TypedDict):
    """The labelled images."""

    name: str
    split: str
    images: Positive
    fingerprint: str


class Classification(TypedDict):
    """classification.json; see `evaluate`."""

    step: Count
    data: Subject
    accuracy: Share
    classes: Mapping[str, Share]
    attributes: NotRequired[Mapping[str, Share]]
    calibration_error: Share
    calibration: tuple[Bin, ...]


class Classifier:
    """Probabilities by a trained run, a chunk of images at a time."""

    def __init__(self, run: Trained):
        """Takes the run.

        Raises:
          UserError: it has no classifier.
        """
        classifier = run.task.classifier
        if classifier is None:
            raise UserError(
                f'config.task={run.config.task} of the run trains no classifier: give the --workdir'
                ' of a run of sgan_mnist or sgan_folder'
            )
        self._run = run

        def call(state: GanState, image: jax.Array) -> tuple[jax.Array, jax.Array]:
            logits, features = classifier(state, image)
            return jax.nn.softmax(logits), features

        self._call = jax.jit(call)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Probabilities of each class, float32 [N, K], for images as stored, uint8 [N, H, W, C]."""
        return self.with_features(image)[0]

    def with_features(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same, and what the last layer sees, float32 [N, F]."""
        found = []
        for start in range(0, len(image), CHUNK):
            # The last call is filled up with the first images, so that one program serves all.
            index = np.arange(start, start + CHUNK) % len(image)
            part = views.centred(self._run.config.data, image[index])
            outputs = jax.device_get(self._call(self._run.state, part))
            found.append([leaf[: len(image) - start] for leaf in outputs])
        probability, features = map(np.concatenate, zip(*found, strict=True))
        return probability, features


class Answer(NamedTuple):
    """A classifier's answer about an image."""

    name: str  # of the most probable class
    confidence: float  # its probability
    # of the image, beside what the run learned: `looks.NEGATIVE`, `looks.UNLIKE` or ''
    look: str
    probability: np.ndarray  # of each class, float32 [K]
    features: np.ndarray  # what the last layer sees, float32 [F]


class Picture(NamedTuple):
    """An image to classify."""

    image: np.ndarray  # as the run's images are stored, uint8 [H, W, C]
    look: str  # see `Answer`


def classify_files(
    run: Trained, album: image_files.ImageFolder, *, turn: bool = False
) -> Iterator[tuple[str, Answer | decode.Unreadable]]:
    """Classifies each image file, in the order of their names.

    Args:
      album: read from other threads while answers are given.
      turn: whether negatives of what the run learned become positives first.

    Yields:
      the file's name in the folder, and the answer, or why there is none.

    Raises:
      UserError: the run has no classifier, or negatives cannot be told.
    """
    classifier = Classifier(run)
    if turn:
        check_negatives(run, '--invert=auto')

    def read(index: int) -> Picture | decode.Unreadable:
        try:
            return _picture(album.read(index), run, turn)
        except decode.Unreadable as error:
            return error

    images = zip(album.names, parallel.ordered_map(read, range(len(album))), strict=True)
    while chunk := list(itertools.islice(images, CHUNK)):
        whole = [found.image for _, found in chunk if isinstance(found, Picture)]
        seen = classifier.with_features(np.stack(whole)) if whole else ((), ())
        answers = zip(*seen, strict=True)
        for name, found in chunk:
            if isinstance(found, Picture):
                probability, features = next(answers)
                best = int(probability.argmax())
                label, sure = run.class_names[best], float(probability[best])
                answer = Answer(label, sure, found.look, probability, features)
                yield image_files.shown(name), answer
            else:
                yield image_files.shown(name), found


def check_negatives(run: Trained, flag: str) -> None:
    """Raises UserError if negatives of what the run learned cannot be told, by `flag` asked for."""
    if not _ground(run):
        raise UserError(
            f'{flag}: the run did not note that its images lie on one ground, dark or light,'
            ' so that negatives cannot be told: leave it out'
        )


def _ground(run: Trained) -> looks.Look | None:
    """How the run's images look, if negatives can be told from them."""
    opaque = run.image_shape[2] != decode.CHANNELS['rgba']
    return run.look if run.look and run.look.is_ground and opaque else None


def _picture(content: bytes, run: Trained, turn: bool) -> Picture:
    """`picture` of an image file."""
    config = run.config.data
    least = 0 if config.crop else max(run.image_shape[:2]) + config.jitter
    return picture(decode.read(content, least, channels=channels(run)), run, turn)


def channels(run: Trained) -> int:
    """How many channels of a file are read to judge it: alpha too, if the run's images have it."""
    return max(run.image_shape[2], 3)


def picture(image: Image.Image, run: Trained, turn: bool) -> Picture:
    """An image, RGB or RGBa of any size, as the run's images are stored, and how it looks.

    With `turn` a negative of what the run learned becomes a positive.
    """
    config, shape = run.config.data, run.image_shape
    size = shape[0] + config.jitter, shape[1] + config.jitter
    look = ''
    if ground := _ground(run):
        seen = decode.fitted(image, size, config.crop)
        look = looks.judge(ground, looks.of(seen[None]))
    mode = decode.MODES[shape[2]]
    kept = image if image.mode == mode else image.convert(mode)
    stored = decode.fitted(kept, size, config.crop)
    return Picture(255 - stored if turn and look == looks.NEGATIVE else stored, look)


def remarks(
    run: Trained, odd: Sequence[tuple[str, str]], count: int, turned: bool, remedy: str
) -> Iterator[str]:
    """Remarks on pictures that look otherwise than what the run learned."""
    for kind in (looks.NEGATIVE, looks.UNLIKE):
        names = [name for look, name in odd if look == kind]
        if not names:
            continue
        some = f'{len(names)} of {count} images, such as {names[0]},'
        learned = f'what the run learned ({run.look})'
        if kind == looks.UNLIKE:
            yield f'warning: {some} look unlike {learned}: their classes mean nothing'
        elif turned:
            yield f'turned {some} which looked like negatives of {learned}'
        else:
            yield f'warning: {some} look like negatives of {learned}: {remedy} turns them'


def labelled_split(run: Trained, split: str) -> Dataset:
    """A split of the run's data with all its labels, or those kept for 'validation'.

    Raises:
      UserError: there is no such split.
    """
    if split == 'validation':
        return data.validation(run.config.data)
    try:
        return data.whole(run.config.data, split)
    except UserError as error:  # of a field that the user did not set
        raise UserError(str(error).replace('config.data.split', '--split')) from None


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Confidence against accuracy, in `BINS` equal intervals of confidence."""

    count: np.ndarray  # int64 [BINS], images in each
    confidence: np.ndarray  # float64 [BINS], their mean highest probability; NaN in an empty one
    accuracy: np.ndarray  # float64 [BINS], the share that is right; NaN in an empty one

    @property
    def error(self) -> float:
        """The expected calibration error: the mean of |accuracy - confidence| over images.

        Guo et al. 2017, arXiv:1706.04599, eq. 3.
        """
        filled = self.count > 0
        gap = np.abs(self.accuracy - self.confidence)[filled]
        return float(gap @ self.count[filled] / self.count.sum())


def calibrate(probability: np.ndarray, label: np.ndarray) -> Calibration:
    """Compares what a classifier says, float [N, K], with what is right, int [N]."""
    chex.assert_equal_shape_prefix([probability, label], 1)
    confidence = probability.max(axis=1).astype(np.float64)
    right = probability.argmax(axis=1) == label
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    count = np.bincount(place, minlength=BINS)
    with np.errstate(invalid='ignore'):
        return Calibration(
            count,
            np.bincount(place, confidence, BINS) / count,
            np.bincount(place, right, BINS) / count,
        )


def evaluate(run: Trained, dataset: Dataset) -> dict[str, Any]:
    """How right the classifier is on those images that have a label.

    Returns:
      fit for JSON: step, data {name, split, images, fingerprint}, accuracy, classes (name ->
      share of its images that are recognised), attributes where classes are combinations of such
      (name -> share of the images of which it is told right), calibration_error, and calibration,
      the bins that are not empty: {count, confidence, accuracy}.

    Raises:
      UserError: the run has no classifier, or the set other classes, or no labels.
    """
    probability, label = of_labelled(run, dataset)
    answer = probability.argmax(axis=1)
    right = answer == label
    bins = calibrate(probability, label)
    told = np.equal(*(classes.has(number, len(dataset.attributes)) for number in (answer, label)))
    attributes = dict(zip(dataset.attributes, told.mean(axis=0).tolist(), strict=True))
    return {
        'step': int(run.state.step),
        'data': {
            'name': dataset.name,
            'split': dataset.split,
            'images': len(label),
            'fingerprint': dataset.fingerprint,
        },
        'accuracy': float(right.mean()),
        'classes': {
            name: float(right[label == number].mean())
            for number, name in enumerate(dataset.class_names)
            if (label == number).any()
        },
        **({'attributes': attributes} if attributes else {}),
        'calibration_error': bins.error,
        'calibration': [
            {'count': int(n), 'confidence': float(c), 'accuracy': float(a)}
            for n, c, a in zip(bins.count, bins.confidence, bins.accuracy, strict=True)
            if n
        ],
    }


def of_labelled(run: Trained, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of those images that have a label, float32 [N, K], and it, int32 [N].

    Raises:
      UserError: the run has no classifier, or the set other classes, or no labels.
    """
    if dataset.class_names != run.class_names:
        raise UserError(
            f'config.data: the images of split {dataset.split!r} have other classes'
            f' ({_some(dataset.class_names)}) than the run learned ({_some(run.class_names)})'
        )
    image, label = dataset.arrays()
    known = label >= 0
    if not known.any():
        raise UserError(
            f'--split={dataset.split}: none of its {len(label)} images has a label; sort some of'
            ' them into the folders of their classes, or take another split'
        )
    return Classifier(run)(image[known]), label[known]


def write(workdir: Path, found: dict[str, Any]) -> None:
    """Writes what `evaluate` found into the run's folder, for the report."""
    files.replace(workdir / RESULT, json.dumps(found, indent=2) + '\n')


def _some(names: tuple[str, ...]) -> str:
    return ', '.join(names[:5]) + (', ...' if len(names) > 5 else '') or 'none'
