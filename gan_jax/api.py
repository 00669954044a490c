"""The Python interface: train a GAN, and use a trained one.

    import gan_jax

    run = gan_jax.train('my_images', {'data.path': 'photos'}, callback=print)
    run = gan_jax.load('runs/my_images')

    run.sample(64, seed=0)          # uint8 [64, H, W, C], shown as a grid in a notebook
    run.interpolate(3, 17, 10)      # ten pictures from sample 3 to sample 17
    run.classify(image)             # probabilities, of a semi-supervised run
    run.translate(image)            # of a pix2pix run
    run.evaluate()                  # how good the samples are

Pictures are NumPy arrays, uint8. What a user can mend is a `UserError`, a line that says how.
"""

from collections.abc import Callable, Mapping, Sequence
import functools
from html import escape
import os
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self
import warnings

from ml_collections import ConfigDict
import numpy as np
from PIL import Image

from gan_jax import evaluation, observers, report, trainer
from gan_jax.config import experiments
from gan_jax.data import decode
from gan_jax.errors import UserError, of_python
from gan_jax.evaluation import text
from gan_jax.fields import MOST_SAMPLES
from gan_jax.io import files, images, paths, pixels
from gan_jax.pretrained import features as features_lib
from gan_jax.processes import startup
from gan_jax.use import (
    assessing,
    assessing_pairs,
    classifying,
    directions,
    sampling,
    sharing,
    trained,
    translating,
)
from gan_jax.use.trained import Trained

PathLike = str | os.PathLike[str]
Watch = Callable[[int, Mapping[str, Any]], Any]
SHOWN_SIDE = 112  # pixels that an image of few has at least, where a notebook shows it


