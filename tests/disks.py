"""Small disks for tests of what happens when they are full or cannot be written."""

from collections.abc import Iterator
import contextlib
import os
from pathlib import Path
import subprocess

import pytest


@contextlib.contextmanager
def tmpfs(directory: Path, options: str) -> Iterator[Path]:
    """A file system of its own at `directory`; skips the test where none may be mounted."""
    directory.mkdir(exist_ok=True)
    command = ['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', str(directory)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip('mounting a tmpfs is not permitted here')
    try:
        yield directory
    finally:
        # A thread that was writing there may not have closed its file yet.
        subprocess.run(['umount', '--lazy', str(directory)], check=True)
