"""What one training step does, for each kind of GAN."""

from collections.abc import Callable

from ml_collections import ConfigDict

from gan_jax.tasks import adversarial
from gan_jax.types import DataSpec, Task

TASKS: dict[str, Callable[..., Task]] = {'adversarial': adversarial.make}


def make(config: ConfigDict, spec: DataSpec, *, axis_name: str | None) -> Task:
    """The task `config.task` on data of this shape; collectives run over `axis_name`.

    Raises:
      UserError: the config's networks do not exist or cannot make such images.
    """
    return TASKS[config.task](config, spec, axis_name=axis_name)
