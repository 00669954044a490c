"""Checks of output paths, before any work is done for them."""

from pathlib import Path
import tempfile

from gan_jax.errors import UserError
from gan_jax.paths import shown


def file(path: Path, *suffixes: str, flag: str = '--output') -> Path:
    """The path of a file that can be written there.

    Raises:
      UserError: another suffix, or a folder that cannot be made or written.
    """
    check_suffix(path, *suffixes, flag=flag)
    if path.is_dir():
        raise UserError(f'{flag}={shown(path)}: is a folder; name a file')
    folder(path.parent, flag=flag)
    return path


def check_suffix(path: Path, *suffixes: str, flag: str = '--output') -> None:
    """Raises UserError if a file's name does not end with one of these."""
    if path.suffix.lower() not in suffixes:
        raise UserError(f'{flag}={shown(path)}: must end with {" or ".join(suffixes)}')


def apart(path: Path, source: str, field: str, *, flag: str = '--output') -> None:
    """Refuses a file in a folder that is read, of which it would change the content.

    Args:
      path: of the file.
      source: the folder; '' for none.
      field: what the user gave it by.

    Raises:
      UserError: the file would be in it, however deep.
    """
    if source and Path(source).resolve() in path.resolve().parents:
        raise UserError(
            f'{flag}={shown(path)} is inside {field}={shown(Path(source))}, which is never changed:'
            ' name a file outside of it'
        )


def folder(path: Path, *, flag: str = '--output') -> Path:
    """The path of a folder that is made if it is missing.

    Raises:
      UserError: it cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f'{flag}={shown(path)}: cannot make the folder ({error.strerror})'
        ) from None
    try:
        tempfile.TemporaryFile(dir=path).close()  # of a superuser, permissions say nothing
    except OSError:
        raise UserError(
            f'{flag}={shown(path)}: the folder cannot be written; choose another'
        ) from None
    return path
