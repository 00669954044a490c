"""The training step of each kind of GAN."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from gan_jax import rng
from gan_jax.data import views
from gan_jax.states import GanState, Metrics, Task
from gan_jax.tasks import adversarial, semisupervised, shared, translation
from gan_jax.types import Batch, DataSpec


class Kind(NamedTuple):
    """A kind of GAN.

    Attributes:
      make: (config, spec, axis_name=) -> Task.
      draws: config -> of which images each of the batches in a step is: a `data.order.POOLS`.
      inspect: (config, batch of [N, ...]) -> uint8 [M, H, W, C], real images as the
        discriminator sees them, drawn as in step 0; it needs no networks.
      measures: what is measured of it whatever `config.evaluate.figures` asks for, as
        `evaluation.figures.RANKED` has it.
    """

    make: Callable[..., Task]
    draws: Callable[[ConfigDict], tuple[str, ...]]
    inspect: Callable[[ConfigDict, Batch[jax.Array]], jax.Array]
    measures: tuple[str, ...] = ()


TASKS: Mapping[str, Kind] = {
    'adversarial': Kind(adversarial.make, adversarial.draws, shared.inspect),
    'semisupervised': Kind(semisupervised.make, semisupervised.draws, shared.inspect),
    'translation': Kind(
        translation.make, translation.draws, translation.inspect, measures=('pairs',)
    ),
}


def draws(config: ConfigDict) -> tuple[str, ...]:
    """The pool of images of each batch in a step, for `data.order.make`."""
    return TASKS[config.task].draws(config)


def make(config: ConfigDict, spec: DataSpec, *, axis_name: str | None) -> Task:
    """The task `config.task` on what training sees of data of this shape.

    Args:
      config: the run's config.
      spec: of the data.
      axis_name: over which collectives run, None outside a runner.

    Raises:
      UserError: the config's networks do not exist or cannot make such images.
    """
    task = TASKS[config.task].make(config, spec, axis_name=axis_name)
    view = views.make(config.data, spec, axis_name)
    return task if view is None else _with_view(task, view, config.seed)


def _with_view(task: Task, view: views.View, seed: int) -> Task:
    """The task on crops and mirror images of what is stored."""

    def step(state: GanState, batch: Batch[jax.Array]) -> tuple[GanState, Metrics]:
        return task.step(state, view(rng.step_key(seed, state.step, state.rollbacks), batch))

    return task._replace(step=step)


def inspect(config: ConfigDict, spec: DataSpec, batch: Batch[jax.Array]) -> jax.Array:
    """Real images as the discriminator sees them in step 0, for a person to look at.

    Args:
      config: the run's config; its networks need not exist.
      spec: of what training sees.
      batch: as stored, [N, ...].

    Returns:
      uint8 [M, H, W, C].
    """
    if view := views.make(config.data, spec, None):
        zero = jnp.zeros((), jnp.int32)
        draws = jax.tree.map(lambda leaf: leaf[None], batch)
        batch = jax.tree.map(
            lambda leaf: leaf[0], view(rng.step_key(config.seed, zero, zero), draws)
        )
    return TASKS[config.task].inspect(config, batch)
