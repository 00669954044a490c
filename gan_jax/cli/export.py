"""A trained network for programs without gan_jax, or for friends who have it.

--format=jax writes FILE.bin, a jax.export artefact for CPU, CUDA and TPU and any batch size, and
FILE.bin.safetensors, its weights; then loads both and compares what they make of the same inputs.
--format=onnx writes FILE.onnx, checked by onnxruntime. --format=folder writes weights, config,
figures and a card for a model hub; every --workdir takes such a folder. See
docs/howto/export.md and docs/howto/onnx.md.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from gan_jax.cli.flags import Invocation, define_overwrite, define_path, define_step
from gan_jax.errors import UserError

REQUIRED = ('workdir', 'output')
FORMATS = 'jax', 'onnx', 'folder'


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    define_path(values, 'workdir', 'the run')
    define_path(values, 'output', 'FILE.bin, FILE.onnx or a folder')
    text = 'a program of JAX, a file of ONNX, or a folder to share'
    flags.DEFINE_enum('format', 'jax', FORMATS, text, flag_values=values)
    text = 'generator or, of a semi-supervised run, classifier; empty: what the run is for'
    flags.DEFINE_string('part', '', text, flag_values=values)
    text = 'photos that the card of a translator shows, translated; of --format=folder'
    define_path(values, 'input', text)
    define_step(values)
    define_overwrite(values)


def main(invocation: Invocation) -> None:
    """Writes the files, and checks them."""
    from gan_jax.processes import startup

    values = invocation.flags
    if values.part and values.format == 'folder':
        raise UserError(f'--part={values.part}: a folder has all parts; leave it out')
    if values.input and values.format != 'folder':
        raise UserError('--input is of --format=folder, whose card shows it; leave it out')
    write = {'jax': _write_program, 'onnx': _write_onnx, 'folder': _write_folder}[values.format]
    for path in write(values, startup.prepare):
        print(f'wrote {path}: {_size(path.stat().st_size)}')


def _size(count: int) -> str:
    return f'{count / 1e6:,.1f} MB' if count >= 1e6 else f'{count / 1e3:,.1f} kB'


def _write_program(values: flags.FlagValues, prepare: Callable[[], None]) -> Sequence[Path]:
    from gan_jax.cli import outputs
    from gan_jax.data import classes
    from gan_jax.use import exporting

    written = values.output, exporting.weights_of(values.output)
    for path, suffix in zip(written, ('.bin', exporting.WEIGHTS), strict=True):
        outputs.file(path, suffix, overwrite=values.overwrite)
    prepare()
    exporting.write(values.workdir, values.step, values.part, values.output)
    found = exporting.load(values.output)
    _print_part(found.facts['part'], found.facts['step'], found.inputs)
    if named := found.facts['class_names']:
        print(f'classes: {classes.listed(classes.labelled(named))}')
    print(f'differs from the network by {found.difference:.1e} at most')
    return written


def _write_onnx(values: flags.FlagValues, prepare: Callable[[], None]) -> Sequence[Path]:
    from gan_jax.cli import outputs
    from gan_jax.use import onnx

    outputs.file(values.output, '.onnx', overwrite=values.overwrite)
    prepare()
    found = onnx.write(values.workdir, values.step, values.part, values.output)
    _print_part(found.facts['part'], found.facts['step'], found.inputs)
    print(f'opset {onnx.OPSET}; onnxruntime differs from the run by {found.difference:.1e} at most')
    return [values.output]


def _write_folder(values: flags.FlagValues, prepare: Callable[[], None]) -> Sequence[Path]:
    from gan_jax.cli import outputs
    from gan_jax.use import sharing

    outputs.own_folder(values.output, overwrite=values.overwrite)
    prepare()
    written = sharing.write(values.workdir, values.step, values.output, values.input)
    print(f'fill in licence and data in {values.output}/{sharing.CARD} before you share it')
    return written


def _print_part(name: str, step: int, inputs: Mapping[str, Any]) -> None:
    taken = ', '.join(f'{key} {x.dtype}{["N", *x.shape]}' for key, x in inputs.items())
    print(f'{name} of step {step:,}: takes {taken}')
