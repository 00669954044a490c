"""The folder that a cleaned album is written to: checked before any work, filled in order."""

import json
from pathlib import Path
import shutil
from typing import Any

from gan_jax.data.image_files import ImageFolder, keep_out
from gan_jax.errors import UserError
from gan_jax.io import files

MARK = 'clean.json'  # written first: what was asked for, and that the folder is ours
REPORT = 'report.csv'  # written last: a folder that has it is complete
DETAILS, CONTACT, CROPS = 'details.csv', 'contact.png', 'crops'
DRAFTS = '.drafts'


def check(output: Path, album: ImageFolder, overwrite: bool) -> None:
    """Refuses an output that would touch the source, or what others made.

    Raises:
      UserError: it lies in the input or the input in it, it is no folder, it holds something
        that was not made here, or a cleaned album and `overwrite` is not given.
    """
    place = output.resolve()
    for folder in _folders(album):
        keep_out(folder, '--input', output, '--output')
        if place in folder.parents:
            raise UserError(f'--output={output} holds --input={album.path}: name another folder')
    if output.exists() and not output.is_dir():
        raise UserError(f'--output={output} is a file: name a folder')
    if not output.is_dir() or not any(output.iterdir()):
        return
    if not (output / MARK).is_file():
        raise UserError(
            f'--output={output} holds files that this command did not make: name a new folder'
        )
    if not overwrite:
        what = 'a cleaned album' if (output / REPORT).is_file() else 'an unfinished one'
        raise UserError(
            f'--output={output} holds {what}: name another folder, or replace it with --overwrite'
        )


def start(output: Path, settings: dict[str, Any]) -> Path:
    """Marks the folder; where drafts go. An earlier album stays until there is another."""
    if not (output / MARK).exists():
        mark(output, settings)
    drafts = output / DRAFTS
    _remove(drafts)
    drafts.mkdir()
    return drafts


def mark(output: Path, settings: dict[str, Any]) -> None:
    """Says what was asked for, and that the folder is ours."""
    files.replace(output / MARK, json.dumps(settings, indent=2) + '\n')


def unmark(output: Path) -> None:
    """Gives the folder back as it was, if nothing but drafts came to be in it."""
    if {path.name for path in output.iterdir()} <= {MARK, DRAFTS}:
        (output / MARK).unlink()


def empty(output: Path) -> None:
    """Removes an earlier album, its report first: what is left is never taken for whole."""
    for name in (REPORT, DETAILS, CONTACT):
        (output / name).unlink(missing_ok=True)
    _remove(output / CROPS)


def _remove(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def _folders(album: ImageFolder) -> list[Path]:
    """The album's own folder, or .zip, and those that its images lie in, links followed."""
    top = album.path.resolve()
    if not top.is_dir():
        return [top]
    inside = {Path(name).parent for name in album.names}
    return [top, *sorted({(top / folder).resolve() for folder in inside})]
