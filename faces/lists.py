"""Verdicts by hand: text files that name photos to keep or to reject."""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from faces.cleaning import KEPT, REJECTED
from gan_jax.data.image_files import shown
from gan_jax.errors import UserError, nearest
from gan_jax.io import files, paths


def read(path: Path, flag: str) -> tuple[str, ...]:
    """The lines of a file but the blank ones; which are names and which comments is for `verdicts`.

    Raises:
      UserError: it cannot be read as UTF-8.
    """
    try:
        lines = files.regular(path).read_text(encoding='utf-8-sig').splitlines()
    except OSError as error:
        raise UserError(f'{flag}={paths.shown(path)}: cannot be read ({error.strerror})') from None
    except UnicodeDecodeError:
        raise UserError(
            f'{flag}={paths.shown(path)}: is not text in UTF-8; save it as such'
        ) from None
    return tuple(filter(str.strip, lines))


def verdicts(names: Iterable[str], keep: Iterable[str], reject: Iterable[str]) -> dict[str, str]:
    """The verdict on each photo that the lists name, by the photo's name.

    Args:
      names: of the album's files.
      keep: lines of `--keep`: names, as `report.csv` shows them, and comments, which begin with #
        and are no photo's name.
      reject: those of `--reject`.

    Raises:
      UserError: a list names a file that is not in the album, or both name the same one.
    """
    known: dict[str, list[str]] = {}
    for name in names:
        known.setdefault(_plain(shown(name)), []).append(name)
    kept, rejected = _found(known, keep, '--keep'), _found(known, reject, '--reject')
    if both := sorted(set(kept) & set(rejected)):
        raise UserError(f'--keep and --reject both name {shown(both[0])}: leave it in one of them')
    return dict.fromkeys(kept, KEPT) | dict.fromkeys(rejected, REJECTED)


def _found(known: Mapping[str, list[str]], wanted: Iterable[str], flag: str) -> list[str]:
    lines = [line if _plain(line) in known else line.strip() for line in wanted]
    wanted = [_plain(line) for line in lines if _plain(line) in known or line[0] != '#']
    if unknown := [name for name in wanted if name not in known]:
        hint = nearest(unknown[0], known) if len(known) < 10_000 else ''
        hint = hint if hint.startswith('did') else 'give names relative to --input, one a line'
        raise UserError(f'{flag}: no image {", ".join(map(repr, unknown))} in --input: {hint}')
    return [name for plain in wanted for name in known[plain]]


def _plain(name: str) -> str:
    return PurePosixPath(name).as_posix()  # ./a//b.jpg is a/b.jpg
