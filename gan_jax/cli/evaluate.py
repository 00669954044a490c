"""How good a run's images are: distances to real ones, copies, collapse, noise.

Written to evaluation.json, neighbours.png and the report in the workdir, and printed. Measured
against the split 'test' of the run's data if it has one, else against its training images. See
docs/evaluation.md for what each figure means.
"""

from pathlib import Path

from absl import flags

from gan_jax.cli.flags import Invocation, define_step

REQUIRED = ('workdir',)


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    flags.DEFINE_string('workdir', None, 'the run', flag_values=values)
    flags.DEFINE_integer(
        'num_samples', 10_000, 'generated images', lower_bound=1, upper_bound=100_000,
        flag_values=values,
    )  # fmt: skip
    define_step(values)
    for name, text in (
        ('features', 'digits (the default for grey images), efficientnet_lite0 or inception'),
        ('weights', 'a file with the weights of inception'),
        ('reference', 'a folder of images, of the size of the samples, to measure against'),
    ):
        flags.DEFINE_string(name, '', text, flag_values=values)


def main(invocation: Invocation) -> None:
    """Measures, writes and prints."""
    from gan_jax import evaluation, report, trained
    from gan_jax.cli import outputs, startup
    from gan_jax.errors import UserError
    from gan_jax.evaluation import assess, features, text

    values = invocation.flags
    workdir = Path(values.workdir)
    startup.prepare()
    run = trained.load(workdir, values.step)
    outputs.folder(values.workdir, flag='--workdir')
    if run.task.sampler is None:
        raise UserError(f'--workdir={workdir}: its generator does not start from a latent')
    net = evaluation.load_net(values.features or features.default(run.image_shape), values.weights)
    real = assess.real_images(run, workdir, net, values.reference)
    found, picture = assess.assess(run, real, values.num_samples)
    assess.write(workdir, found, picture)
    report.write(workdir)
    print(f'{found["run"]}, step {found["step"]:,}')
    for name, value in text.provenance(found).items():
        print(f'  {name:14} {value}')
    table = text.rows(found)
    widths = [max(len(row[column]) for row in table) for column in (0, 1)]
    for row in table:
        print(f'{row.name:{widths[0]}}  {row.value:{min(widths[1], 16)}}  {row.meaning}')
    for note in found['notes']:
        print(f'note: {note}')
    print(f'wrote {workdir}/{assess.RESULT} and {workdir}/report.html')
