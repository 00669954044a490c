"""Photos that are generated: smooth, colourful, and each unlike the others."""

import io
from pathlib import Path

import numpy as np
from PIL import Image


def photo(seed: int, size: tuple[int, int] = (96, 80)) -> Image.Image:
    """A random landscape of (width, height)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = 'JPEG', **options) -> bytes:
    """The content of a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def album(folder: Path, count: int, size: tuple[int, int] = (96, 80), first: int = 0) -> Path:
    """A folder of `count` photos, 000.jpg and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f'{number:03}.jpg').write_bytes(encoded(photo(first + number, size)))
    return folder


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of all that lies in a folder."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in sorted(folder.rglob('*'))
    }
