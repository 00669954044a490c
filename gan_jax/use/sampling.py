"""Grids, files and walks from a trained generator."""

from collections.abc import Iterator, Sequence
import functools
import math
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.data import added, classes
from gan_jax.errors import UserError
from gan_jax.evaluation import samples
from gan_jax.io import files, images, paths, pixels
from gan_jax.states import GanState, Sampler
from gan_jax.tasks import latents
from gan_jax.types import Batch

STOPS = 4  # latents that a walk visits before it is back where it began
FRAME_MS = 80
DRAWN_AT_ONCE = 64  # latents, in multiples of which they are drawn: another number compiles anew


class Draw(NamedTuple):
    """Which images: of what generator, how many, from which seed and of which classes."""

    sampler: Sampler  # the generator
    state: GanState  # the generator
    num: int  # images
    seed: int  # of their latents
    labels: tuple[int, ...]  # classes in turn; those of the sampler if empty
    class_names: tuple[str, ...] = ()  # of the set; empty where they are not known
    scale: int = 1  # pixels a side of each pixel in a picture
    truncation: float = 1.0  # see `gan_jax.tasks.latents.Latent`
    shift: np.ndarray | float = 0.0  # what is added to each latent, float32 [latent_dim]
    # latents in place of those of the seed, float32 [num, latent_dim]
    fixed: np.ndarray | None = None

    def classes(self) -> tuple[int, ...]:
        """Classes that come in turn; empty for an unconditional generator."""
        return self.labels or self.sampler.classes

    def label(self) -> np.ndarray:
        """The class of each image, int32 [num]; zeros if there are none."""
        return np.resize(np.array(self.classes() or (0,), np.int32), self.num)

    def latent(self, stop: int = 0) -> np.ndarray:
        """float32 [num, latent_dim], others for each `stop` of a walk."""
        key = jax.random.fold_in(jax.random.key(self.seed), stop)
        z = self.fixed
        if z is None:
            drawn = -(-self.num // DRAWN_AT_ONCE) * DRAWN_AT_ONCE
            z = np.asarray(self.sampler.latent(key, drawn, self.truncation))[: self.num]
        return z + self.shift

    def columns(self) -> int:
        """Near to a square, with the classes one below the other if some were asked for."""
        side, classes = math.ceil(math.sqrt(self.num)), len(self.labels)
        classes *= classes == len(set(self.labels))  # and not as often as training images have them
        return classes * max(1, round(side / classes)) if 1 < classes <= 2 * side else side

    def picture(self, z: np.ndarray) -> np.ndarray:
        """Images of latents [num, latent_dim], enlarged: [num, scale * H, scale * W, C]."""
        made = generate(self, z)
        return made.repeat(self.scale, 1).repeat(self.scale, 2)


def parse_labels(
    words: Sequence[str], sampler: Sampler, class_names: Sequence[str]
) -> tuple[int, ...]:
    """The classes that --labels names.

    Raises:
      UserError: the generator has no classes, or not this one.
    """
    if words and not sampler.num_classes:
        raise UserError(
            f'--labels={",".join(words)}: the generator is unconditional, it was trained without'
            ' classes: leave it out'
        )
    return classes.parse(words, class_names, '--labels', sampler.mixed)


def generate(draw: Draw, z: np.ndarray) -> np.ndarray:
    """Images [num, H, W, C] of latents [num, latent_dim], of the type of `Sampler.generate`."""
    return generated(draw.sampler, draw.state, z, draw.label())


def generated(sampler: Sampler, state: GanState, z: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Images [N, H, W, C] of latents [N, latent_dim] and classes int32 [N], of such a type."""
    call = _compiled(sampler.generate)
    return np.concatenate(list(samples.in_chunks(call, state, z, label)))


# JAX keeps what it finds out of each function that is jitted, and a page draws all day.
_compiled = functools.lru_cache(jax.jit)


def of_files(draw: Draw, names: Sequence[str], latent_dim: int) -> Draw:
    """A draw of the first latent in each file of `projecting.write`, in its class.

    Raises:
      UserError: one cannot be read, or is of another run's latents.
    """
    num_classes = draw.sampler.num_classes
    found = [_of_file(paths.absolute(name, '--latents'), latent_dim, num_classes) for name in names]
    z, labels = zip(*found, strict=True)
    return draw._replace(num=len(z), fixed=np.stack(z), labels=labels if num_classes else ())


def _of_file(path: Path, latent_dim: int, num_classes: int) -> tuple[np.ndarray, int]:
    try:
        with files.regular(path).open('rb') as file, np.load(file, allow_pickle=False) as arrays:
            z = np.asarray(arrays['latent'], np.float32)[0]
            label = int(arrays['label'][0])
    except added.UNREADABLE as error:
        raise UserError(
            f'--latents={paths.shown(path)}: no .npz file of gan-jax project{added.why(error)}'
        ) from None
    own = z.shape == (latent_dim,) and np.isfinite(z).all() and 0 <= label < max(num_classes, 1)
    if not own:
        raise UserError(
            f'--latents={paths.shown(path)}: no latent of {latent_dim} entries in a class of this'
            ' run: project the photo with it'
        )
    return z, label


def write_grid(path: Path, draw: Draw) -> None:
    """One PNG of all images."""
    images.write_png(path, images.tile(draw.picture(draw.latent()), draw.columns()))


def write_files(folder: Path, draw: Draw) -> None:
    """One PNG an image: 00000.png, or 00000_3_fox.png with its class."""
    label = draw.label()
    for number, image in enumerate(draw.picture(draw.latent())):
        name = f'{number:05d}'
        if draw.sampler.num_classes:
            name += f'_{classes.in_file_name(label[number], draw.class_names)}'
        images.write_png(folder / f'{name}.png', image)


def write_arrays(path: Path, draw: Draw) -> None:
    """An .npz file of all images and their classes, which `config.data.added` adds to a set."""
    names = draw.class_names if draw.sampler.num_classes else ()
    added.write(path, Batch(generate(draw, draw.latent()), draw.label()), names)


def between(draw: Draw, start: int, end: int, along: Sequence[float], latent: str) -> Draw:
    """A draw of what lies `along`, from 0 to 1, between two samples, in the class of the first."""
    first, last = (jnp.asarray(draw.latent()[[number]] - draw.shift) for number in (start, end))
    path = latents.DISTRIBUTIONS[latent].between
    return draw._replace(
        num=len(along),
        labels=(int(draw.label()[start]),) if draw.sampler.num_classes else (),
        fixed=np.concatenate([path(first, last, place) for place in along]),
    )


def walk(draw: Draw, frames: int, latent: str) -> Iterator[np.ndarray]:
    """Latents [num, latent_dim] of each frame of a closed walk through STOPS random ones."""
    between = latents.DISTRIBUTIONS[latent].between
    stops = [jnp.asarray(draw.latent(stop)) for stop in range(STOPS)]
    for frame in range(frames):
        stop, along = divmod(frame * STOPS / frames, 1)
        start, end = stops[int(stop)], stops[(int(stop) + 1) % STOPS]
        yield np.asarray(between(start, end, along))


def write_walk(path: Path, draw: Draw, frames: int, latent: str) -> None:
    """An animated GIF of a walk that loops without a jump."""
    write_frames(
        path, [images.tile(draw.picture(z), draw.columns()) for z in walk(draw, frames, latent)]
    )


def write_frames(path: Path, frames: Sequence[np.ndarray]) -> None:
    """An animated GIF of pictures [H, W, C], without an end."""
    import io

    from PIL import Image

    seen = [pixels.checkered(pixels.eight_bits(frame)) for frame in frames]
    pictures = [Image.fromarray(np.squeeze(frame)) for frame in seen]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, 'GIF', save_all=True, append_images=pictures[1:], duration=FRAME_MS, loop=0
    )
    files.replace(path, buffer.getvalue())
