"""Checks of output paths, before any work is done for them."""

import os
from pathlib import Path
import tempfile

from gan_jax.errors import UserError


def file(path: str, *suffixes: str, flag: str = '--output') -> Path:
    """The path of a file that can be written there.

    Raises:
      UserError: another suffix, or a folder that cannot be made or written.
    """
    result = Path(path)
    check_suffix(path, *suffixes, flag=flag)
    if result.is_dir():
        raise UserError(f'{flag}={path}: is a folder; name a file')
    folder(str(result.parent), flag=flag)
    return result


def check_suffix(path: str, *suffixes: str, flag: str = '--output') -> None:
    """Raises UserError if a file's name does not end with one of these."""
    if Path(path).suffix.lower() not in suffixes:
        raise UserError(f'{flag}={path}: must end with {" or ".join(suffixes)}')


def apart(path: str, source: str, field: str, *, flag: str = '--output') -> None:
    """Refuses a file in a folder that is read, of which it would change the content.

    Args:
      path: of the file.
      source: the folder; '' for none.
      field: what the user gave it by.

    Raises:
      UserError: the file would be in it, however deep.
    """
    home = Path(os.path.expanduser(source)).resolve()
    if source and home in Path(path).resolve().parents:
        raise UserError(
            f'{flag}={path} is inside {field}={source}, which is never changed: name a file'
            ' outside of it'
        )


def folder(path: str, *, flag: str = '--output') -> Path:
    """The path of a folder that is made if it is missing.

    Raises:
      UserError: it cannot be made or written.
    """
    result = Path(path)
    try:
        result.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f'{flag}={path}: cannot make the folder ({error.strerror})') from None
    try:
        tempfile.TemporaryFile(dir=result).close()  # of a superuser, permissions say nothing
    except OSError:
        raise UserError(f'{flag}={path}: the folder cannot be written; choose another') from None
    return result
