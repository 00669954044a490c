"""Classes of images, by the classifier of a semi-supervised run.

With --input the class of each image and how sure it is, on the terminal or as a .csv file. With
--split how right it is on a split of its data that has labels, and how far its confidence can
be trusted: written to classification.json and the report. Read the test split once, at the end.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
import sys
from typing import TYPE_CHECKING, Any

from absl import flags

from gan_jax.cli.flags import Invocation, define_overwrite, define_step
from gan_jax.errors import UserError

if TYPE_CHECKING:
    from gan_jax.trained import Trained

REQUIRED = ('workdir',)


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    for name, text in (
        ('workdir', 'the run'),
        ('input', 'an image, a folder of images, or a .zip of one'),
        ('output', 'a .csv file for the classes; the terminal if empty'),
        ('split', "of the run's data: test, train, or validation (of its budget of labels)"),
    ):
        flags.DEFINE_string(name, '', text, flag_values=values)
    flags.DEFINE_enum(
        'invert', 'no', ['no', 'auto'], 'auto: turn negatives of what the run learned, such as'
        ' black ink on white where it learned white on black', flag_values=values,
    )  # fmt: skip
    define_step(values)
    define_overwrite(values, 'replace the .csv file')


def main(invocation: Invocation) -> None:
    """Classifies images, or evaluates."""
    from gan_jax import trained
    from gan_jax.cli import outputs, startup

    values = invocation.flags
    if bool(values.input) == bool(values.split):
        raise UserError('classify needs --input=FILE_OR_DIR or --split=test, one of them')
    if values.output and values.split:
        raise UserError(f'--output={values.output} is of --input; --split writes into the workdir')
    output = None
    if values.output:
        output = outputs.file(values.output, '.csv', overwrite=values.overwrite)
    startup.prepare()
    run = trained.load(Path(values.workdir), values.step)
    if values.split:
        _evaluate(run, Path(values.workdir), values.split)
    else:
        _classify(run, Path(values.input), output, values.invert == 'auto')


def _classify(run: 'Trained', path: Path, output: Path | None, turn: bool) -> None:
    from gan_jax import classification, files

    rows, odd = [], []
    for name, found in classification.classify_files(run, path, '--input', turn=turn):
        if isinstance(found, classification.Answer):
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
    for line in _on_looks(run, odd, len(rows), turn):
        print(line, file=sys.stderr)


def _on_looks(
    run: 'Trained', odd: Sequence[tuple[str, str]], count: int, turned: bool
) -> Iterator[str]:
    """What to say of pictures, by look and name, that look otherwise than what the run learned."""
    from gan_jax.data import looks

    for kind in (looks.NEGATIVE, looks.UNLIKE):
        names = [name for look, name in odd if look == kind]
        if not names:
            continue
        some = f'{len(names)} of {count} images, such as {names[0]},'
        learned = f'what the run learned ({run.look})'
        if kind == looks.UNLIKE:
            yield f'warning: {some} look unlike {learned}: their classes mean nothing'
        elif turned:
            yield f'turned {some} which looked like negatives of {learned}'
        else:
            yield f'warning: {some} look like negatives of {learned}: --invert=auto turns them'


def _evaluate(run: 'Trained', workdir: Path, split: str) -> None:
    from gan_jax import classification, report

    found = classification.evaluate(run, classification.labelled_split(run, split))
    classification.write(workdir, found)
    report.write(workdir)
    for line in _lines(found):
        print(line)
    print(f'wrote {workdir}/{classification.RESULT} and {workdir}/report.html')


def _lines(found: dict[str, Any]) -> list[str]:
    data = found['data']
    classes = ', '.join(f'{name}: {share:.1%}' for name, share in found['classes'].items())
    return [
        f'images             {data["images"]:,} of {data["name"]}, split {data["split"]}',
        f'accuracy           {found["accuracy"]:.2%} at step {found["step"]:,}',
        f'calibration error  {found["calibration_error"]:.2%}',
        f'by class           {classes}',
    ]
