"""Photos sorted into folders by a trained classifier, with the share of mistakes to expect."""

from collections.abc import Iterator, Sequence
from pathlib import Path
import shutil
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gan_jax import data
from gan_jax.data import classes, decode, image_files, looks
from gan_jax.data.datasets import Dataset
from gan_jax.errors import UserError
from gan_jax.io import files, images
from gan_jax.use import classifying
from gan_jax.use.classifying import Answer
from gan_jax.use.trained import Trained

UNSURE = 'unlabelled'  # the folder of photos of no class, as experiments call it in an album too
TABLE, SHEET = 'classes.csv', 'least_sure.png'
SHOWN, COLUMNS = 24, 6  # photos of the sheet
CELL, LINE = 128, 12  # pixels of the sheet: the side of a photo, and a line below it
_TEMPERATURES = np.geomspace(0.1, 10, 201)
_DEVIATION = 1.0  # of the logarithm of the temperature, beforehand


class Calibration(NamedTuple):
    """How far a classifier's confidence can be trusted, by labels kept from training."""

    temperature: float  # that its logits are divided by
    labels: int  # it was chosen by


def calibrate(run: Trained) -> Calibration:
    """Calibrates by the labels for validation or, if the run kept none, by the split 'test'.

    Raises:
      UserError: no label was kept from training, or the run has no classifier.
    """
    probability, label = classifying.of_labelled(run, _held_back(run))
    return Calibration(temperature(probability, label), len(label))


def _held_back(run: Trained) -> Dataset:
    config = run.config.data
    split = 'validation' if config.labels.validation else 'test'
    try:
        if split == 'test' and config.split != 'train':
            raise UserError(f'it trained on config.data.split={config.split}')
        return classifying.labelled_split(run, split)
    except UserError as error:
        raise UserError(
            f'--output: which answers are sure is told by labels kept from training ({error}):'
            ' train with --config.data.held_out=0.2, or name a .csv file'
        ) from None


def temperature(probability: np.ndarray, label: np.ndarray) -> float:
    """The most probable temperature: what logits are divided by (arXiv:1706.04599, section 4.2).

    Of probabilities, float [N, K], and labels, int [N]. Few labels say little, so it has a prior:
    log-normal around 1.
    """
    costs = [
        np.log(t) ** 2 / (2 * _DEVIATION**2)
        - np.log(at_temperature(probability, t)[np.arange(len(label)), label] + 1e-30).sum()
        for t in _TEMPERATURES
    ]
    return float(_TEMPERATURES[np.argmin(costs)])


def at_temperature(probability: np.ndarray, value: float) -> np.ndarray:
    """Probabilities, float [N, K], as if logits had been divided by `value`."""
    logits = np.log(np.maximum(probability.astype(np.float64), 1e-30)) / value
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def sure(confidence: np.ndarray, mistakes: float) -> np.ndarray:
    """The surest answers, as many as have a share of mistakes of at most `mistakes`: bool [N].

    By their confidence, float [N], the probability of each to be right.
    """
    order = np.argsort(-confidence, kind='stable')
    expected = np.cumsum(1 - confidence[order]) / np.arange(1, len(order) + 1)
    found = np.zeros(len(order), bool)
    found[order[: np.searchsorted(expected, mistakes, side='right')]] = True
    return found


class Photo(NamedTuple):
    """A photo and where it belongs."""

    name: str  # of its file, relative to the album
    folder: str  # of its class, or UNSURE
    guess: str  # the most probable class, or that in whose folder the user has put it
    confidence: float  # the probability that this is right
    given: bool  # whether it is the user's own


def plan(
    run: Trained,
    album: image_files.ImageFolder,
    answers: Sequence[Answer | None],
    calibration: Calibration,
    mistakes: float,
) -> list[Photo]:
    """Where the photos belong. Those in a folder of a class of the run stay in that class.

    Args:
      answers: for each name of the album; None for a file that cannot be read, which is left out.
      mistakes: the greatest share to expect among those that are sorted.
    """
    known = [
        (name, label, answer)
        for name, label, answer in zip(album.names, given(run, album), answers, strict=True)
        if answer is not None
    ]
    shares = at_temperature(np.stack([a.probability for _, _, a in known]), calibration.temperature)
    doubtful = np.array([a.look == looks.UNLIKE for _, _, a in known])
    confidence = np.where(doubtful, 0.0, shares.max(axis=1))
    asked = np.array([label < 0 for _, label, _ in known])
    chosen = ~asked
    chosen[asked] = sure(confidence[asked], mistakes)
    return [
        Photo(
            name,
            folder_of(run, guess) if fits else UNSURE,
            run.class_names[guess],
            1.0 if label >= 0 else float(share),
            label >= 0,
        )
        for (name, label, answer), fits, share in zip(known, chosen, confidence, strict=True)
        for guess in [int(label if label >= 0 else answer.probability.argmax())]
    ]


