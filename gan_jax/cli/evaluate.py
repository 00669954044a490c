"""How good a run's images are: distances to real ones, copies, collapse, noise.

Written to evaluation.json, neighbours.png and the report in the workdir, and printed. Measured
against the split 'test' of the run's data if it has one, else against its training images. Of a
pix2pix run the distance of its translations to the photos, of training pairs, of held-out ones
and, with --reference, of the photos in a folder. docs/reference/metrics.md says what each means.
"""

from absl import flags

from gan_jax.cli.flags import Invocation, define_moved, define_path, define_step, moved

REQUIRED = ('workdir',)


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    define_path(values, 'workdir', 'the run')
    flags.DEFINE_integer('num_samples', 10_000, 'generated images', 1, 100_000, flag_values=values)
    define_step(values)
    text = 'digits (default for grey), efficientnet_lite0, squeezenet or inception'
    flags.DEFINE_string('features', '', text, flag_values=values)
    define_path(values, 'weights', 'a file with the weights of inception')
    text = 'a folder of images, of the size of the samples, to measure against'
    define_path(values, 'reference', text)
    define_moved(values)


def main(invocation: Invocation) -> None:
    """Measures, writes and prints."""
    from gan_jax import api
    from gan_jax.processes import startup
    from gan_jax.use import assessing

    values = invocation.flags
    startup.prepare()
    run = api.load(values.workdir, values.step, moved=moved(values))
    found = run.evaluate(
        values.num_samples,
        features=values.features,
        weights=values.weights,
        reference=values.reference,
    )
    print(found)
    print(f'wrote {run.workdir}/{assessing.RESULT} and {run.workdir}/report.html')