class Images(np.ndarray):
    """Pictures, [N, H, W, C] or [H, W, C], grey, RGB or RGBA: an array of NumPy.

    uint8, or uint16 of a run with `config.data.deep`. Colours of RGBA are multiplied by alpha.

    A notebook shows it as a picture, of several images as a grid.
    """

    def __new__(cls, array: np.ndarray) -> Self:
        """A view of the array."""
        return np.asarray(array).view(cls)

    def _repr_png_(self) -> bytes | None:
        levels = self.dtype in (np.uint8, np.uint16)
        if not levels or self.ndim not in (3, 4) or self.shape[-1] not in (1, 3, 4):
            return None  # of what was made of pictures, such as their mean
        if not self.size:
            return None
        found = pixels.eight_bits(np.asarray(self))
        scale = -(-SHOWN_SIDE // max(found.shape[-3:-1])) if found.ndim == 3 else 1
        if found.ndim == 4:
            found = images.tile(found, int(np.ceil(np.sqrt(len(found)))))
        return images.png(found.repeat(scale, 0).repeat(scale, 1))


class Evaluation(dict[str, Any]):
    """The metrics of a run with all they were measured by, fit for JSON; printed as a table."""

    def __str__(self) -> str:
        return text.summary(self)

    def _repr_html_(self) -> str:
        return f'<pre>{escape(str(self))}</pre>'


class Run:
    """A trained run, or a folder that was shared by `gan-jax export --format=folder`.

    Attributes:
      workdir: its folder.
      config: all settings it was trained with.
      step: of the state in use.
      image_shape: (H, W, C) of its images.
      class_names: of its classes, by number; empty if it has none.
    """

    def __init__(self, workdir: Path, run: Trained):
        """Takes a loaded run; see `load`."""
        self.workdir = workdir
        self.trained = run
        self.config: ConfigDict = run.config
        self.step = int(run.state.step)
        self.image_shape = run.image_shape
        self.class_names = run.class_names

    def __repr__(self) -> str:
        shape = 'x'.join(map(str, self.image_shape))
        return f'<gan_jax.Run {self.config.name!r}, step {self.step:,}, {shape}, {self.workdir}>'

    def sample(
        self,
        num: int = 64,
        *,
        seed: int = 0,
        labels: Sequence[int | str] = (),
        truncation: float = 1.0,
    ) -> Images:
        """`Images` [num, H, W, C] from the generator; the n-th does not depend on their number.

        Args:
          num: images.
          seed: other seeds, other images.
          labels: classes in turn, by name or number; all of them if empty. Of a run with attributes
            also such, `['Smiling', '-Male']`: others come as often as in the training images.
          truncation: from 0 to 1; below 1 they are more alike and more typical.

        Raises:
          UserError: the generator starts from images, or there is no such class.
        """
        draw = self.draw(num, seed=seed, labels=labels, truncation=truncation)
        return Images(sampling.generate(draw, draw.latent()))

    def interpolate(
        self,
        start: int,
        end: int,
        frames: int | Sequence[float] = 8,
        *,
        seed: int = 0,
        labels: Sequence[int | str] = (),
        truncation: float = 1.0,
        shift: np.ndarray | float = 0.0,
    ) -> Images:
        """`Images` [frames, H, W, C] from one sample to another, all of the first one's class.

        Args:
          start, end: which of `sample(..., seed=seed, labels=labels, truncation=truncation)`.
          frames: how many, at even distances and with both ends, or the places, from 0 to 1.
          seed, labels, truncation: of the samples; see `sample`.
          shift: what is added to their latents, such as `2 * run.directions(1)[0]`.

        Raises:
          UserError: as `sample`, or there is no such sample or place.
        """
        if min(start, end) < 0:
            raise UserError(f'start={start}, end={end}: samples are counted from 0')
        along = np.linspace(0, 1, frames) if isinstance(frames, int) else np.asarray(frames)
        if not len(along) or not ((along >= 0) & (along <= 1)).all():
            raise UserError(f'frames={frames}: must be a number of frames, or places from 0 to 1')
        draw = self.draw(
            max(start, end) + 1, seed=seed, labels=labels, truncation=truncation, shift=shift
        )
        draw = sampling.between(draw, start, end, along.tolist(), self.config.latent)
        return Images(sampling.generate(draw, draw.latent()))

    def latents(self, num: int, *, seed: int = 0, truncation: float = 1.0) -> np.ndarray:
        """The latents of `sample`, float32 [num, latent_dim]."""
        return self.draw(num, seed=seed, truncation=truncation).latent()

    @of_python()
    def generate(self, latents: np.ndarray, labels: np.ndarray | int = 0) -> Images:
        """Images [N, H, W, C] of latents [N, latent_dim] and numbers of classes [N].

        Raises:
          UserError: the generator starts from images, or takes other latents.
        """
        z = np.asarray(latents, np.float32)
        if z.ndim != 2 or z.shape[1] != self.config.latent_dim:
            raise UserError(f'latents{list(z.shape)}: must be [N, {self.config.latent_dim}]')
        label = np.broadcast_to(np.asarray(labels, np.int32), len(z))
        sampler = trained.sampler_of(self.trained.task)
        return Images(sampling.generated(sampler, self.trained.state, z, label))

    @functools.cached_property
    def _directions(self) -> np.ndarray:
        count = min(self.config.latent_dim, directions.MOST)
        return directions.find(trained.sampler_of(self.trained.task), self.trained.state, count)

    @of_python()
    def directions(self, count: int = 6) -> np.ndarray:
        """Directions, float32 [count, latent_dim], along which images change the most (GANSpace).

        The strongest first, one standard deviation each; see `gan_jax.use.directions`.

        Raises:
          UserError: the generator starts from images, or has fewer.
        """
        found = self._directions
        if not 0 <= count <= len(found):
            raise UserError(f'directions: there are {len(found)}, not {count}')
        return found[:count]

    @of_python()
    def draw(
        self,
        num: int,
        *,
        seed: int = 0,
        labels: Sequence[int | str] = (),
        truncation: float = 1.0,
        shift: np.ndarray | float = 0.0,
        scale: int = 1,
    ) -> sampling.Draw:
        """The latents that `sample` takes."""
        if not 1 <= num <= MOST_SAMPLES:
            raise UserError(f'num={num}: must be at least 1 and at most {MOST_SAMPLES:,}')
        if not 0 <= seed < 2**32:
            raise UserError(f'seed={seed}: must be from 0 to {2**32 - 1:,}')
        if not 0 <= truncation <= 1:
            raise UserError(f'truncation={truncation}: must be from 0 to 1')
        sampler = trained.sampler_of(self.trained.task)
        names = self.class_names or tuple(map(str, range(sampler.num_classes)))
        chosen = sampling.parse_labels(list(map(str, labels)), sampler, names)
        return sampling.Draw(
            sampler, self.trained.state, num, seed, chosen, names, scale, truncation, shift
        )

    @of_python()
    def classify(self, pictures: Any, *, invert: bool = False) -> np.ndarray:
        """Probabilities of the classes, by a semi-supervised run.

        Args:
          pictures: one, or a sequence: each uint8 [H, W], [H, W, 1] or [H, W, 3], of any size,
            a picture of Pillow, or a file's path.
          invert: turn negatives of what the run learned, such as black ink on white.

        Returns:
          float32 [N, classes], in the order of `class_names`; [classes] of a single picture.

        Raises:
          UserError: the run has no classifier, a picture is none, or negatives cannot be told.
        """
        if invert:
            classifying.check_negatives(self.trained, 'invert=True')
        classifier = self._classifier
        single, given = _several(pictures, classifying.channels(self.trained))
        found = [classifying.picture(image, self.trained, invert) for image in given]
        odd = [(seen.look, f'number {number}') for number, seen in enumerate(found) if seen.look]
        for line in classifying.remarks(self.trained, odd, len(found), invert, 'invert=True'):
            warnings.warn(line.removeprefix('warning: '), stacklevel=2)
        probability = classifier(np.stack([seen.image for seen in found]))
        return probability[0] if single else probability

    @functools.cached_property
    def _classifier(self) -> classifying.Classifier:
        return classifying.Classifier(self.trained)

    @of_python()
    def translate(
        self, pictures: Any, *, seed: int = 0, resize: bool = False, as_is: bool = False
    ) -> Images | list[Images]:
        """Images from images, by a pix2pix run; each has the size of its input.

        Args:
          pictures: as of `classify`, one or a sequence. Where training made its inputs from
            photos, so does this.
          seed: of dropout, if the run has `config.translation.dropout`.
          resize: first bring the short side to the run's size.
          as_is: the pictures are inputs already, edges for example.

        Returns:
          uint8 [H, W, 3], or a list of such.

        Raises:
          UserError: the run translates nothing, or a picture is none, or too small.
        """
        ready = translating.Ready(self.trained, translating.Options(seed, resize, as_is))
        single, given = _several(pictures)
        try:
            made = [Images(ready(ready.prepare(image))) for image in given]
        except decode.Unreadable as error:
            raise UserError(f'pictures: {error}') from None
        return made[0] if single else made

    @of_python()
    def evaluate(
        self,
        num_samples: int = 10_000,
        *,
        features: str = '',
        weights: PathLike | None = None,
        reference: PathLike | None = None,
    ) -> Evaluation:
        """Measures how good the images are, and writes it into the workdir, as `gan-jax evaluate`.

        Args:
          num_samples: generated images; of a translator pairs, at most.
          features: the feature net; '' chooses.
          weights: a file with the weights of inception.
          reference: a folder of images to measure against.

        Returns:
          what is written to evaluation.json; `print` shows it as a table.

        Raises:
          UserError: there are too few images, or those of the run are not to be had.
        """
        run, weights = self.trained, str(weights or '')
        if not os.access(self.workdir, os.W_OK):  # before hours of measuring
            raise UserError(f'{self.workdir}: the folder cannot be written; copy it')
        folder = paths.absolute(reference, '--reference') if reference else None
        name = features or observers.usual_net(run.config)

        def net() -> evaluation.FeatureNet:
            return evaluation.load_net(name, weights)

        if run.task.translator:
            features_lib.check(name, weights)
            found = assessing_pairs.assess(run, self.workdir, num_samples, folder, net)
        elif run.task.sampler:
            real = assessing.real_images(run, self.workdir, net(), folder)
            found, picture = assessing.assess(run, real, num_samples)
            assessing.write(self.workdir, found, picture)
        else:
            raise UserError(f'{self.workdir}: it makes no images that can be measured')
        report.write(self.workdir)
        return Evaluation(found)


@of_python()
def load(
    workdir: PathLike,
    step: int | str = 0,
    *,
    moved: Mapping[str, PathLike] = MappingProxyType({}),
) -> Run:
    """A trained run, or a shared folder, for use.

    Args:
      workdir: the run's folder.
      step: of which checkpoint; 0: the newest; 'best': by config.evaluate.best.
      moved: fields such as 'data.path' that are elsewhere than when the run was trained.

    Raises:
      UserError: there is no run, or no such whole checkpoint.
    """
    _prepared()
    workdir = paths.absolute(workdir, '--workdir')
    places = {field: paths.absolute(path, f'config.{field}') for field, path in moved.items()}
    return Run(workdir, trained.load(workdir, step, pick=sharing.in_use, moved=places))


@of_python()
def train(
    config: str | ConfigDict = 'quickstart',
    changes: Mapping[str, Any] = MappingProxyType({}),
    workdir: PathLike = '',
    *,
    overwrite: bool = False,
    callback: Watch | None = None,
) -> Run:
    """Trains, or resumes what is in the workdir, with a progress bar.

    An interrupt (the stop button of a notebook) saves the state; the same call goes on from there.

    Args:
      config: an experiment NAME[:PRESET], a file FILE.py[:PRESET], or a config, as `run.config`.
      changes: of its fields, by dotted path, such as {'data.path': 'photos', 'steps': 4_000}.
      workdir: the run's folder; runs/NAME if empty.
      overwrite: delete an earlier run in it first.
      callback: called every `log_every` steps with the step and a mapping of what metrics.jsonl
        gets of it; if it returns True, training stops and the state is saved.

    Returns:
      the run at its last saved step.

    Raises:
      UserError: something the user can mend; what was saved is whole.
    """
    _prepared()
    if isinstance(config, str):
        title, chosen = experiments.title(config), experiments.load(config)
    else:
        title, chosen = '', config.copy_and_resolve_references()
    experiments.change(chosen, changes)
    paths.resolve(chosen)
    if not (workdir or title):
        raise UserError('train: a config without a name needs a workdir')
    folder = paths.absolute(workdir or Path('runs', title), '--workdir')
    command = f'gan_jax.train(..., workdir={str(workdir or folder)!r})'
    trainer.train(chosen, folder, overwrite=overwrite, command=command, watch=callback)
    return load(folder)


@functools.cache
def _prepared() -> None:
    """Prepares the process for compiled programs, once."""
    startup.prepare()


def _several(given: Any, channels: int = 3) -> tuple[bool, list[Image.Image]]:
    """Whether a single picture is given, and the pictures as RGB; files with so many channels."""
    if isinstance(given, str | os.PathLike | Image.Image):
        return True, [_picture(given, channels)]
    if isinstance(given, np.ndarray) and given.ndim < 4 and not _is_stack(given):
        return True, [_picture(given, channels)]
    return False, [_picture(entry, channels) for entry in given]


def _is_stack(array: np.ndarray) -> bool:
    """Whether an array of three axes is grey images [N, H, W] rather than one [H, W, C]."""
    return array.ndim == 3 and array.shape[-1] not in (1, 3)


def _picture(given: Any, channels: int) -> Image.Image:
    """A picture as RGB, or a file with so many channels."""
    if isinstance(given, str | os.PathLike):
        path = paths.absolute(given, 'pictures')
        try:
            return decode.read(files.regular(path).read_bytes(), channels=channels)
        except (OSError, decode.Unreadable) as error:
            raise UserError(f'pictures: {path} cannot be read ({error})') from None
    array = np.asarray(given)
    grey = array.ndim == 2 or (array.ndim == 3 and array.shape[-1] == 1)
    if array.dtype != np.uint8 or not array.size or not (grey or array.shape[2:] == (3,)):
        raise UserError(
            f'pictures: {array.dtype} {list(array.shape)}: must be uint8 [H, W], [H, W, 1] or'
            ' [H, W, 3]'
        )
    return Image.fromarray(array.reshape(array.shape[:2]) if grey else array).convert('RGB')
