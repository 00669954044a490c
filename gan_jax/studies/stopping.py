"""When to stop a supervised run: by the labels of its own budget that it was not trained on."""

import json
from pathlib import Path

from ml_collections import ConfigDict
import numpy as np

from gan_jax import classification, data, files, trained

RESULT = 'stopping.json'  # in the run's folder


def validation_share(num_labels: int) -> int:
    """Labels kept to stop by: a fifth of the budget, at least one of each of ten classes."""
    return max(num_labels // 50 * 10, 10)


def best_step(workdir: Path, config: ConfigDict) -> int:
    """The saved step of a finished run that has the least cross-entropy on its validation labels.

    The cross-entropy tells steps apart that get the same few images right. What was found is
    kept in the run's folder, so that later calls do not need its checkpoints.

    Args:
      workdir: the run's folder; it keeps every step it saves.
      config: the run's.
    """
    path = workdir / RESULT
    if not path.exists():
        losses = _losses(workdir, config)
        step = min(losses, key=losses.get)
        files.replace(path, json.dumps({'step': step, 'cross_entropy': losses}, indent=1) + '\n')
    return json.loads(path.read_text())['step']


def _losses(workdir: Path, config: ConfigDict) -> dict[int, float]:
    image, label = data.validation(config.data).arrays()
    known = label >= 0
    image, label = image[known], label[known]
    losses = {}
    for step in range(config.save_every, config.steps + 1, config.save_every):
        probability = classification.Classifier(trained.load(workdir, step))(image)
        own = np.maximum(probability[np.arange(len(label)), label], 1e-30)
        losses[step] = float(-np.mean(np.log(own)))
    return losses
