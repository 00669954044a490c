"""Generators and discriminators by name, and how a config becomes one of them."""

from collections.abc import Collection, Mapping
import dataclasses
from typing import Any

import jax.numpy as jnp
from jax.typing import DTypeLike

from gan_jax.errors import UserError, nearest
from gan_jax.fields import Config
from gan_jax.layers import Kind as Kind
from gan_jax.layers import Net as Net
from gan_jax.nets import (
    dcgan,
    dcgan_mnist,
    fastgan,
    mlp,
    mnist_gan,
    patch,
    projected,
    projected_classes,
    projected_patches,
    sgan,
    unet,
)
from gan_jax.types import Pair

# None: there is no such net of its own.
NETS: dict[str, Pair[type[Net] | None]] = {
    'mlp': Pair(mlp.Generator, mlp.Discriminator),
    'mnist_gan': Pair(mnist_gan.Generator, mnist_gan.Discriminator),
    'dcgan_mnist': Pair(dcgan_mnist.Generator, dcgan_mnist.Discriminator),
    'dcgan': Pair(dcgan.Generator, dcgan.Discriminator),
    'fastgan': Pair(fastgan.Generator, None),
    'projected': Pair(None, projected.Discriminator),
    'projected_classes': Pair(None, projected_classes.Discriminator),
    'sgan': Pair(sgan.Generator, sgan.Discriminator),
    'sgan_brownlee': Pair(sgan.BrownleeGenerator, sgan.BrownleeDiscriminator),
    'pix2pix': Pair(unet.Generator, patch.Discriminator),
    'projected_patches': Pair(None, projected_patches.Discriminator),
}

_LARGEST = 2**14  # of a layer: more fits no memory
_HEAVIEST = 10**6  # of a weight


def of_role(role: str) -> dict[str, type[Net]]:
    """The nets of `NETS` that are generators ('gen') or discriminators ('disc'), by name."""
    return {name: net for name, pair in NETS.items() if (net := getattr(pair, role))}


def fields(name: str, role: str) -> dict[str, Any]:
    """A net's own fields, which a config may set, with their defaults; `role` is 'gen' or 'disc'.

    Raises:
      UserError: for an unknown net.
    """
    known = of_role(role)
    if name not in known:
        kind = {'gen': 'generator', 'disc': 'discriminator'}[role]
        raise UserError(
            f'config.{role}.net.name={name} is not a {kind}; {nearest(str(name), known)}'
        )
    # Those of every net come from the data set and the run, not from the net's own section.
    every = {field.name for field in dataclasses.fields(Net)}
    own = dataclasses.fields(known[name])
    return {f.name: f.default for f in own if f.name not in every}


def check_fields(role: str, net: Mapping[str, Any]) -> None:
    """Raises UserError if a config's network does not exist, or one of its fields may not be so."""
    fields(net['name'], role)
    _own_fields(f'config.{role}.net', role, net)


def looked_through(config: Config) -> set[str]:
    """The trained nets whose maps a run is trained by, by their names in `pretrained`.

    What they say of its samples is no judgement: these were made to please them.
    """
    own = config.disc.net
    found = {getattr(own, 'frozen', '')} - {''}
    if of_role('disc')[own.name].takes_maps or config.translation.perceptual:
        found.add(config.translation.frozen)
    return found


def build(
    role: str,
    net: Mapping[str, Any],
    *,
    kind: Kind | None = None,
    image_shape: tuple[int, int, int],
    num_classes: int = 0,
    attributes: int = 0,
    dtype: DTypeLike = jnp.float32,
    axis_name: str | None = None,
    batch_norm: str = 'global',
) -> Net:
    """The net that a config describes.

    Args:
      role: 'gen' or 'disc'.
      net: `config.gen.net` or `config.disc.net`: `name`, a key of `NETS`, and any of that
        net's own fields.
      kind: what the caller can use; None: any.
      num_classes: 0 for an unconditional net.
      attributes: how many the classes are combinations of; 0: of none.
      dtype: of the arithmetic: float32 or bfloat16.
      axis_name: the axis over which the runner divides the batch, None outside one.
      batch_norm: 'global' or 'per_device', see `Net`.

    Raises:
      UserError: for an unknown net, one of another kind, an unknown field, a value a field
        cannot take, or an image size or a number of classes that is not for this net.
    """
    section = f'config.{role}.net'
    name = net['name']
    values = _own_fields(section, role, net)
    _check_kind(section, name, role, kind)
    _check_size(section, name, role, image_shape)
    _check_classes(section, name, role, num_classes)
    module = getattr(NETS[name], role)(
        image_shape=tuple(image_shape),
        num_classes=num_classes,
        attributes=attributes,
        dtype=dtype,
        axis_name=axis_name,
        batch_norm=batch_norm,
        **values,
    )
    if misfit := module.misfit():
        raise UserError(f'{section}.{misfit}')
    return module


