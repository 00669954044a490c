"""The rules that the fields of a config keep together; those of one field alone are its own."""

import math

from gan_jax import augment, fields, losses, nets, runners, tasks
from gan_jax.errors import UserError, nearest
from gan_jax.evaluation import metrics
from gan_jax.fields import Config, Evaluate
from gan_jax.pretrained import features


def validate(config: Config) -> None:
    """Stops what cannot run before anything is loaded or compiled.

    Raises:
      UserError: names the field and what would be right.
    """
    for path, field in fields.FIELDS.items():
        field.check(path, fields.get(config, path))
    for role in ('gen', 'disc'):
        nets.check_fields(role, config[role].net)
    for path, need in fields.idle(config):
        raise UserError(_idle(config, path, need))
    validate_names(config)
    _validate_combinations(config)


def validate_names(config: Config) -> None:
    """Raises UserError if a field names augmentations or metrics that do not exist."""
    _validate_augmentation(config)
    measures = tasks.TASKS[config.task].measures
    every = config.evaluate.every
    if every and not (config.evaluate.metrics or measures):
        raise UserError(
            f'config.evaluate.metrics=() names nothing to measure every {every:g} epochs:'
            " give some, e.g. ('frechet',), or set config.evaluate.every=0"
        )
    for field in ('evaluate.best', 'stop.figure'):
        _validate_best(config.evaluate, field, fields.get(config, field), measures)
    best, figure = config.evaluate.best, config.stop.figure
    if best and figure and best != figure:
        raise UserError(
            f'config.stop.figure={figure}: the step that is kept is the best by'
            f' config.evaluate.best={best}: leave that empty, or make them one'
        )


def _idle(config: Config, path: str, need: str) -> str:
    other, _, wanted = need.partition('=')
    now, given = fields.get(config, other), fields.get(config, path)
    cause = f'config.{other} is {"empty" if now == "" else now}: set that'
    if wanted:
        cause += f' to {wanted.replace(",", " or ")}'
    elif other in fields.GROUPS:
        cause = f'all of config.{other} are 0: set one'
    usual = fields.FIELDS[path].default
    return f'config.{path}={given} does nothing while {cause}, or leave it {usual!r}'


def _validate_augmentation(config: Config) -> None:
    for name in augment.parse(config.augment):
        if name not in augment.AUGMENTATIONS:
            known = nearest(name, augment.AUGMENTATIONS)
            raise UserError(f'config.augment={config.augment}: no augmentation {name!r}; {known}')
    if not config.ada.target:
        return
    if config.augment_p != 1:
        raise UserError(
            f'config.augment_p={config.augment_p}: with config.ada.target={config.ada.target} it'
            ' adapts; leave it 1.0, or set config.ada.target to 0'
        )
    if not losses.LOSSES[config.loss].centred:
        able = ', '.join(name for name, loss in losses.LOSSES.items() if loss.centred)
        raise UserError(
            f'config.ada.target={config.ada.target}: no logit of the loss {config.loss!r} says by'
            f' its sign what is real; set it to 0 or choose config.loss from {able}'
        )


def _validate_best(config: Evaluate, field: str, best: str, always: tuple[str, ...]) -> None:
    """Checks a field that names the metric of a best step; the task measures `always`."""
    if not best:
        return
    ranked = metrics.ranked(best)
    if ranked is None:
        known = nearest(best, metrics.RANKED)
        raise UserError(f'config.{field}={best}: no metric that ranks; {known}')
    if ranked[0] not in (*config.metrics, *always):
        raise UserError(
            f'config.{field}={best} is not measured: add {ranked[0]!r} to config.evaluate.metrics'
        )
    if ranked[0] == 'classes' and config.features:
        able = [name for name, net in features.NETS.items() if best in net.ranked]
        if config.features not in able:
            raise UserError(
                f'config.{field}={best} is not measured with the features of'
                f' {config.features}: choose another, or set config.evaluate.features={able[0]}'
            )


def _validate_combinations(config: Config) -> None:
    if config.lecam.weight and config.lecam.start >= config.steps:
        raise UserError(
            f'config.lecam.start={config.lecam.start}: config.steps={config.steps} end before'
            ' config.lecam applies; lower it, or set config.lecam.weight=0'
        )
    devices = runners.count_devices(config.runner, config.devices)
    if config.batch_size % devices:
        fits = max(devices, config.batch_size // devices * devices)
        raise UserError(
            f'config.batch_size={config.batch_size} does not divide among {devices} devices:'
            f' use {fits}, or set config.devices'
        )
    if config.steps_per_call and config.steps % config.steps_per_call:
        stride = config.steps_per_call
        raise UserError(
            f'config.steps={config.steps} is not a multiple of config.steps_per_call={stride}:'
            f' use {math.ceil(config.steps / stride) * stride}, or set config.steps_per_call=0'
        )
    if config.label_smoothing and not losses.LOSSES[config.loss].smooths:
        able = ', '.join(name for name, loss in losses.LOSSES.items() if loss.smooths)
        raise UserError(
            f'config.label_smoothing={config.label_smoothing}: the loss {config.loss!r} has no'
            f' target to smooth; set it to 0 or choose config.loss from {able}'
        )
