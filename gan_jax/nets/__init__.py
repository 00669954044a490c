"""Generators and discriminators by name, and how a config becomes one of them."""

from collections.abc import Mapping
import dataclasses
from typing import Any

import jax.numpy as jnp
from jax.typing import DTypeLike

from gan_jax.errors import UserError, nearest
from gan_jax.nets import dcgan, dcgan_mnist, mlp, mnist_gan
from gan_jax.nets.layers import Net
from gan_jax.types import Pair

NETS: dict[str, Pair[type[Net]]] = {
    'mlp': Pair(mlp.Generator, mlp.Discriminator),
    'mnist_gan': Pair(mnist_gan.Generator, mnist_gan.Discriminator),
    'dcgan_mnist': Pair(dcgan_mnist.Generator, dcgan_mnist.Discriminator),
    'dcgan': Pair(dcgan.Generator, dcgan.Discriminator),
}

# Fields of every net come from the data set and the run, not from the net's own section.
_SHARED_FIELDS = {field.name for field in dataclasses.fields(Net)}


def fields(name: str, role: str) -> dict[str, Any]:
    """A net's own fields, which a config may set, with their defaults.

    Args:
      name: a key of `NETS`.
      role: 'gen' or 'disc'.

    Raises:
      UserError: for an unknown net.
    """
    if name not in NETS:
        raise UserError(f'config.{role}.net.name={name} is not a net; {nearest(str(name), NETS)}')
    cls = getattr(NETS[name], role)
    return {f.name: f.default for f in dataclasses.fields(cls) if f.name not in _SHARED_FIELDS}


def build(
    role: str,
    net: Mapping[str, Any],
    *,
    image_shape: tuple[int, int, int],
    num_classes: int = 0,
    dtype: DTypeLike = jnp.float32,
    axis_name: str | None = None,
    batch_norm: str = 'global',
) -> Net:
    """The net that a config describes.

    Args:
      role: 'gen' or 'disc'.
      net: `config.gen.net` or `config.disc.net`: `name`, a key of `NETS`, and any of that
        net's own fields.
      image_shape: (H, W, C).
      num_classes: 0 for an unconditional net.
      dtype: of the arithmetic: float32 or bfloat16.
      axis_name: the axis over which the runner divides the batch, None outside one.
      batch_norm: 'global' or 'per_device', see `Net`.

    Returns:
      The Linen module.

    Raises:
      UserError: for an unknown net, an unknown field, a value a field cannot take, or an
        image size that the net cannot make.
    """
    section = f'config.{role}.net'
    name = net['name']
    defaults = fields(name, role)
    values = {field: value for field, value in net.items() if field != 'name'}
    for field, value in values.items():
        if field not in defaults:
            hint = nearest(field, defaults)
            raise UserError(f'{section}.{field} is not a field of the net {name}; {hint}')
        values[field] = _checked(f'{section}.{field}', value, defaults[field])
    _check_size(section, name, role, image_shape)
    return getattr(NETS[name], role)(
        image_shape=tuple(image_shape),
        num_classes=num_classes,
        dtype=dtype,
        axis_name=axis_name,
        batch_norm=batch_norm,
        **values,
    )


def _check_size(section: str, name: str, role: str, image_shape: tuple[int, int, int]) -> None:
    if getattr(NETS[name], role).supports(image_shape):
        return
    able = [other for other, pair in NETS.items() if getattr(pair, role).supports(image_shape)]
    height, width, _ = image_shape
    raise UserError(
        f'{section}.name={name} takes {getattr(NETS[name], role).sizes}, and the images of '
        f'config.data are {height}x{width}; nets for these: {", ".join(able)}'
    )


def _checked(path: str, value: Any, default: Any) -> Any:
    """`value` as the type of `default`, or a UserError that names the config field."""
    match default:
        case bool():
            valid, expected = isinstance(value, bool), 'True or False'
        case int():
            valid, expected = _is_size(value), 'a whole number from 1'
        case float():
            valid = isinstance(value, int | float) and 0 <= value < 1
            expected = 'a number in [0, 1)'
        case tuple():
            valid = isinstance(value, tuple | list) and all(map(_is_size, value))
            expected = f'whole numbers from 1, such as {default}'
        case _:
            valid, expected = value in ('batch', 'none'), "'batch' or 'none'"
    if not valid:
        raise UserError(f'{path}={value!r} must be {expected}')
    return type(default)(value)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
