"""When to stop a supervised run: by the labels of its own budget that it was not trained on."""

import json
from pathlib import Path

from ml_collections import ConfigDict
import numpy as np

from gan_jax import data
from gan_jax.io import files
from gan_jax.use import classifying, trained

RESULT = 'stopping.json'  # in the run's folder


def validation_share(num_labels: int) -> int:
    """Labels kept to stop by: a fifth of the budget, at least one of each of ten classes."""
    return max(num_labels // 50 * 10, 10)


def best_step(workdir: Path, config: ConfigDict) -> int:
    """The saved step of a finished run that gets most of its validation images right.

    Of equal ones the last: with few images many are, and augmented training gains slowly for
    long. (The cross-entropy would stop it when it becomes sure of itself, well before it is at
    its best.) What was found is kept in the run's folder, so that later calls do not need its
    checkpoints.
    """
    path = workdir / RESULT
    if not path.exists():
        right = _accuracies(workdir, config)
        step = max(right, key=lambda step: (right[step], step))
        files.replace(path, json.dumps({'step': step, 'accuracy': right}, indent=1) + '\n')
    return json.loads(path.read_bytes())['step']


def _accuracies(workdir: Path, config: ConfigDict) -> dict[int, float]:
    image, label = data.validation(config.data).arrays()
    known = label >= 0
    image, label = image[known], label[known]
    found = {}
    for step in range(config.save_every, config.steps + 1, config.save_every):
        probability = classifying.Classifier(trained.load(workdir, step))(image)
        found[step] = float(np.mean(probability.argmax(axis=1) == label))
    return found
