"""Images from a trained generator.

A .png is a grid, a .gif a walk through the latent space, an .npz the arrays `image` and `label`
for --config.data.added, and a folder gets single files; one that holds others is refused.
"""

from absl import flags

from gan_jax.cli.flags import Invocation, define_overwrite, define_path, define_step
from gan_jax.paths import shown

REQUIRED = ('workdir', 'output')
DEFAULT_FRAMES = 60
FORMATS = ('.png', '.gif', '.npz')


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    define_path(values, 'workdir', 'the run')
    define_path(values, 'output', 'FILE.png, FILE.gif, FILE.npz or a folder')
    flags.DEFINE_integer('num', 64, 'images', lower_bound=1, flag_values=values)
    flags.DEFINE_integer(
        'seed', 0, 'other seeds, other images', lower_bound=0, upper_bound=2**32 - 1,
        flag_values=values,
    )  # fmt: skip
    flags.DEFINE_list('labels', [], 'classes in turn, e.g. 0,1,2', flag_values=values)
    flags.DEFINE_integer('walk', 0, 'frames of a .gif', lower_bound=0, flag_values=values)
    define_step(values)
    define_overwrite(values)


def main(invocation: Invocation) -> None:
    """Samples, and writes the grid, the walk or the files."""
    from gan_jax import data, files
    from gan_jax.cli import outputs, startup
    from gan_jax.errors import UserError
    from gan_jax.terminal import progress
    from gan_jax.use import sampling, trained

    values = invocation.flags
    suffix = values.output.suffix.lower()
    if values.walk and suffix != '.gif':
        raise UserError(
            f'--walk={values.walk} makes a .gif, and --output={shown(values.output)} is none'
        )
    if files.names_folder(values.output):
        output = outputs.own_folder(values.output, overwrite=values.overwrite)
    else:
        output = outputs.file(values.output, *FORMATS, overwrite=values.overwrite)
    startup.prepare()
    run = trained.load(values.workdir, values.step)
    data.keep_out(run.config.data, output, '--output')
    sampler = trained.sampler_of(run.task)
    labels = sampling.parse_labels(values.labels, sampler.num_classes)
    draw = sampling.Draw(sampler, run.state, values.num, values.seed, labels)
    with progress.waiting('compiling and sampling'):
        if suffix == '.gif':
            sampling.write_walk(output, draw, values.walk or DEFAULT_FRAMES, run.config.latent)
        elif suffix == '.png':
            sampling.write_grid(output, draw)
        elif suffix == '.npz':
            sampling.write_arrays(output, draw)
        else:
            sampling.write_files(output, draw)
    print(f'wrote {shown(output)}: {values.num} images of step {int(run.state.step)}')
