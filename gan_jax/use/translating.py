"""A trained translator in use: image files of any size, each with the run's own function.

An image of the run's size is what it is in a preview, bit for bit. A smaller one is padded by its
reflection and the result cropped. A larger one is cut into overlapping tiles, whose results are
blended in the overlaps.
"""

from collections.abc import Callable, Iterator, Sequence
import itertools
import math
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from gan_jax.data import decode, image_files, inputs, parallel
from gan_jax.errors import UserError
from gan_jax.io import files, images, paths
from gan_jax.states import GanState, Task
from gan_jax.use import trained
from gan_jax.use.trained import Trained

OVERLAP = 4  # neighbouring tiles share at least one side's fourth
LEAST = 8  # images under one side's eighth are refused: most of what the net saw would be padding


class Options(NamedTuple):
    """How files become inputs."""

    seed: int = 0  # of dropout, where the run has it out of training
    resize: bool = False  # bring the short side to the run's size first, as training did
    as_it_is: bool = False  # take files for inputs, where training made them from photos


class Ready:
    """The generator of a run, and what it does to an image."""

    def __init__(self, run: Trained, options: Options):
        """Takes a run, of which it needs the generator alone (`generator`).

        Raises:
          UserError: it is of another task.
        """
        self.config = run.config
        self._translator = trained.translator_of(run.task)
        self._variables = self._translator.variables(run.state)
        self._options = options
        self._size = self._translator.image_shape[:2]
        self._make: inputs.Input | None = None
        if run.config.data.input in inputs.MADE and not options.as_it_is:
            self._make = inputs.make(run.config.data)

    def read(self, content: bytes) -> np.ndarray:
        """The input in a file, uint8 [H, W, C]: the image, or what training makes of a photo.

        Raises:
          Unreadable: it cannot be decoded, or is too small.
        """
        return self.prepare(decode.read(content, max(self._size) if self._options.resize else 0))

    def prepare(self, image: Image.Image) -> np.ndarray:
        """The input for an RGB image; see `read`.

        Raises:
          Unreadable: it is too small.
        """
        high, wide = self._size
        if min(image.size) < max(high, wide) // LEAST and not self._options.resize:
            width, height = image.size
            raise decode.Unreadable(
                f'{width}x{height} pixels are too few for a generator of {wide}x{high}: give at'
                f' least {max(high, wide) // LEAST} a side, or --resize'
            )
        pixels = _resized(image, self._size) if self._options.resize else np.asarray(image)
        return self._make(pixels) if self._make else pixels

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The translation of an input of any size: uint8 [H, W, C] of the same one."""
        return tiled(
            lambda tile: self._translator.translate(self._variables, tile, self._options.seed),
            image,
            self._size,
        )


def generator(task: Task) -> Callable[[GanState], Any]:
    """The part of a state that translating needs, for `trained.load`."""
    return trained.translator_of(task).variables


def _resized(image: Image.Image, least: tuple[int, int]) -> np.ndarray:
    """Resizes to the least that covers the run's size, antialiased as training does it."""
    width, height = image.size
    high, wide = least
    if width * high == height * wide:
        return decode.fitted(image, least)
    factor = max(wide / width, high / height)
    size = max(wide, round(width * factor)), max(high, round(height * factor))
    if math.prod(size) > decode.MAX_PIXELS:
        raise decode.Unreadable(f'{width}x{height} pixels would become {size[0]}x{size[1]}')
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))


