"""What studies measure of a run, beside what it wrote itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gan_jax import evaluation, trained
from gan_jax.evaluation import assess

READABLE = 0.5  # share of samples from which a generator counts as one of digits


def figures(workdir: Path, features: str, num_samples: int, step: int = 0) -> dict[str, Any]:
    """The figures of `gan-jax evaluate`, of the newest step or another.

    What the command writes is left in the run's folder, for its report.

    Args:
      workdir: the run's folder.
      features: the feature net.
      num_samples: generated images.
      step: 0: the newest.
    """
    run = trained.load(workdir, step)
    real = assess.real_images(run, workdir, evaluation.load_net(features), folder='')
    found, picture = assess.assess(run, real, num_samples)
    assess.write(workdir, found, picture)
    return found['figures']


def first_step(rows: Sequence[dict[str, Any]], figure: str, least: float) -> int | None:
    """The first step of evaluations.jsonl at which a figure is at least so high; None: never."""
    high = (row['step'] for row in rows if (row.get(figure) or 0) >= least)
    return next(high, None)
