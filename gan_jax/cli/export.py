"""A trained network for programs without gan_jax.

Writes FILE, a jax.export artefact for CPU, CUDA and TPU and any batch size, and FILE.safetensors,
its weights; then loads both and compares what they make of the same inputs. docs/export.md says
how to use them.
"""

from pathlib import Path

from absl import flags

from gan_jax.cli.flags import Invocation, define_overwrite

REQUIRED = ('workdir', 'output')


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    for name, text in (
        ('workdir', 'the run'),
        ('output', 'FILE.bin, the artefact; the weights go beside it'),
        ('part', 'generator or, of a semi-supervised run, classifier; empty: what the run is for'),
    ):
        flags.DEFINE_string(name, '', text, flag_values=values)
    flags.DEFINE_integer('step', 0, 'of which checkpoint; 0: the newest', flag_values=values)
    define_overwrite(values)


def main(invocation: Invocation) -> None:
    """Writes both files, and checks them."""
    from gan_jax import exporting
    from gan_jax.cli import outputs, startup
    from gan_jax.data import classes

    values = invocation.flags
    output = Path(values.output).expanduser()
    paths = output, exporting.weights_of(output)
    for path, suffix in zip(paths, ('.bin', exporting.WEIGHTS), strict=True):
        outputs.file(str(path), suffix, overwrite=values.overwrite)
    startup.prepare()
    exporting.write(Path(values.workdir), values.step, values.part, output)
    found = exporting.load(output)
    taken = ', '.join(f'{name} {x.dtype}{["N", *x.shape]}' for name, x in found.inputs.items())
    print(f'{found.facts["part"]} of step {found.facts["step"]:,}: takes {taken}')
    if named := found.facts['class_names']:
        print(f'classes: {classes.listed(classes.labelled(named))}')
    print(f'differs from the network by {found.difference:.1e} at most')
    for path in paths:
        print(f'wrote {path}: {path.stat().st_size / 1e6:,.1f} MB')