def _own_fields(section: str, role: str, net: Mapping[str, Any]) -> dict[str, Any]:
    """The net's own fields that the section sets, checked and in their types."""
    name = net['name']
    defaults = fields(name, role)
    net_class = getattr(NETS[name], role)
    values = {field: value for field, value in net.items() if field != 'name'}
    for field, value in values.items():
        if field not in defaults:
            hint = nearest(field, defaults)
            raise UserError(f'{section}.{field} is not a field of the net {name}; {hint}')
        path, options = f'{section}.{field}', net_class.options.get(field)
        if field in net_class.weights:
            values[field] = _checked_weight(path, value)
        else:
            values[field] = _checked(path, value, defaults[field], options)
    return values


def _of_kind(role: str, kind: Kind) -> dict[str, type[Net]]:
    return {name: net for name, net in of_role(role).items() if net.kind is kind}


def _check_kind(section: str, name: str, role: str, kind: Kind | None) -> None:
    own = getattr(NETS[name], role).kind
    if kind not in (None, own):
        raise UserError(
            f'{section}.name={name} {own.value}, and this config.task needs a net that'
            f' {kind.value}: {", ".join(_of_kind(role, kind))}'
        )


def _check_classes(section: str, name: str, role: str, num_classes: int) -> None:
    if getattr(NETS[name], role).kind is Kind.CLASSES and num_classes < 2:
        raise UserError(
            f'{section}.name={name} tells at least 2 classes apart, and the images of'
            f' config.data have {num_classes or "none"}'
        )


def _check_size(section: str, name: str, role: str, image_shape: tuple[int, int, int]) -> None:
    net = getattr(NETS[name], role)
    if net.supports(image_shape):
        return
    alike = _of_kind(role, net.kind).items()
    able = [other for other, candidate in alike if candidate.supports(image_shape)]
    height, width, _ = image_shape
    raise UserError(
        f'{section}.name={name} takes {net.sizes}, and the images of config.data are'
        f' {height}x{width}: set config.data.image_size to one that it takes'
        f'{_nearest_size(net, image_shape)}, or choose from the nets for these:'
        f' {", ".join(able) or "none"}'
    )


def _nearest_size(net: type[Net], image_shape: tuple[int, int, int]) -> str:
    """', such as 64x96', the nearest that a net supports; '' if none is near."""
    height, width, channels = image_shape

    def about(side: int) -> range:
        return range(max(side // 2, 1), min(2 * side, 512) + 1)

    found = (
        (abs(high - height) + abs(wide - width), high, wide)
        for high in about(height)
        for wide in (about(width) if width != height else (high,))
        if net.supports((high, wide, channels))
    )
    _, high, wide = min(found, default=(0, 0, 0))
    return f', such as {high}' + (f'x{wide}' if wide != high else '') if high else ''


def _checked(path: str, value: Any, default: Any, options: Collection[Any] | None) -> Any:
    """`value` as the type of `default`, or a UserError that names the config field."""
    match default:
        case _ if options is not None:
            valid = type(value) is type(default) and value in options
            expected = ' or '.join(map(repr, options))
        case bool():
            valid, expected = isinstance(value, bool), 'True or False'
        case int():
            valid, expected = _is_size(value), f'a whole number from 1 to {_LARGEST:,}'
        case float():
            valid = isinstance(value, int | float) and 0 <= value < 1
            expected = 'a number in [0, 1)'
        case tuple():
            valid = isinstance(value, tuple | list) and all(map(_is_size, value))
            expected = f'whole numbers from 1 to {_LARGEST:,}, such as {default}'
        case _:
            raise TypeError(f'{path}: no rule for {default!r}; state its options in the net')
    if not valid:
        raise UserError(f'{path}={value!r} must be {expected}')
    return type(default)(value)


def _checked_weight(path: str, value: Any) -> float:
    valid = isinstance(value, int | float) and not isinstance(value, bool)
    if not valid or not 0 <= value < _HEAVIEST:
        raise UserError(f'{path}={value!r} must be a number from 0, below {_HEAVIEST:,}')
    return float(value)


def _is_size(value: Any) -> bool:
    return type(value) is int and 1 <= value <= _LARGEST
