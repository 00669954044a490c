"""Images from a trained generator.

A .png is a grid, a .gif a walk through the latent space, an .npz the arrays `image` and `label`
for --config.data.added, and a folder gets single files; one that holds others is refused.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from gan_jax.cli.flags import Invocation, define_overwrite, define_step

if TYPE_CHECKING:
    from gan_jax.sampling import Draw

REQUIRED = ('workdir', 'output')
DEFAULT_FRAMES = 60
FORMATS = ('.png', '.gif', '.npz')


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    flags.DEFINE_string('workdir', None, 'the run', flag_values=values)
    text = 'FILE.png, FILE.gif, FILE.npz or a folder'
    flags.DEFINE_string('output', None, text, flag_values=values)
    flags.DEFINE_integer('num', 64, 'images', lower_bound=1, flag_values=values)
    flags.DEFINE_integer(
        'seed', 0, 'other seeds, other images', lower_bound=0, upper_bound=2**32 - 1,
        flag_values=values,
    )  # fmt: skip
    flags.DEFINE_list('labels', [], 'classes in turn, by name or number', flag_values=values)
    flags.DEFINE_integer('walk', 0, 'frames of a .gif', lower_bound=0, flag_values=values)
    define_step(values)
    define_overwrite(values)


def main(invocation: Invocation) -> None:
    """Samples, and writes the grid, the walk or the files."""
    from gan_jax import data, files, sampling, trained
    from gan_jax.cli import outputs, startup
    from gan_jax.errors import UserError

    values = invocation.flags
    suffix = Path(values.output).suffix.lower()
    if values.walk and suffix != '.gif':
        raise UserError(f'--walk={values.walk} makes a .gif, and --output={values.output} is none')
    if files.names_folder(Path(values.output)):
        output = outputs.own_folder(values.output, overwrite=values.overwrite)
    else:
        output = outputs.file(values.output, *FORMATS, overwrite=values.overwrite)
    startup.prepare()
    run = trained.load(Path(values.workdir), values.step)
    data.keep_out(run.config.data, output, '--output')
    if run.task.sampler is None:
        raise UserError(f'--workdir={values.workdir}: its generator does not start from a latent')
    sampler = run.task.sampler
    names = run.class_names or tuple(map(str, range(sampler.num_classes)))
    labels = sampling.parse_labels(values.labels, sampler.num_classes, names)
    draw = sampling.Draw(sampler, run.state, values.num, values.seed, labels, names)
    if suffix == '.gif':
        sampling.write_walk(output, draw, values.walk or DEFAULT_FRAMES, run.config.latent)
    elif suffix == '.png':
        sampling.write_grid(output, draw)
    elif suffix == '.npz':
        sampling.write_arrays(output, draw)
    else:
        sampling.write_files(output, draw)
    print(f'wrote {output}: {values.num} images of step {int(run.state.step)}{_in_turn(draw)}')


def _in_turn(draw: 'Draw') -> str:
    from gan_jax.data import classes

    entries = classes.labelled(draw.class_names)
    turn = classes.listed([entries[label] for label in draw.classes()])
    return f', classes in turn: {turn}' if turn else ''
