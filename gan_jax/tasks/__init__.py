"""The training step of each kind of GAN."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import rng
from gan_jax.data import classes, views
from gan_jax.data.datasets import Dataset
from gan_jax.data.image_files import shown
from gan_jax.errors import UserError
from gan_jax.fields import Config
from gan_jax.states import GanState, Metrics, Task
from gan_jax.tasks import adversarial, semisupervised, shared, translation
from gan_jax.types import Batch, DataSpec


class Kind(NamedTuple):
    """A kind of GAN."""

    make: Callable[..., Task]  # (config, spec, axis_name=) -> Task
    # config -> of which images each of the batches in a step is: a `data.order.POOLS`
    pools: Callable[[Config], tuple[str, ...]]
    # (config, batch of [N, ...]) -> uint8 [M, H, W, C], real images as the discriminator sees them,
    # drawn as in step 0; it needs no networks
    inspect: Callable[[Config, Batch[jax.Array]], jax.Array]
    # config -> the field, with its value, that asks for images with classes; '': none
    classes: Callable[[Config], str]
    # what is measured of it whatever `config.evaluate.metrics` asks for, as
    # `evaluation.metrics.RANKED` has it
    measures: tuple[str, ...] = ()
    hub: str = 'unconditional-image-generation'  # what hubs of models call what it is for
    use: str = 'run.sample(64, seed=0)'  # the line of Python that shows it


_WITHOUT_CLASSES = 'pass --config.conditional=False to train without'


TASKS: Mapping[str, Kind] = {
    'adversarial': Kind(
        adversarial.make,
        adversarial.pools,
        shared.inspect,
        lambda config: 'config.conditional=True' if config.conditional else '',
    ),
    'semisupervised': Kind(
        semisupervised.make,
        semisupervised.pools,
        shared.inspect,
        lambda config: 'config.task=semisupervised',
        hub='image-classification',
        use="run.classify('picture.png')  # probabilities of run.class_names",
    ),
    'translation': Kind(
        translation.make,
        translation.pools,
        translation.inspect,
        lambda config: '',
        measures=('pairs',),
        hub='image-to-image',
        use="run.translate('picture.png')",
    ),
}


def pools(config: Config) -> tuple[str, ...]:
    """The pool of images of each batch in a step, for `data.order.make`."""
    return TASKS[config.task].pools(config)


def check(config: Config, dataset: Dataset) -> None:
    """Makes sure that a set has the classes that a run is to learn.

    Raises:
      UserError: it has none, or one without an image, or, where all need one, images without.
    """
    field = TASKS[config.task].classes(config)
    if not field:
        return
    if not dataset.class_names:
        remedies = [dataset.to_have_classes, _WITHOUT_CLASSES if config.conditional else '']
        remedy = ', or '.join(filter(None, remedies)) or 'choose another set'
        raise UserError(f'{field}: {dataset.name} has no classes: {remedy}')
    labels = dataset.source.labels()
    count = np.bincount(labels[labels >= 0], minlength=len(dataset.class_names))
    found = dict(zip(dataset.class_names, count.tolist(), strict=True))
    remedy = 'mend its pictures or add some, or take its folder away'
    if dataset.attributes:
        remedy = 'leave one of config.data.attributes out, or add some'
        # A generator learns attributes one by one, a classifier their combinations.
        found = classes.by_attribute(found) if config.conditional else found
    if not all(found.values()):
        name = shown(min(found, key=found.__getitem__))
        if config.data.num_examples:
            remedy = 'raise config.data.num_examples'
        raise UserError(f'{field}: class {name!r} has none of the {len(labels):,} images: {remedy}')
    if config.conditional and (labels < 0).any():
        own = config.data.labels
        taken = next((name for name in ('number', 'validation') if own[name]), '')
        sort = f'set config.data.labels.{taken}=0' if taken else 'sort them into one'
        raise UserError(
            f'{field}: {(labels < 0).sum():,} of {len(labels):,} images have no class: {sort}, or'
            ' set config.data.labels.alone=True'
        )


def make(config: Config, spec: DataSpec, *, axis_name: str | None) -> Task:
    """The task `config.task` on what training sees of data of this shape.

    Raises:
      UserError: the config's networks do not exist or cannot make such images.
    """
    task = TASKS[config.task].make(config, spec, axis_name=axis_name)
    if config.matmul_precision != 'default':
        task = _in_precision(task, config.matmul_precision)
    view = views.make(config.data, spec, axis_name)
    return task if view is None else _with_view(task, view, config.seed)


def _in_precision(task: Task, precision: str) -> Task:
    """The task with the products of its step in this precision of JAX's."""

    def step(state: GanState, batch: Batch[jax.Array]) -> tuple[GanState, Metrics]:
        with jax.default_matmul_precision(precision):
            return task.step(state, batch)

    return task._replace(step=step)


def _with_view(task: Task, view: views.View, seed: int) -> Task:
    """The task on crops and mirror images of what is stored."""

    def step(state: GanState, batch: Batch[jax.Array]) -> tuple[GanState, Metrics]:
        return task.step(state, view(rng.step_key(seed, state.step, state.rollbacks), batch))

    return task._replace(step=step)


def inspect(config: Config, spec: DataSpec, batch: Batch[jax.Array]) -> jax.Array:
    """Real images as the discriminator sees them in step 0, for a person to look at.

    Of images as stored, [N, ...]: uint8 [M, H, W, C]. The config's networks need not exist.
    """
    if view := views.make(config.data, spec, None):
        zero = jnp.zeros((), jnp.int32)
        draws = jax.tree.map(lambda leaf: leaf[None], batch)
        batch = jax.tree.map(
            lambda leaf: leaf[0], view(rng.step_key(config.seed, zero, zero), draws)
        )
    return TASKS[config.task].inspect(config, batch)
