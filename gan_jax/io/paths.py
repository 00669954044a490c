"""Paths that a user gives, by a flag, a field of a config or a variable: expanded and checked."""

import errno
import os
from pathlib import Path
import re
from typing import TYPE_CHECKING, Any

from gan_jax import fields
from gan_jax.errors import UserError
from gan_jax.terminal import printable

if TYPE_CHECKING:
    from ml_collections import ConfigDict

FIELDS = tuple(name for name, field in fields.FIELDS.items() if field.path)  # that are paths
OF_DATA = tuple(name for name in FIELDS if name.startswith('data.'))  # that say where images are

LONGEST_NAME = 255  # bytes, on the file systems in use
_ABSENT = errno.ENOENT, errno.ENOTDIR


def absolute(given: str | os.PathLike[str], field: str) -> Path:
    """A path that means the same from any folder, with `~` and `~name` resolved.

    There need be nothing at it.

    Raises:
      UserError: there is no such home, the system takes no such path, its bytes are no UTF-8,
        which others' libraries ask for, or it holds control characters.
    """
    try:
        path = Path(given).expanduser().absolute()
        os.fsencode(path).decode('utf-8')
        path.stat()
    except UnicodeError:
        raise UserError(f'{field}={given}: its name is not in UTF-8; rename it') from None
    except (OSError, RuntimeError, ValueError) as error:
        if getattr(error, 'errno', None) not in _ABSENT:
            why = getattr(error, 'strerror', None) or str(error)
            raise UserError(f'{field}={given}: no path that can be used ({why})') from None
    if printable(str(given)) != str(given):  # it would reach a terminal with each message
        raise UserError(f'{field}={given}: its name holds control characters; rename it')
    return path


def resolve(config: 'ConfigDict') -> None:
    """Makes the paths of a run's config absolute, in place.

    Raises:
      UserError: as `absolute`.
    """
    for field in FIELDS:
        if given := fields.get(config, field):
            path = str(absolute(given, f'config.{field}'))
            config.update_from_flattened_dict({field: path})


def shown(path: Path) -> str:
    """A path in a message: from the current folder on, if it lies there."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def portable(value: Any) -> Any:
    """JSON with `~` in place of the user's own folder, for what others may see."""
    if isinstance(value, dict):
        return {name: portable(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return tuple(map(portable, value))
    home = os.path.expanduser('~')
    if not isinstance(value, str) or len(home) < 2:
        return value
    return re.sub(rf'(?<![\w/]){re.escape(home)}(?=/|$)', '~', value)


def writable_name(stem: str, suffix: str = '', longest: int = LONGEST_NAME) -> str:
    """A file's name that a disk takes: what it lacks written out, cut to `longest` bytes."""
    try:
        name = os.fsencode(stem)
    except UnicodeEncodeError:  # a name from a .zip, where the locale is not UTF-8
        name = stem.encode('ascii', 'backslashreplace')
    if len(name) <= longest - len(suffix):
        return os.fsdecode(name) + suffix
    return name[: longest - len(suffix)].decode('utf-8', 'ignore') + suffix


def cache() -> Path:
    """GAN_JAX_CACHE, else XDG_CACHE_HOME/gan_jax, else ~/.cache/gan_jax.

    Raises:
      UserError: none of them can be used.
    """
    if own := os.environ.get('GAN_JAX_CACHE'):
        return absolute(own, 'GAN_JAX_CACHE')
    if shared := os.environ.get('XDG_CACHE_HOME'):
        return absolute(shared, 'XDG_CACHE_HOME') / 'gan_jax'
    try:
        return Path('~/.cache/gan_jax').expanduser()
    except RuntimeError:
        raise UserError(
            'there is no home folder, where what is prepared would be kept: set GAN_JAX_CACHE to a'
            ' folder'
        ) from None
