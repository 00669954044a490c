"""Checks of output paths, before any work is done for them; what writes there makes the folders."""

from pathlib import Path
import tempfile

from gan_jax.errors import UserError
from gan_jax.io.paths import shown

OVERWRITE = 'name another, or pass --overwrite'


def file(path: Path, *suffixes: str, overwrite: bool, flag: str = '--output') -> Path:
    """The path of a file that can be written there, whose name ends with one of the suffixes.

    Raises:
      UserError: another suffix, a folder that cannot be written, or a file that is there.
    """
    if path.suffix.lower() not in suffixes:
        raise UserError(f'{flag}={shown(path)}: must end with {" or ".join(suffixes)}')
    if path.is_dir():
        raise UserError(f'{flag}={shown(path)}: is a folder; name a file')
    folder(path.parent, flag=flag)
    if not overwrite:
        absent(path, flag=flag)
    return path


def absent(path: Path, *, flag: str = '--output') -> None:
    """Raises UserError if there is a file already."""
    if path.exists():
        raise UserError(f'{flag}: {shown(path)} is there; {OVERWRITE}')


def own_folder(path: Path, *, overwrite: bool, flag: str = '--output') -> Path:
    """The path of a folder that files can be written to, and are not mixed with others.

    Raises:
      UserError: it cannot be written, or holds files.
    """
    folder(path, flag=flag)
    if not overwrite and path.is_dir() and (there := sorted(path.iterdir())):
        raise UserError(f'{flag}={shown(path)}: holds files, such as {there[0].name}; {OVERWRITE}')
    return path


def folder(path: Path, *, flag: str = '--output') -> Path:
    """The path of a folder that can be written, or made.

    Raises:
      UserError: it can be neither.
    """
    try:
        there = next(home for home in (path, *path.absolute().parents) if home.exists())
        if not there.is_dir():
            raise NotADirectoryError(0, f'{there} is a file')
    except OSError as error:
        raise UserError(
            f'{flag}={shown(path)}: cannot make the folder ({error.strerror})'
        ) from None
    try:
        tempfile.TemporaryFile(dir=there).close()  # of a superuser, permissions say nothing
    except OSError:
        raise UserError(
            f'{flag}={shown(path)}: the folder cannot be written; choose another'
        ) from None
    return path
