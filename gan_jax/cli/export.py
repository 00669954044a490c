"""A trained network for programs without gan_jax.

Writes FILE, a jax.export artefact for CPU, CUDA and TPU and any batch size, and FILE.safetensors,
its weights; then loads both and compares what they make of the same inputs. docs/export.md says
how to use them.
"""

from absl import flags

from gan_jax.cli.flags import Invocation, define_path
from gan_jax.errors import UserError

REQUIRED = ('workdir', 'output')


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    define_path(values, 'workdir', 'the run')
    define_path(values, 'output', 'the artefact; the weights go beside it')
    text = 'generator or, of a semi-supervised run, classifier; empty: what the run is for'
    flags.DEFINE_string('part', '', text, flag_values=values)
    flags.DEFINE_integer('step', 0, 'of which checkpoint; 0: the newest', flag_values=values)
    flags.DEFINE_bool('overwrite', False, 'replace files that are there', flag_values=values)


def main(invocation: Invocation) -> None:
    """Writes both files, and checks them."""
    from gan_jax.cli import outputs, startup
    from gan_jax.use import exporting

    values = invocation.flags
    output = values.output
    paths = output, output.with_name(output.name + exporting.WEIGHTS)
    for path in paths:
        if path.is_dir():
            raise UserError(f'--output={path} is a folder; name a file')
        if path.exists() and not values.overwrite:
            raise UserError(f'--output={path} is there; pass --overwrite')
    outputs.folder(output.parent)
    startup.prepare()
    exporting.write(values.workdir, values.step, values.part, output)
    found = exporting.load(output)
    taken = ', '.join(f'{name} {x.dtype}{["N", *x.shape]}' for name, x in found.inputs.items())
    print(f'{found.facts["part"]} of step {found.facts["step"]:,}: takes {taken}')
    print(f'differs from the network by {found.difference:.1e} at most')
    for path in paths:
        print(f'wrote {path}: {path.stat().st_size / 1e6:,.1f} MB')
