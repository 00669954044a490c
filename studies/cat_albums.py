"""Albums of cats for the studies: photos as they are, crops of their faces, crops held out."""

from collections.abc import Iterator
import csv
import dataclasses
import hashlib
from pathlib import Path
import shutil
from typing import NamedTuple

import numpy as np

from faces import cleaning, destination, detector, pipeline
from gan_jax.data import image_files
from gan_jax.io import images
from studies.study import Setting

PARENT = 'cats'  # in --data_dir
FOLDERS = ('personal', 'oxford_pets')  # in that
NEEDED = tuple(f'{PARENT}/{name}' for name in FOLDERS)
SIDE = 64
NOISE = 100  # images in each album of a smoke run
HELD_OUT = 5  # of so many photos one is held out


class Albums(NamedTuple):
    """Folders of images."""

    whole: Path  # photos as they are
    cleaned: Path  # crops of the faces in the same photos
    reference: Path  # crops of the faces in the others
    crops: Path  # the first face of every photo of either


def prepare(setting: Setting, folder: Path, side: int = SIDE) -> Albums:
    """The albums in `folder`, which are made at the first call and then left as they are.

    All photos are cleaned together, so that no crop is nearly that of another photo; then a fifth
    of the photos, by the hash of their content, is held out. A photo of which a crop was dropped
    as a near duplicate is in none of the albums.

    Raises:
      UserError: there are no photos there.
    """
    albums = Albums(*(folder / name for name in Albums._fields))
    if not folder.exists():
        draft = folder.with_name(f'{folder.name}.draft')
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        if setting.smoke:
            _noise(draft, side)
        else:
            _clean(setting.path(PARENT), draft, side)
        draft.rename(folder)
    return albums


def _noise(draft: Path, side: int) -> None:
    random = np.random.default_rng(0)
    for name in Albums._fields:
        (draft / name).mkdir()
        for number in range(NOISE):
            pixels = random.integers(0, 256, (side, side, 3), np.uint8)
            images.write_png(draft / name / f'{number}.png', pixels)


def _clean(cats: Path, draft: Path, side: int) -> None:
    photos, output = draft / 'photos', draft / 'all'
    for path in (photos, output):
        path.mkdir()
    for name in FOLDERS:
        (photos / name).symlink_to((cats / name).resolve())
    found = image_files.find(photos, '--data_dir')
    settings = cleaning.Settings(side)
    destination.start(output, dataclasses.asdict(settings))
    pipeline.run(found, detector.make_detector('cat_face'), settings, {}, output)
    for photo, decisions, crops in _photos(output):
        if decisions & {cleaning.DUPLICATE, cleaning.UNREADABLE}:
            continue
        digest = hashlib.sha256((photos / photo).read_bytes()).digest()
        held_out = int.from_bytes(digest) % HELD_OUT == 0
        for crop in crops:
            _copy(
                output / destination.CROPS, crop, draft / ('reference' if held_out else 'cleaned')
            )
        for crop in crops[:1]:  # a split by crops must not part two of one photo
            _copy(output / destination.CROPS, crop, draft / 'crops')
        if not held_out:
            _copy(photos, photo, draft / 'whole')
    for path in (photos, output):
        shutil.rmtree(path)


def _copy(source: Path, name: str, target: Path) -> None:
    (target / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / name, target / name)


def _photos(output: Path) -> Iterator[tuple[str, set[str], list[str]]]:
    """Each photo with the decisions on its faces and the crops that were kept."""
    with (output / destination.REPORT).open(newline='') as file:
        rows = list(csv.DictReader(file))
    for photo in dict.fromkeys(row['file'] for row in rows):
        own = [row for row in rows if row['file'] == photo]
        kept = [row['output'].removeprefix(f'{destination.CROPS}/') for row in own if row['output']]
        yield photo, {row['decision'] for row in own}, kept
