"""Files: written so that a reader finds the old one or the new one, and the package's own."""

from collections.abc import Iterable, Iterator, Sequence
import contextlib
import csv
import errno
import importlib.metadata
import io
import os
from pathlib import Path
import re
import shlex
import stat
from typing import Any
import zlib

import numpy as np

_SUFFIX = re.compile(r'(?<=[^/])\.(?=[^. /]*[a-z])[^. /]+$', re.IGNORECASE)


def suffix(name: str) -> str:
    """The suffix of a file's name, in lower case: '.png', '.mp4', and '' of v1.2 or Mr. Brown."""
    return name[len(stem(name)) :].lower()


def stem(name: str) -> str:
    """A file's name without its `suffix`; folders before it stay."""
    return _SUFFIX.sub('', name)


def names_folder(path: Path) -> bool:
    """Whether a user's output is a folder: one that is there, or a name without a suffix."""
    return path.is_dir() or not suffix(path.name)


def regular(path: Path) -> Path:
    """The path of a file to read, if that ends.

    Raises:
      OSError: it is a pipe or a device, which has no end, or may not be looked at.
    """
    if not stat.S_ISREG(mode := path.stat().st_mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, 'not a regular file', str(path))
    return path


def carried(name: str) -> Path:
    """A folder that the wheel carries: in an installed package, else beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / 'carried'
    return (installed if installed.is_dir() else package.parent) / name


def install(extra: str) -> str:
    """The command that installs an extra, in a checkout or away from one."""
    try:
        needs = importlib.metadata.requires('gan-jax') or ()
    except importlib.metadata.PackageNotFoundError:
        return f"pip install '.[{extra}]'"
    of_extra = re.compile(rf'(.+?)\s*; extra == .{extra}.$')
    return shlex.join(['pip', 'install', *(m[1] for m in map(of_extra.match, needs) if m)])


@contextlib.contextmanager
def made(folder: Path) -> Iterator[None]:
    """Makes a folder; if the block fails, what was made and holds nothing goes again.

    Raises:
      OSError: it cannot be made.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in new:
            with contextlib.suppress(OSError):  # it is not there, or something is in it
                path.rmdir()
        raise


def replace(path: Path, content: bytes | str) -> None:
    """Writes `content` to `path` at once, and makes its folder; text as UTF-8.

    Raises:
      OSError: the disk is full or the folder cannot be written; `path` is as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not by the whole name, which may have as many letters as a name can.
    draft = path.with_name(f'.{zlib.crc32(os.fsencode(path.name)):08x}.{os.getpid()}.tmp')
    try:
        draft.write_bytes(data)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """A CSV file, in UTF-8."""
    buffer = io.BytesIO()  # StringIO takes four bytes a letter
    with io.TextIOWrapper(buffer, 'utf-8', newline='') as text:
        writer = csv.writer(text, lineterminator='\n')
        writer.writerow(head)
        writer.writerows(rows)
        text.flush()
        return buffer.getvalue()


def arrays(**named: np.ndarray) -> bytes:
    """An .npz file of the arrays, compressed."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **named)  # type: ignore[arg-type]  # none is allow_pickle
    return buffer.getvalue()
