"""Images from images, by the generator of a pix2pix run and nothing else.

--input is an image, a folder or a .zip of images; --output a .png file or a folder, with the same
sub-folders and STEM.png for each. Where training made its inputs from photos (grey, canny), so
does this; --as_is takes the files for inputs. The result has the size of the image: smaller ones
than the run's are padded, larger ones cut into overlapping tiles; --resize brings the short side
to the run's size first. Files that cannot be read are named, and the others done.
"""

from absl import flags

from gan_jax.cli.flags import Invocation, define_overwrite, define_path
from gan_jax.errors import UserError

REQUIRED = ('workdir', 'input', 'output')


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    define_path(values, 'workdir', 'the run')
    define_path(values, 'input', 'an image, a folder of images, or a .zip of one')
    define_path(values, 'output', 'FILE.png or a folder')
    text = "float32 or bfloat16, in place of the run's"
    flags.DEFINE_string('precision', '', text, flag_values=values)
    for name, text in (
        ('seed', 'of dropout, if the run has config.translation.dropout'),
        ('step', 'of which checkpoint; 0: the newest'),
    ):
        flags.DEFINE_integer(name, 0, text, 0, 2**32 - 1, flag_values=values)
    for name, text in (
        ('as_is', 'the files are inputs already, edges for example'),
        ('resize', "first bring the short side to the run's size"),
    ):
        flags.DEFINE_bool(name, False, text, flag_values=values)
    define_overwrite(values)


def main(invocation: Invocation) -> None:
    """Translates, with one line on stderr for each file that could not be."""
    from gan_jax import data, fields
    from gan_jax.cli import outputs
    from gan_jax.data import decode
    from gan_jax.processes import startup
    from gan_jax.terminal.progress import Progress
    from gan_jax.use import trained, translating

    values = invocation.flags
    source, output = values.input, values.output
    if values.precision and values.precision not in fields.PRECISIONS:
        names = ' or '.join(fields.PRECISIONS)
        raise UserError(f'--precision={values.precision}: must be {names}')
    plan = translating.plan(source, output, overwrite=values.overwrite)
    several = len(plan.jobs) > 1
    outputs.own_folder(plan.folder, overwrite=values.overwrite or not several)
    startup.prepare()
    options = translating.Options(values.seed, values.resize, values.as_is)
    run = trained.load(
        values.workdir, values.step, pick=translating.generator, precision=values.precision
    )
    ready = translating.Ready(run, options)
    data.keep_out(ready.config.data, output, '--output')
    total, done = len(plan.jobs) + len(plan.left_out), 0
    with Progress(len(plan.jobs), description='translate', unit='image') as progress:
        for item in plan.left_out:
            progress.message(f'not translated: {item}')
        for number, (name, result) in enumerate(translating.translate(ready, plan), 1):
            if not isinstance(result, decode.Unreadable):
                done += 1
            elif total > 1:
                progress.message(f'unreadable: {name}: {result}')
            else:
                raise UserError(f'--input={source}: {result}')
            progress.update(number)
    if not done:
        raise UserError(f'--input={source}: no image in it can be translated')
    print(f'wrote {output}: {done} of {total} images')
