"""Measurements of a run for studies, beside those that it wrote itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax import evaluation
from gan_jax.errors import UserError
from gan_jax.evaluation import distances
from gan_jax.evaluation import metrics as metrics_lib
from gan_jax.io import files
from gan_jax.use import assessing, trained

READABLE = 0.5  # share of samples from which a generator counts as one of digits


def metrics(workdir: Path, features: str, num_samples: int, step: int | str = 0) -> dict[str, Any]:
    """The figures of `gan-jax evaluate`, of the newest step or another.

    What the command writes is left in the run's folder, for its report.
    """
    run = trained.load(workdir, step)
    real = assessing.real_images(run, workdir, evaluation.load_net(features), folder=None)
    found, picture = assessing.assess(run, real, num_samples)
    assessing.write(workdir, found, picture)
    return found['figures']


def at_step(
    workdir: Path, features: str, num_samples: int, only: Sequence[str], step: int = 0
) -> dict[str, Any]:
    """Some figures of a step, of the samples that `metrics` takes; writes nothing."""
    run = trained.load(workdir, step)
    real = assessing.real_images(run, workdir, evaluation.load_net(features), folder=None)
    samples = evaluation.Samples(run.task, run.config.seed, num_samples)
    return evaluation.measure(samples(run.state), real.reference, only=only)['figures']


def of_training_images(
    workdir: Path, features: str, only: Sequence[str], reference: Path | None = None
) -> dict[str, Any]:
    """The figures of the training images themselves: what to read those of samples by.

    They are compared with a folder, or with what the run holds out.
    """
    run, net = trained.load(workdir), evaluation.load_net(features)
    real = assessing.real_images(run, workdir, net, reference)
    given = metrics_lib.Comparison(_training(real), real.reference, None)
    return metrics_lib.compare(given, only)['figures']


def half_against_half(workdir: Path, features: str) -> float:
    """The Frechet distance of one half of the training images, drawn once, from the other."""
    run, net = trained.load(workdir), evaluation.load_net(features)
    training = _training(assessing.real_images(run, workdir, net, None))
    rows = np.random.default_rng(0).permutation(training.features)
    return distances.frechet(*map(distances.moments, np.array_split(rows, 2)))


def _training(real: assessing.Real) -> evaluation.Reference:
    if real.training is None:
        raise UserError(real.missing)
    return real.training


def keep(folder: Path, file: str) -> None:
    """Keeps a file of a trial's one run beside it, for pictures."""
    files.replace(folder / file, (folder / 'run' / file).read_bytes())


def first_step(rows: Sequence[dict[str, Any]], figure: str, least: float) -> int | None:
    """The first step of evaluations.jsonl at which a figure is at least so high; None: never."""
    high = (row['step'] for row in rows if (row.get(figure) or 0) >= least)
    return next(high, None)
