"""What a trained classifier says of images, and how far its confidence can be trusted."""

from typing import Any, NamedTuple

import chex
import jax
import numpy as np

from gan_jax.data import views
from gan_jax.data.sources import Dataset
from gan_jax.errors import UserError
from gan_jax.trained import Trained

CHUNK = 256  # images in one call, so that memory does not grow with their number
BINS = 10  # of confidence, in a calibration


def probabilities(run: Trained, image: np.ndarray) -> np.ndarray:
    """The probability of each class, float32 [N, K], of images as stored, uint8 [N, H, W, C].

    Raises:
      UserError: the run has no classifier.
    """
    if run.task.classifier is None:
        raise UserError(
            f'config.task={run.config.task} of the run trains no classifier: give the --workdir of'
            ' a run of sgan_mnist or sgan_folder'
        )
    call = jax.jit(lambda state, x: jax.nn.softmax(run.task.classifier(state, x)))
    size = min(CHUNK, len(image))
    found = []
    for start in range(0, len(image), size):
        # The last call is filled up with the first images, so that one program serves all.
        index = np.arange(start, start + size) % len(image)
        part = views.centred(run.config.data, image[index])
        found.append(np.asarray(call(run.state, part))[: len(image) - start])
    return np.concatenate(found)


class Calibration(NamedTuple):
    """Confidence against accuracy, in `BINS` equal intervals of confidence.

    Attributes:
      count: int64 [BINS], images in each.
      confidence: float64 [BINS], their mean highest probability; NaN in an empty one.
      accuracy: float64 [BINS], the share that is right; NaN in an empty one.
    """

    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

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
    """How right the classifier is on labelled images.

    Args:
      run: the trained classifier.
      dataset: with labels; images without one are left out.

    Returns:
      fit for JSON: step, data {name, split, images, fingerprint}, accuracy, classes (name ->
      share of its images that are recognised), calibration_error, and calibration, the bins
      that are not empty: {count, confidence, accuracy}.

    Raises:
      UserError: the run has no classifier, or the set other classes.
    """
    if dataset.class_names != run.class_names:
        raise UserError(
            f'config.data: the images of split {dataset.split!r} have other classes'
            f' ({_some(dataset.class_names)}) than the run learned ({_some(run.class_names)})'
        )
    image, label = dataset.arrays()
    known = label >= 0
    label = label[known]
    probability = probabilities(run, image[known])
    right = probability.argmax(axis=1) == label
    bins = calibrate(probability, label)
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
        'calibration_error': bins.error,
        'calibration': [
            {'count': int(n), 'confidence': float(c), 'accuracy': float(a)}
            for n, c, a in zip(*bins, strict=True)
            if n
        ],
    }


def _some(names: tuple[str, ...]) -> str:
    return ', '.join(names[:5]) + (', ...' if len(names) > 5 else '') or 'none'
