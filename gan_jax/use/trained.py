"""A trained run, loaded for use: its config, its task and a saved state."""

from collections.abc import Callable, Mapping
import contextlib
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax

from gan_jax import observers, tasks
from gan_jax.data.looks import Look
from gan_jax.errors import UserError
from gan_jax.fields import Config
from gan_jax.io import digests, paths
from gan_jax.records import recorder, shared, workdirs
from gan_jax.records.checkpoints import Checkpoints
from gan_jax.states import GanState, Sampler, Task, Translator
from gan_jax.tasks import latents
from gan_jax.types import DataSpec


class Trained(NamedTuple):
    """A trained run, ready to be used."""

    config: Config  # of the run
    task: Task  # built without collectives
    state: GanState  # the saved one
    image_shape: tuple[int, int, int]  # (H, W, C) of the images in training
    class_names: tuple[str, ...]  # of their set; empty where it has none
    components: int = 0  # of the mixture that latents are of; 0: the prior is none
    look: Look | None = None  # of its training images, where the run noted it


def sampler_of(task: Task) -> Sampler:
    """Takes what a task samples with.

    Raises:
      UserError: its generator does not start from a latent.
    """
    if task.sampler is None:
        raise UserError(
            '--workdir: the generator of the run does not start from a latent: give it images by'
            ' gan-jax translate'
        )
    return task.sampler


def translator_of(task: Task) -> Translator:
    """Takes what a task translates with.

    Raises:
      UserError: its generator does not start from an image.
    """
    if task.translator is None:
        raise UserError(
            '--workdir: the run translates no images, its generator starts from a latent: give'
            ' that of a run of pix2pix_grey, pix2pix_canny, pix2pix_facades or pix2pix_one_pair'
        )
    return task.translator


Pick = Callable[[Task], Callable[[GanState], Any]]


def load(
    workdir: Path,
    step: int | str = 0,
    *,
    pick: Pick | None = None,
    precision: str = '',
    moved: Mapping[str, Path] = MappingProxyType({}),
) -> Trained:
    """The state of a run after `step` steps; 0: the newest whole one; 'best': as the run chose.

    Args:
      pick: task -> (state -> some of its leaves), which may refuse the task by a UserError. Only
        those leaves are read, and `step`; the others are left as `jax.ShapeDtypeStruct`s.
      moved: fields of `paths.OF_DATA` that are elsewhere than when the run was trained.

    Raises:
      UserError: there is no run, or no such whole checkpoint.
    """
    config = workdirs.load_config(workdir)
    number = _number(workdir, config, str(step))
    facts = workdirs.read_facts(workdir).get('data')
    if facts is None:
        raise UserError(f'--workdir={workdir}: its run.json is missing; resume the run to write it')
    data, names = spec(facts), facts.get('class_names', ())
    for own, said in ((names, 'class_names has {} names'), (data.counts, 'counts has {} numbers')):
        if own and len(own) != data.num_classes:
            raise UserError(
                f'{workdir}/run.json: damaged (data.{said.format(len(own))} of {data.num_classes}'
                ' classes); restore it, or train anew'
            )
    config.precision = precision or config.precision
    if shared.is_one(workdir):  # whose paths are a stranger's
        config.update_from_flattened_dict(dict.fromkeys(paths.FIELDS, ''))
    config.update_from_flattened_dict({field: str(path) for field, path in moved.items()})
    task = tasks.make(config, data, axis_name=None)
    variables = pick(task) if pick else None
    like = jax.eval_shape(task.init)
    only = None if variables is None else {'step', *paths_of(like, variables)}
    state = _state(Path(workdir), number, config.keep, like, only)
    components = latents.num_components(config, data.num_examples)
    look = Look(**facts['look']) if facts.get('look') else None
    return Trained(config, task, state, data.image_shape, names, components, look)


def _state(workdir: Path, number: int, keep: int, like: Any, only: set[str] | None) -> Any:
    if shared.is_one(workdir):
        return shared.restore(workdir, number, like, only)
    with contextlib.closing(Checkpoints(workdir / 'checkpoints', keep)) as saved:
        found = saved.restore(number, like, only) if number else saved.restore_latest(like, only)
    if found is None:
        raise UserError(f'--workdir={workdir}: no whole checkpoint yet; train longer')
    return found[0]


def spec(facts: Mapping[str, Any]) -> DataSpec:
    """The spec of the data by run.json."""
    known = {name: facts[name] for name in DataSpec._fields if name in facts}
    return DataSpec(**{'num_classes': 0, **known})


def _number(workdir: Path, config: Config, step: str) -> int:
    """Reads --step as a number of steps; 0: the newest."""
    if step.isdecimal():
        return int(step)
    if step == 'best' and shared.is_one(workdir):
        return 0  # it has one
    if step != 'best':
        raise UserError(f'--step={step}: must be a number of steps, or best')
    metric = observers.chosen_by(config)
    if not metric:
        raise UserError(
            f'--step=best: the run in {workdir} kept no best step (config.evaluate.best was empty);'
            ' give a number of steps'
        )
    best = observers.best_step(recorder.read_rows(Path(workdir), recorder.EVALUATIONS), metric)
    if best is None:
        raise UserError(
            f'--step=best: the run in {workdir} has not measured {metric}; train longer, or give a'
            ' number of steps'
        )
    return best


def paths_of(state: Any, variables: Callable[[GanState], Any]) -> list[str]:
    """Where in a state the leaves are that `variables` picks."""
    named = jax.tree_util.tree_map_with_path(lambda path, _: digests.leaf_path(path), state)
    return jax.tree.leaves(variables(named))