def given(run: Trained, album: image_files.ImageFolder) -> np.ndarray:
    """The class that a user has put each photo into, int32 [N]; -1: none that the run learned."""
    names, labels = image_files.classes(album.names, run.config.data.unlabelled)
    number = {name: place for place, name in enumerate(run.class_names)}
    lookup = np.array([number.get(name, -1) for name in names] + [-1], np.int32)
    return lookup[labels] if names else np.full(len(album), -1, np.int32)


def folder_of(run: Trained, label: int) -> str:
    """The folder of a class: its name, where a folder can have that."""
    name = run.class_names[label]
    plain = name not in ('', '.', '..', UNSURE) and Path(name).name == name
    return name if plain else classes.in_file_name(label, run.class_names)


def folders(run: Trained) -> list[str]:
    """All folders that photos are sorted into."""
    return [*(folder_of(run, label) for label in range(len(run.class_names))), UNSURE]


def check(run: Trained, source: Path, output: Path) -> None:
    """Raises UserError if a sorted copy could change a user's album."""
    for name in ('', *folders(run)):
        image_files.keep_out(source, '--input', output / name, '--output')
        data.keep_out(run.config.data, output / name, '--output')


def write(
    run: Trained, album: image_files.ImageFolder, photos: Sequence[Photo], output: Path
) -> None:
    """Copies every photo, as `FOLDER/NAME`, and writes TABLE and SHEET.

    A copy that an earlier sorting put into another of `folders` goes.
    """
    all_folders = {*folders(run)}
    for photo in photos:
        content = album.files.read(photo.name)
        place = output / photo.folder / photo.name
        files.replace(place, content)
        if (original := album.path / photo.name).is_file():  # and no member of a .zip
            shutil.copystat(original, place)
        for folder in all_folders - {photo.folder}:
            other = output / folder / photo.name
            if other.is_file() and other.read_bytes() == content:
                other.unlink()
    rows = [
        (image_files.shown(photo.name), photo.folder, photo.guess, f'{photo.confidence:.4f}')
        for photo in photos
    ]
    files.replace(output / TABLE, files.table(('file', 'folder', 'class', 'confidence'), rows))
    images.write_png(output / SHEET, sheet(album, photos))


def summary(photos: Sequence[Photo], calibration: Calibration) -> Iterator[str]:
    """How many photos are sorted, and how many mistakes to expect among them."""
    unsure = sum(photo.folder == UNSURE for photo in photos)
    # Those that the user has sorted have no share in what is expected.
    chosen = [1 - p.confidence for p in photos if p.folder != UNSURE and not p.given]
    expected = f'{sum(chosen):.1f} mistakes ({np.mean(chosen):.1%})' if chosen else 'no mistake'
    yield f'sorted    {len(chosen)} images; expect {expected}, by {calibration.labels} labels'
    if given := len(photos) - unsure - len(chosen):
        yield f'as given  {given} images, in folders of their classes'
    yield f'not sure  {unsure} images, in {UNSURE}/'


def sheet(album: image_files.ImageFolder, photos: Sequence[Photo]) -> np.ndarray:
    """The least sure photos, the least sure one first, each above its class: uint8 [H, W, 3]."""
    least = sorted(photos, key=lambda photo: photo.confidence)[:SHOWN]
    return images.tile(np.stack([_cell(album, photo) for photo in least]), COLUMNS)


def _cell(album: image_files.ImageFolder, photo: Photo) -> np.ndarray:
    page = Image.new('RGB', (CELL, CELL + 2 * LINE + 4), (images.PAPER,) * 3)
    page.paste(Image.fromarray(decode.read_square(album.files.read(photo.name), CELL)))
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(LINE - 2)
    said = f'{photo.confidence:.0%} {photo.guess}'
    for line, text in enumerate((said, image_files.shown(photo.name))):
        draw.text((2, CELL + 1 + line * LINE), text, 'black', font)
    return np.asarray(page)
