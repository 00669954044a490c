"""Classes of images, by the classifier of a semi-supervised run.

With --input the class of each image and how sure it is, on the terminal or as a .csv file. With
--split how right it is on a split of its data that has labels, and how far its confidence can
be trusted: written to classification.json and the report. Read the test split once, at the end.
"""

from pathlib import Path
import sys
from typing import TYPE_CHECKING, Any

from absl import flags

from gan_jax.cli.flags import (
    Invocation,
    define_moved,
    define_overwrite,
    define_path,
    define_step,
    moved,
)
from gan_jax.errors import UserError

if TYPE_CHECKING:
    from gan_jax.use.trained import Trained

REQUIRED = ('workdir',)


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    define_path(values, 'workdir', 'the run')
    define_path(values, 'input', 'an image, a folder of images, or a .zip of one')
    define_path(values, 'output', 'a .csv file for the classes; the terminal if empty')
    text = "of the run's data: test, train, or validation (of its budget of labels)"
    flags.DEFINE_string('split', '', text, flag_values=values)
    define_moved(values)
    flags.DEFINE_enum(
        'invert', 'no', ['no', 'auto'], 'auto: turn negatives of what the run learned, such as'
        ' black ink on white where it learned white on black', flag_values=values,
    )  # fmt: skip
    define_step(values)
    define_overwrite(values, 'replace the .csv file')


def main(invocation: Invocation) -> None:
    """Classifies images, or evaluates."""
    from gan_jax.cli import outputs
    from gan_jax.processes import startup
    from gan_jax.use import trained

    values = invocation.flags
    if bool(values.input) == bool(values.split):
        raise UserError('classify needs --input=FILE_OR_DIR or --split=test, one of them')
    if values.output and values.split:
        raise UserError(f'--output={values.output} is of --input; --split writes into the workdir')
    output = None
    if values.output:
        output = outputs.file(values.output, '.csv', overwrite=values.overwrite)
    startup.prepare()
    run = trained.load(values.workdir, values.step, moved=moved(values))
    if values.split:
        _evaluate(run, values.workdir, values.split)
    else:
        _classify(run, values.input, output, values.invert == 'auto')


def _classify(run: 'Trained', path: Path, output: Path | None, turn: bool) -> None:
    from gan_jax import files
    from gan_jax.use import classifying

    rows, odd = [], []
    for name, found in classifying.classify_files(run, path, '--input', turn=turn):
        if isinstance(found, classifying.Answer):
            rows.append((name, found.name, f'{found.confidence:.4f}'))
            odd += [(found.look, name)] if found.look else []
            if not output:
                print(f'{name}  {found.name}  {found.confidence:.1%}', flush=True)
        else:
            print(f'unreadable: {name}: {found}', file=sys.stderr)
    if not rows:
        raise UserError(f'--input={path}: no image in it can be read')
    if output:
        files.replace(output, files.table(('file', 'class', 'confidence'), rows))
        print(f'wrote {output}: {len(rows)} images')
    for line in classifying.remarks(run, odd, len(rows), turn, '--invert=auto'):
        print(line, file=sys.stderr)


def _evaluate(run: 'Trained', workdir: Path, split: str) -> None:
    from gan_jax import report
    from gan_jax.use import classifying

    found = classifying.evaluate(run, classifying.labelled_split(run, split))
    classifying.write(workdir, found)
    report.write(workdir)
    for line in _lines(found):
        print(line)
    print(f'wrote {workdir}/{classifying.RESULT} and {workdir}/report.html')


def _lines(found: dict[str, Any]) -> list[str]:
    data = found['data']
    classes = ', '.join(f'{name}: {share:.1%}' for name, share in found['classes'].items())
    return [
        f'images             {data["images"]:,} of {data["name"]}, split {data["split"]}',
        f'accuracy           {found["accuracy"]:.2%} at step {found["step"]:,}',
        f'calibration error  {found["calibration_error"]:.2%}',
        f'by class           {classes}',
    ]