def tiled(
    call: Callable[[np.ndarray], np.ndarray], image: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """An image of any size through a function of images of one size, uint8 [height, width, C].

    Returns:
      uint8 [H, W, C]. Where several tiles meet, each counts the more the farther from its own
      border; where there is one, it is what `call` returned.
    """
    height, width = image.shape[:2]
    image = _padded(image, size)
    rows, cols = map(starts, image.shape[:2], size)
    if len(rows) == len(cols) == 1:
        return call(image)[:height, :width]
    down, across = map(_weight, size)
    weight = np.outer(down, across)[..., None]
    total = np.zeros(image.shape, np.float32)
    for top, left in itertools.product(rows, cols):
        place = np.s_[top : top + size[0], left : left + size[1]]
        total[place] += weight * call(np.ascontiguousarray(image[place]))
    total /= np.outer(_cover(rows, down), _cover(cols, across))[..., None]
    return np.rint(total, out=total).astype(np.uint8)[:height, :width]


def _padded(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """At least of a size: what is missing at the bottom and the right is a reflection."""
    missing = [(0, max(0, s - length)) for s, length in zip(size, image.shape[:2], strict=True)]
    return np.pad(image, (*missing, (0, 0)), 'symmetric') if np.any(missing) else image


def starts(length: int, side: int) -> list[int]:
    """Where tiles begin along an axis: as few as overlap by a fourth, at even distances."""
    stride = side - side // OVERLAP
    count = 1 + max(0, -(-(length - side) // stride))
    return [round(i * (length - side) / max(count - 1, 1)) for i in range(count)]


def _weight(side: int) -> np.ndarray:
    """float32 [side]: rises over the overlap from a tile's border, to 1 at its end."""
    place = np.arange(side, dtype=np.float32) + 0.5
    return np.minimum(1, np.minimum(place, side - place) / (side // OVERLAP))


def _cover(begins: Sequence[int], line: np.ndarray) -> np.ndarray:
    """The sum of the weights of all tiles along an axis, float32 [length]."""
    total = np.zeros(begins[-1] + len(line), np.float32)
    for begin in begins:
        total[begin : begin + len(line)] += line
    return total


class Job(NamedTuple):
    """A file to translate: its name below the input, and where the result goes."""

    name: str
    output: Path


class Plan(NamedTuple):
    """All that is to be done."""

    files: image_files.Files  # the inputs lie in
    folder: Path  # that all results go into
    jobs: Sequence[Job]  # in the order of their names
    left_out: Sequence[image_files.LeftOut]  # files that will not be done


def plan(source: Path, output: Path, *, overwrite: bool) -> Plan:
    """Finds the inputs, and refuses to change them or what is there.

    Args:
      source: an image, a folder of images, or a .zip of one.
      output: of an image a .png file or a folder, otherwise a folder.
      overwrite: whether results that are there may be replaced.

    Raises:
      UserError: there is no image, or a result must not be written.
    """
    found = image_files.find(source, '--input')
    single = image_files.is_single(source)
    whole = _names_file(output, single)
    jobs, left_out = [], list(found.ignored)
    taken: dict[Path, str] = {}
    for name in found.names:
        inside = PurePosixPath(name)
        named = inside.with_name(paths.writable_name(files.stem(inside.name), '.png'))
        target = output if whole else output / named
        if target in taken:
            left_out.append(image_files.LeftOut(name, f'{taken[target]} has the same name'))
        else:
            taken[target] = image_files.shown(name)
            jobs.append(Job(name, target))
    _refuse_inputs(source, output, found, jobs)
    if there := [] if overwrite else [job.output for job in jobs if job.output.exists()]:
        raise UserError(
            f'--output={output}: {len(there)} of {len(jobs)} results are there, such as'
            f' {there[0]}: choose another, or pass --overwrite'
        )
    return Plan(found.files, output.parent if whole else output, jobs, left_out)


def _names_file(output: Path, single: bool) -> bool:
    """Whether the output is a file, by its suffix; a folder of several may be named v1.2."""
    if files.names_folder(output):
        return False
    if not single:
        raise UserError(f'--output={output}: of a folder of images give a folder')
    if output.suffix.lower() != '.png':
        raise UserError(f'--output={output}: must end with .png, or be a folder that exists')
    return True


def _refuse_inputs(
    source: Path, output: Path, found: image_files.ImageFolder, jobs: Sequence[Job]
) -> None:
    """Raises UserError if a result would be written among the inputs, or over one."""
    image_files.keep_out(source, '--input', output, '--output')
    read = {source.resolve()} | {(found.path / name).resolve() for name in found.names}
    for job in jobs:
        if job.output.resolve() in read:
            raise UserError(f'--output={output}: {job.output} is an input: name another place')


def translate(ready: Ready, todo: Plan) -> Iterator[tuple[str, Path | decode.Unreadable]]:
    """Translates and writes, one image after the other; the next ones are read meanwhile.

    Yields:
      the file's name, and where its translation is, or why there is none.

    Raises:
      UserError: a result cannot be written.
    """

    def read(job: Job) -> np.ndarray | decode.Unreadable:
        try:
            return ready.read(todo.files.read(job.name))
        except decode.Unreadable as error:
            return error

    for job, image in zip(todo.jobs, parallel.ordered_map(read, todo.jobs), strict=True):
        if isinstance(image, decode.Unreadable):
            yield image_files.shown(job.name), image
            continue
        made = ready(image)
        try:
            images.write_png(job.output, made)
        except OSError as error:
            raise UserError(
                f'--output: {job.output} cannot be written ({error.strerror}); what is done so far'
                ' is kept'
            ) from error
        yield image_files.shown(job.name), job.output
