"""The runs that a page shows, and all that it asks of them: pictures in, pictures out, no files."""

from collections.abc import Iterator, Sequence
import functools
import math
from pathlib import Path
import shlex
import threading
from typing import Annotated, Any, NamedTuple, TypedDict

import numpy as np
from PIL import Image

from gan_jax import api, data
from gan_jax.data import decode
from gan_jax.errors import UserError
from gan_jax.evaluation import neighbours, sets
from gan_jax.io import images, paths, pixels, schema
from gan_jax.io.schema import Range, Share
from gan_jax.use import classifying, translating

GRID = 64  # samples that a page shows at once
DIRECTIONS = 6  # sliders
NEAREST = 4  # training images beside a sample
MAX_PIXELS = 2**24  # of a picture that is taken
MAX_BYTES = 2**29  # of training images that are kept for comparison
MAX_MADE = 2**20  # pixels of a translation
SMALLEST = 112  # pixels a side of a picture that is saved

Seed = Annotated[int, Range(0, 2**32 - 1)]
Number = Annotated[int, Range(0, GRID - 1)]
Move = Annotated[float, Range(-10, 10)]


class Drawn(TypedDict):
    """Which samples: all of one class if `label` is a number, all classes in turn if it is null."""

    seed: Seed
    label: Annotated[int, Range(0, 10**6)] | None
    truncation: Share


class Chosen(Drawn):
    """A picture between two samples, moved along the directions."""

    start: Number
    end: Number
    along: Share
    moves: tuple[Move, ...]


class Answer(NamedTuple):
    """The answer of a classifier to a picture."""

    # probabilities by the names of the classes, the largest first
    shares: Sequence[tuple[str, float]]
    remark: str  # on a picture that looks otherwise than those of training; '' if it does not
    measured: str  # how far such a confidence can be trusted


