"""Classes of images, by the classifier of a semi-supervised run.

With --input the class of each image and how sure it is, on the terminal or as a .csv file. Where
--output is a folder, copies of the images are sorted into a folder for each class, and those that
it is not sure of into `unlabelled`; the input stays as it is. With --suggest just the images that
are worth the most labels, the most useful one first. With --split how right it is on a
split of its data that has labels, and how far its confidence can be trusted: written to
classification.json and the report. Read the test split once, at the end.
"""

from collections.abc import Iterator
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
    from gan_jax.data.image_files import ImageFolder
    from gan_jax.use.classifying import Answer
    from gan_jax.use.trained import Trained

REQUIRED = ('workdir',)


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    define_path(values, 'workdir', 'the run')
    define_path(values, 'input', 'an image, a folder of images, or a .zip of one')
    text = 'a .csv file for the classes, or a folder for sorted copies; the terminal if empty'
    define_path(values, 'output', text)
    text = 'the share of mistakes to expect, at most, among the copies that are sorted'
    flags.DEFINE_float('mistakes', 0.05, text, 0, 1, flag_values=values)
    text = 'how many images to name that it would learn most from, if you sorted them; 0: none'
    flags.DEFINE_integer('suggest', 0, text, 0, flag_values=values)
    text = "of the run's data: test, train, or validation (of its budget of labels)"
    flags.DEFINE_string('split', '', text, flag_values=values)
    define_moved(values)
    text = 'auto: turn negatives of what the run learned, such as black ink on white where it'
    text += ' learned white on black'
    flags.DEFINE_enum('invert', 'no', ['no', 'auto'], text, flag_values=values)
    define_step(values)
    define_overwrite(values)


def main(invocation: Invocation) -> None:
    """Classifies images, or evaluates."""
    from gan_jax.cli import outputs
    from gan_jax.io import files
    from gan_jax.processes import startup
    from gan_jax.use import trained

    values = invocation.flags
    if bool(values.input) == bool(values.split):
        raise UserError('classify needs --input=FILE_OR_DIR or --split=test, one of them')
    if values.output and values.split:
        raise UserError(f'--output={values.output} is of --input; --split writes into the workdir')
    if values.suggest and not values.input:
        raise UserError(f'--suggest={values.suggest} is of --input: name a folder of images by it')
    output, sort = values.output, bool(values.output and files.names_folder(values.output))
    if sort and values.suggest:
        raise UserError(f'--output={output}: --suggest takes a .csv file, or no --output')
    if sort:
        outputs.own_folder(output, overwrite=values.overwrite)
    elif output:
        outputs.file(output, '.csv', overwrite=values.overwrite)
    startup.prepare()
    run = trained.load(values.workdir, values.step, moved=moved(values))
    if values.split:
        _evaluate(run, values.workdir, values.split)
    elif sort:
        _sort(run, values.input, output, values.mistakes, values.invert == 'auto')
    else:
        _classify(run, values.input, output, values.suggest, values.invert == 'auto')


def _answers(
    run: 'Trained', album: 'ImageFolder', turn: bool
) -> Iterator[tuple[str, 'Answer | None']]:
    """The answer for each file, None for one that is named as unreadable; remarks at the end."""
    from gan_jax.use import classifying

    count, odd = 0, []
    for name, found in classifying.classify_files(run, album, turn=turn):
        if isinstance(found, classifying.Answer):
            count += 1
            odd += [(found.look, name)] if found.look else []
            yield name, found
        else:
            print(f'unreadable: {name}: {found}', file=sys.stderr)
            yield name, None
    if not count:
        raise UserError(f'--input={album.path}: no image in it can be read')
    for line in classifying.remarks(run, odd, count, turn, '--invert=auto'):
        print(line, file=sys.stderr)


def _classify(run: 'Trained', path: Path, output: Path | None, suggest: int, turn: bool) -> None:
    from gan_jax.data import image_files
    from gan_jax.io import files
    from gan_jax.use import suggesting

    album = image_files.find(path, '--input')
    answers = _answers(run, album, turn)
    rows = []
    for name, found in suggesting.useful(run, album, answers, suggest) if suggest else answers:
        if found:
            rows.append((name, found.name, f'{found.confidence:.4f}'))
            if not output:
                print(f'{name}  {found.name}  {found.confidence:.1%}', flush=True)
    if output:
        files.replace(output, files.table(('file', 'class', 'confidence'), rows))
        print(f'wrote {output}: {len(rows)} images')


def _sort(run: 'Trained', path: Path, output: Path, mistakes: float, turn: bool) -> None:
    from gan_jax.data import image_files
    from gan_jax.use import sorting

    sorting.check(run, path, output)
    album = image_files.find(path, '--input')
    calibration = sorting.calibrate(run)
    answers = [found for _, found in _answers(run, album, turn)]
    photos = sorting.plan(run, album, answers, calibration, mistakes)
    sorting.write(run, album, photos, output)
    for line in sorting.summary(photos, calibration):
        print(line)
    print(f'wrote {output}: {len(photos)} of {len(album)} images, and {sorting.SHEET}')


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
    shares = {
        part: ', '.join(f'{name}: {share:.1%}' for name, share in found.get(part, {}).items())
        for part in ('classes', 'attributes')
    }
    return [
        f'images             {data["images"]:,} of {data["name"]}, split {data["split"]}',
        f'accuracy           {found["accuracy"]:.2%} at step {found["step"]:,}',
        f'calibration error  {found["calibration_error"]:.2%}',
        f'by class           {shares["classes"]}',
        *([f'by attribute       {shares["attributes"]}'] if shares['attributes'] else []),
    ]
