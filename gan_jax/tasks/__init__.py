"""What one training step does, for each kind of GAN."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from gan_jax import rng
from gan_jax.data import views
from gan_jax.tasks import adversarial
from gan_jax.types import Batch, DataSpec, GanState, Metrics, Task

TASKS: dict[str, Callable[..., Task]] = {'adversarial': adversarial.make}


def make(config: ConfigDict, spec: DataSpec, *, axis_name: str | None) -> Task:
    """The task `config.task` on what training sees of data of this shape.

    Args:
      config: the run's config.
      spec: of the data.
      axis_name: over which collectives run, None outside a runner.

    Raises:
      UserError: the config's networks do not exist or cannot make such images.
    """
    task = TASKS[config.task](config, spec, axis_name=axis_name)
    view = views.make(config.data, spec, axis_name)
    return task if view is None else _with_view(task, view, config.seed)


def _with_view(task: Task, view: views.View, seed: int) -> Task:
    """The task on crops and mirror images of what is stored."""

    def step(state: GanState, batch: Batch) -> tuple[GanState, Metrics]:
        return task.step(state, view(rng.step_key(seed, state.step, state.rollbacks), batch))

    def inspect(batch: Batch) -> jax.Array:
        zero = jnp.zeros((), jnp.int32)
        draw = jax.tree.map(lambda leaf: leaf[None], batch)
        draw = view(rng.step_key(seed, zero, zero), draw)
        return task.inspect(jax.tree.map(lambda leaf: leaf[0], draw))

    return task._replace(step=step, inspect=inspect)
