"""Writing a file so that a reader finds the old one or the new one, never a part."""

import os
from pathlib import Path


def replace(path: Path, content: bytes | str) -> None:
    """Writes `content` to `path` at once; text as UTF-8.

    Raises:
      OSError: the disk is full or the folder cannot be written; `path` is as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    draft = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        draft.write_bytes(data)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
