"""Names of crops: those of the photos, in the same sub-folders."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
import unicodedata

from gan_jax.io import paths

LONGEST = 200  # bytes of a stem; file systems end at 255, and a suffix must fit


class Names:
    """Hands out a name for each crop of an album, none twice.

    A photo's first crop is STEM.png; where photos of one folder share a stem, of the second
    and later ones STEM_SUFFIX.png. Further crops of a photo are STEM_2.png and so on. The first
    name does not depend on what became of other photos.
    """

    def __init__(self, files: Sequence[str]):
        """Args:
        files: the album's names, with slashes.
        """
        folders = {folder.as_posix() for file in files for folder in PurePosixPath(file).parents}
        self._taken = set(map(_key, folders))
        self._first = [self._choose(_candidates(PurePosixPath(file))) for file in files]

    def crop(self, file: int, place: int) -> str:
        """The name of crop number `place`, from 0, of a photo, with slashes."""
        first = PurePosixPath(self._first[file])
        return first.as_posix() if place == 0 else self._choose(_numbered(first, place + 1))

    def _choose(self, candidates: Iterator[str]) -> str:
        name = next(name for name in candidates if _key(name) not in self._taken)
        self._taken.add(_key(name))
        return name


def _candidates(file: PurePosixPath) -> Iterator[str]:
    stem = paths.writable_name(file.stem, longest=LONGEST)
    yield file.with_name(f'{stem}.png').as_posix()
    whole = file.with_name(f'{stem}_{file.suffix[1:]}.png')
    yield whole.as_posix()
    yield from _numbered(whole, 2)


def _numbered(file: PurePosixPath, number: int) -> Iterator[str]:
    while True:
        yield file.with_name(f'{file.stem}_{number}.png').as_posix()
        number += 1


def _key(name: str) -> str:
    """Equal for names that some file systems take for one: A.png and a.png."""
    return unicodedata.normalize('NFC', name).casefold()
