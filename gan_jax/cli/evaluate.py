"""How good a run's images are: distances to real ones, copies, collapse, noise.

Written to evaluation.json, neighbours.png and the report in the workdir, and printed. Measured
against the split 'test' of the run's data if it has one, else against its training images. Of a
pix2pix run the distance of its translations to the photos, of training pairs, of held-out ones
and, with --reference, of the photos in a folder. See docs/reference/metrics.md for what each figure means.
"""

from typing import Any

from absl import flags

from gan_jax.cli.flags import Invocation, define_moved, define_path, define_step, moved

REQUIRED = ('workdir',)


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    define_path(values, 'workdir', 'the run')
    flags.DEFINE_integer(
        'num_samples', 10_000, 'generated images', lower_bound=1, upper_bound=100_000,
        flag_values=values,
    )  # fmt: skip
    define_step(values)
    text = 'digits (default for grey), efficientnet_lite0, squeezenet or inception'
    flags.DEFINE_string('features', '', text, flag_values=values)
    define_path(values, 'weights', 'a file with the weights of inception')
    text = 'a folder of images, of the size of the samples, to measure against'
    define_path(values, 'reference', text)
    define_moved(values)


def main(invocation: Invocation) -> None:
    """Measures, writes and prints."""
    from gan_jax import evaluation, nets, report
    from gan_jax.cli import outputs, startup
    from gan_jax.errors import UserError
    from gan_jax.pretrained import features
    from gan_jax.use import assessing, assessing_pairs, trained

    values = invocation.flags
    workdir = values.workdir
    weights = str(values.weights or '')
    startup.prepare()
    run = trained.load(workdir, values.step, moved=moved(values))
    outputs.folder(workdir, flag='--workdir')  # written to after hours of measuring

    name = values.features or features.default(run.image_shape, nets.looked_through(run.config))

    def net() -> evaluation.FeatureNet:
        return evaluation.load_net(name, weights)

    if run.task.translator:
        features.check(name, weights)
        found = assessing_pairs.assess(run, workdir, values.num_samples, values.reference, net)
    elif run.task.sampler:
        real = assessing.real_images(run, workdir, net(), values.reference)
        found, picture = assessing.assess(run, real, values.num_samples)
        assessing.write(workdir, found, picture)
    else:
        raise UserError(f'--workdir={workdir}: its generator makes no images that can be measured')
    report.write(workdir)  # before any line is printed, which may fail
    (_print_pairs if run.task.translator else _print_figures)(found)
    print(f'wrote {workdir}/{assessing.RESULT} and {workdir}/report.html')


def _print_head(found: dict[str, Any], provenance: dict[str, str]) -> None:
    print(f'{found["run"]}, step {found["step"]:,}')
    for name, value in provenance.items():
        print(f'  {name:14} {value}')


def _print_figures(found: dict[str, Any]) -> None:
    from gan_jax.evaluation import text

    _print_head(found, text.provenance(found))
    table = text.rows(found)
    widths = [max(len(row[column]) for row in table) for column in (0, 1)]
    for row in table:
        print(f'{row.name:{widths[0]}}  {row.value:{min(widths[1], 16)}}  {row.meaning}')
    _print_notes(found)


def _print_notes(found: dict[str, Any]) -> None:
    for note in found['notes']:
        print(f'note: {note}')


def _print_pairs(found: dict[str, Any]) -> None:
    from gan_jax.evaluation import text

    _print_head(found, text.pair_sets(found))
    table = text.pair_rows(found)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print(
            '  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    _print_notes(found)
