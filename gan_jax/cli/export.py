"""A trained network for programs without gan_jax.

Writes FILE, a jax.export artefact for CPU, CUDA and TPU and any batch size, and FILE.safetensors,
its weights; then loads both and compares what they make of the same inputs. How to use them:
docs/howto/export.md.
"""

from absl import flags

from gan_jax.cli.flags import Invocation, define_overwrite, define_path

REQUIRED = ('workdir', 'output')


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    define_path(values, 'workdir', 'the run')
    define_path(values, 'output', 'FILE.bin, the artefact; the weights go beside it')
    text = 'generator or, of a semi-supervised run, classifier; empty: what the run is for'
    flags.DEFINE_string('part', '', text, flag_values=values)
    flags.DEFINE_integer('step', 0, 'of which checkpoint; 0: the newest', flag_values=values)
    define_overwrite(values)


def main(invocation: Invocation) -> None:
    """Writes both files, and checks them."""
    from gan_jax.cli import outputs
    from gan_jax.data import classes
    from gan_jax.processes import startup
    from gan_jax.use import exporting

    values = invocation.flags
    output = values.output
    paths = output, exporting.weights_of(output)
    for path, suffix in zip(paths, ('.bin', exporting.WEIGHTS), strict=True):
        outputs.file(path, suffix, overwrite=values.overwrite)
    startup.prepare()
    exporting.write(values.workdir, values.step, values.part, output)
    found = exporting.load(output)
    taken = ', '.join(f'{name} {x.dtype}{["N", *x.shape]}' for name, x in found.inputs.items())
    print(f'{found.facts["part"]} of step {found.facts["step"]:,}: takes {taken}')
    if named := found.facts['class_names']:
        print(f'classes: {classes.listed(classes.labelled(named))}')
    print(f'differs from the network by {found.difference:.1e} at most')
    for path in paths:
        print(f'wrote {path}: {path.stat().st_size / 1e6:,.1f} MB')