class Page:
    """A run in use; what it computes, it computes one at a time."""

    def __init__(self, run: api.Run):
        self.run = run
        self.place = paths.shown(run.workdir)
        self._lock = threading.Lock()

    def facts(self) -> dict[str, Any]:
        """Describes the run for a page, fit for JSON."""
        run, task = self.run, self.run.trained.task
        height, width, channels = run.image_shape
        found: dict[str, Any] = {
            'title': str(run.config.name),
            'place': self.place,
            'step': run.step,
            'size': [height, width, channels],
            'samples': task.sampler is not None,
            'classifies': task.classifier is not None,
            'translates': task.translator is not None,
            'classes': [],
            'directions': 0,
        }
        if task.sampler and task.sampler.num_classes:
            found['classes'] = list(run.class_names[: task.sampler.num_classes])
        if task.sampler:
            found['directions'] = min(DIRECTIONS, run.config.latent_dim)
        if task.classifier:
            found['dark_on_light'] = bool(run.trained.look and run.trained.look.border > 0.5)
        if task.translator:
            found['height'], found['width'] = task.translator.image_shape[:2]
            found['input'] = run.config.data.input
        return found

    def warm(self) -> None:
        """Compiles what the page asks for first, so that it need not wait."""
        if self.run.trained.task.sampler:
            first = Chosen(
                seed=0, label=None, truncation=1.0, start=0, end=0, along=0.0,
                moves=(0.0,) * self.facts()['directions'],
            )  # fmt: skip
            self.grid(first)
            self.picture(first)

    def grid(self, asked: Drawn) -> np.ndarray:
        """GRID samples, eight in a row without a border: uint8 [8 H, 8 W, C]."""
        with self._lock:
            made = self.run.sample(
                GRID, seed=asked['seed'], labels=_labels(asked), truncation=asked['truncation']
            )
        return images.tile(np.asarray(made), 8, pad=0)

    def picture(self, asked: Chosen) -> np.ndarray:
        """A picture between two samples, uint8 [H, W, C]."""
        with self._lock:
            shift = np.array(asked['moves'], np.float32) @ self.run.directions(len(asked['moves']))
            made = self.run.interpolate(
                asked['start'],
                asked['end'],
                [asked['along']],
                seed=asked['seed'],
                labels=_labels(asked),
                truncation=asked['truncation'],
                shift=shift,
            )
        return pixels.eight_bits(np.asarray(made[0]))

    def command(self, asked: Chosen) -> str:
        """The command that makes the picture again, and writes it as a page saves it."""
        moves = np.trim_zeros(np.array(asked['moves']), 'b')
        words = ['gan-jax', 'sample', f'--workdir={self.place}', f'--step={self.run.step}']
        words += [f'--seed={asked["seed"]}', f'--pick={asked["start"]},{asked["end"]}']
        words += [f'--along={asked["along"]:g}'] if asked['along'] else []
        words += [f'--labels={asked["label"]}'] if asked['label'] is not None else []
        words += [f'--truncation={asked["truncation"]:g}'] if asked['truncation'] < 1 else []
        words += [f'--directions={",".join(f"{move:g}" for move in moves)}'] if len(moves) else []
        words += [f'--scale={self.scale()}', '--output=picture.png']
        return shlex.join(words)

    def scale(self) -> int:
        """Pixels a side of each pixel of a saved picture."""
        return -(-SMALLEST // min(self.run.image_shape[:2]))

    def nearest(self, asked: Chosen) -> tuple[list[np.ndarray], str]:
        """The training images nearest to a picture by their pixels, and what they are of.

        Raises:
          UserError: the training images are not at hand.
        """
        made = self.picture(asked)
        with self._lock:
            training = self._training
        found = neighbours.by_pixels(made, training.image, NEAREST)
        part = '' if len(training.image) == training.total else f' of {training.total:,}'
        return (
            list(training.image[found]),
            f'{len(training.image):,}{part} training images ({training.name})',
        )

    @functools.cached_property
    def _training(self) -> sets.ImageSet:
        config = self.run.config.data
        limit = MAX_BYTES // math.prod(self.run.image_shape)
        return sets.of_dataset(data.load(config), config, sets.TRAINING, limit)

    def classify(self, content: bytes) -> Answer:
        """The classifier's answer to an image file.

        Raises:
          Unreadable: it is none.
          UserError: the run has no classifier.
        """
        image = _decoded(content, classifying.channels(self.run.trained))
        with self._lock:
            seen = classifying.picture(image, self.run.trained, turn=False)
            probability = classifying.Classifier(self.run.trained)(seen.image[None])[0]
        order = np.argsort(-probability, kind='stable')
        shares = [(self.run.class_names[index], float(probability[index])) for index in order]
        odd = [(seen.look, 'this one')] if seen.look else []
        lines = classifying.remarks(self.run.trained, odd, 1, False, 'drawing it the other way')
        remark = ' '.join(line.removeprefix('warning: ') for line in lines)
        return Answer(shares, remark, self._trust(shares[0][1]))

    def _trust(self, confidence: float) -> str:
        """How many answers of such a confidence were right, where that was measured."""
        path = self.run.workdir / classifying.RESULT
        if not path.exists():
            return (
                'How far to trust this was not measured: gan-jax classify'
                f' --workdir={self.place} --split=test does'
            )
        found = schema.load(path, classifying.Classification)
        entry = min(found['calibration'], key=lambda entry: abs(entry['confidence'] - confidence))
        of = found['data']
        return (
            f'Of {entry["count"]:,} answers about as sure ({entry["confidence"]:.0%}) on'
            f' {of["name"]}, split {of["split"]}, {entry["accuracy"]:.1%} were right'
        )

    def translate(self, content: bytes, *, as_is: bool) -> tuple[np.ndarray, np.ndarray]:
        """An image file as the run's input, and its translation: uint8 [H, W, 3] each.

        Raises:
          Unreadable: it is no image, or would be too large.
          UserError: the run translates nothing.
        """
        image = _decoded(content)
        width, height = image.size
        side = max(self.facts().get('height', 1), self.facts().get('width', 1))
        if side**2 * max(width, height) > MAX_MADE * min(width, height):
            raise decode.Unreadable(f'{width}x{height} pixels are too long and thin for a page')
        with self._lock:
            ready = translating.Ready(
                self.run.trained, translating.Options(resize=True, as_it_is=as_is)
            )
            given = ready.prepare(image)
            return given, ready(given)


def _labels(asked: Drawn) -> list[int]:
    return [] if asked['label'] is None else [asked['label']]


def _decoded(content: bytes, channels: int = 3) -> Image.Image:
    return decode.read(content, most_pixels=MAX_PIXELS, channels=channels)


class Runs:
    """The runs of a page by their names, each loaded when it is first asked for."""

    def __init__(self, folder: Path, step: int | str):
        """Finds the runs: of a folder of runs, or a single one.

        Raises:
          UserError: there is none.
        """
        try:
            found = [folder] if _is_run(folder) else sorted(filter(_is_run, folder.iterdir()))
        except OSError as error:
            raise UserError(f'--workdir={folder}: cannot be read ({error.strerror})') from None
        if not found:
            raise UserError(
                f'--workdir={folder}: neither a run nor a folder of runs (no config.json); train'
                ' one first, or name its folder'
            )
        self._step = step
        self._places = {path.name: path for path in found}
        self._pages: dict[str, Page] = {}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """The runs, in the order of their names."""
        return list(self._places)

    def warm(self) -> Iterator[str]:
        """Loads and compiles the first run that can be used; yields why those before it cannot.

        Raises:
          UserError: none can.
        """
        while True:
            first = self.names()[0]
            try:
                return self[first].warm()
            except UserError as error:
                if len(self._places) == 1:
                    raise
                del self._places[first]
                yield str(error)

    def __getitem__(self, name: str) -> Page:
        """A run by its name.

        Raises:
          UserError: there is none of that name, or it has no whole checkpoint.
        """
        if name not in self._places:
            raise UserError(f'no run of the name {name!r}')
        with self._lock:
            if name not in self._pages:
                self._pages[name] = Page(api.load(self._places[name], self._step))
            return self._pages[name]


def _is_run(path: Path) -> bool:
    return (path / 'config.json').is_file()
