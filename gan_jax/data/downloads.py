"""Files of a data set from a mirror, by tfds's download manager, in bounded time and checked."""

from collections.abc import Mapping
import errno
import hashlib
from pathlib import Path
import shutil
import threading
from typing import TYPE_CHECKING
import urllib.request

from gan_jax.errors import UserError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

TIMEOUT_S = 10.0  # for the mirror to answer


def fetch(
    manager: 'tfds.download.DownloadManager',
    urls: Mapping[str, str],
    digests: Mapping[str, str],
    algorithm: str,
    remedy: str,
) -> dict[str, Path]:
    """Downloads files: name -> path.

    Args:
      urls: by name; the first one is asked for before the manager is.
      digests: by name, hexadecimal.
      algorithm: of the digests, as `hashlib` calls it.
      remedy: what to do instead, for messages.

    Raises:
      UserError: the mirror does not answer, or sends something else.
    """
    first = next(iter(urls.values()))
    try:
        check(first, TIMEOUT_S)
        paths = {name: Path(path) for name, path in manager.download(dict(urls)).items()}
        for name, path in paths.items():
            with path.open('rb') as file:
                digest = hashlib.file_digest(file, algorithm).hexdigest()
            if digest != digests[name]:
                shutil.rmtree(path.parent)  # the manager would offer it again
                raise ValueError(f'{name} has {algorithm} {digest} instead of {digests[name]}')
    except Exception as error:  # whatever requests, urllib3 and tfds raise
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f'{first} cannot be downloaded ({why}): {remedy}') from error
    return paths


def check(url: str, timeout_s: float) -> None:
    """Asks for the head of a file; tfds's manager tries ten times and has no timeout.

    Raises:
      Exception: whatever kept the answer away, TimeoutError among others.
    """
    errors: list[Exception] = [TimeoutError(f'no answer in {timeout_s:g} s')]

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method='HEAD')
            with urllib.request.urlopen(request, timeout=timeout_s):
                errors.clear()
        except Exception as error:  # the thread's outcome, raised below
            errors[:] = [error]

    # In a thread, because looking up a name heeds no timeout.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout_s)
    for error in errors:
        raise error
