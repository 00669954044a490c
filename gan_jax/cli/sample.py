"""Images from a trained generator.

A .png is a grid, a .gif a walk through the latent space, an .npz the arrays `image` and `label`
for --config.data.added, and a folder gets single files; one that holds others is refused.
--pick=3 takes sample 3 of the seed alone, --pick=3,17 --along=0.4 what lies between two of them,
and --walk=60 with it the way from one to the other. --latents=A.npz,B.npz does so with latents that
`gan-jax project` found. --directions=1.5,-2 moves along the directions in the latents that change
images the most, in standard deviations.
"""

from collections.abc import Callable, Sequence
import functools
import math
from typing import TYPE_CHECKING, Any

from absl import flags

from gan_jax.cli.flags import Invocation, define_overwrite, define_path, define_step
from gan_jax.errors import UserError
from gan_jax.fields import MOST_SAMPLES
from gan_jax.io.paths import shown

if TYPE_CHECKING:
    from gan_jax.use.sampling import Draw

REQUIRED = ('workdir', 'output')
DEFAULT_FRAMES = 60
FORMATS = ('.png', '.gif', '.npz')


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    define_path(values, 'workdir', 'the run')
    define_path(values, 'output', 'FILE.png, FILE.gif, FILE.npz or a folder')
    whole = functools.partial(flags.DEFINE_integer, flag_values=values)  # bounds: least, greatest
    number = functools.partial(flags.DEFINE_float, flag_values=values)
    words = functools.partial(flags.DEFINE_list, flag_values=values)
    whole('num', 64, 'images', 1, MOST_SAMPLES)
    whole('seed', 0, 'other seeds, other images', 0, 2**32 - 1)
    words('labels', [], 'classes in turn by name or number, or Smiling,-Male')
    whole('walk', 0, 'frames of a .gif', 0, 10_000)
    whole('scale', 1, 'pixels a side of each pixel, in pictures', 1, 64)
    number('truncation', 1.0, 'below 1, more alike and more typical', 0, 1)
    words('pick', [], 'one or two samples, from 0, in place of --num')
    words('latents', [], 'files of gan-jax project, in place of samples of the seed')
    number('along', 0.0, 'between two of --pick', 0, 1)
    words('directions', [], 'a number for each direction')
    define_step(values)
    define_overwrite(values)


def main(invocation: Invocation) -> None:
    """Samples, and writes the grid, the walk or the files."""
    import numpy as np

    from gan_jax import api, data
    from gan_jax.cli import outputs
    from gan_jax.io import files
    from gan_jax.processes import startup
    from gan_jax.terminal import progress
    from gan_jax.use import sampling

    values = invocation.flags
    suffix = values.output.suffix.lower()
    if values.walk and suffix != '.gif':
        raise UserError(
            f'--walk={values.walk} makes a .gif, and --output={shown(values.output)} is none'
        )
    picked = _picked(values)
    moves = _numbers(values.directions, '--directions', float, 'numbers')
    if files.names_folder(values.output):
        output = outputs.own_folder(values.output, overwrite=values.overwrite)
    else:
        output = outputs.file(values.output, *FORMATS, overwrite=values.overwrite)
    startup.prepare()
    run = api.load(values.workdir, values.step)
    data.keep_out(run.config.data, output, '--output')
    draw = run.draw(
        max(picked) + 1 if picked else values.num,
        seed=values.seed,
        labels=values.labels,
        truncation=values.truncation,
        scale=values.scale,
    )
    if values.latents:
        draw = sampling.of_files(draw, values.latents, run.config.latent_dim)
    with progress.waiting('compiling and sampling'):
        if moves:
            draw = draw._replace(shift=np.asarray(moves, np.float32) @ run.directions(len(moves)))
        if picked:
            draw = sampling.between(draw, picked[0], picked[-1], _along(values), run.config.latent)
        if suffix == '.gif' and picked:
            sampling.write_frames(output, list(draw.picture(draw.latent())))
        elif suffix == '.gif':
            sampling.write_walk(output, draw, values.walk or DEFAULT_FRAMES, run.config.latent)
        elif suffix == '.png':
            sampling.write_grid(output, draw)
        elif suffix == '.npz':
            sampling.write_arrays(output, draw)
        else:
            sampling.write_files(output, draw)
    print(f'wrote {shown(output)}: {draw.num} images of step {run.step}{_in_turn(draw)}')


def _numbers(words: list[str], flag: str, kind: Callable[[str], float], what: str) -> list[Any]:
    """The words of a flag as finite numbers."""
    try:
        found = [kind(word) for word in words]
        if all(map(math.isfinite, found)):
            return found
    except ValueError:
        pass
    raise UserError(f'{flag}={",".join(words)}: must be {what}')


def _picked(values: flags.FlagValues) -> list[int]:
    """The samples of --pick; none without it."""
    if values.latents:
        return _ends(values)
    found = _numbers(values.pick, '--pick', int, 'one or two whole numbers, such as 3,17')
    if len(found) > 2 or any(not 0 <= number < MOST_SAMPLES for number in found):
        raise UserError(
            f'--pick={",".join(values.pick)}: one or two samples, from 0 to {MOST_SAMPLES - 1:,}'
        )
    if values.along and len(found) < 2:
        raise UserError(f'--along={values.along:g} lies between two samples: give --pick=3,17')
    if values.output.suffix.lower() == '.gif' and len(found) == 1:
        raise UserError('--pick: a .gif goes from one sample to another: give two, such as 3,17')
    return found


def _ends(values: flags.FlagValues) -> list[int]:
    """The latents of --latents that a way leads between; none where it makes each of them."""
    for flag in ('pick', 'labels', 'num', 'seed', 'truncation'):
        if values[flag].present:
            raise UserError(f'--{flag} is of samples, and --latents names others: leave one out')
    if not (values.along or values.output.suffix.lower() == '.gif'):
        return []
    if len(values.latents) != 2:
        raise UserError(
            f'--latents={",".join(values.latents)}: the way from one to another needs two files'
        )
    return [0, 1]


def _along(values: flags.FlagValues) -> list[float]:
    """Where between two samples: a place, or, of a .gif, there and back."""
    if values.output.suffix.lower() != '.gif':
        return [values.along]
    frames = values.walk or DEFAULT_FRAMES
    return [1 - abs(1 - 2 * frame / frames) for frame in range(frames)]


def _in_turn(draw: 'Draw') -> str:
    from gan_jax.data import classes

    chosen, entries = draw.classes(), classes.labelled(draw.class_names)
    known = draw.sampler.mixed if draw.fixed is None else ()
    distinct = tuple(dict.fromkeys(chosen)) if known else chosen
    if not chosen:
        return ''

    def named(labels: Sequence[int]) -> str:
        return classes.listed([entries[label] for label in labels])

    often = 1 < len(distinct) < len(chosen)
    order = 'as often as training images are such' if often else 'in turn'
    text = f', classes {order}: {named(distinct)}'
    if strange := [label for label in distinct if known and label not in known]:
        text += f'; no training image is {named(strange)}: drawn by its attributes'
    return text
