"""Makes an album of photos fit for a GAN: square crops around the faces in them.

Drops photos without a face, and crops that are blurred, tiny or near duplicates. The photos
are never changed. report.csv says what became of each, contact.png shows it.
"""

import os
from pathlib import Path
import shlex
import sys
import time
from typing import TYPE_CHECKING, Any

from absl import flags

from gan_jax.cli.flags import Invocation, define_path

if TYPE_CHECKING:  # a command's libraries are loaded when it runs
    from faces.pipeline import Summary

REQUIRED = ('input', 'output')
NAMED = 3  # unreadable files that the summary names
PRESETS = 32, 64, 128  # of the experiment my_images: pixels a side


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    define_path(values, 'input', 'the photos: a folder, however deep, or a .zip of one')
    define_path(values, 'output', 'a new folder, outside of --input')
    flags.DEFINE_enum('detector', 'cat_face', ['cat_face', 'face'], 'faces of cats, or of people',
                      flag_values=values)  # fmt: skip
    flags.DEFINE_integer('size', 64, 'pixels a side of each crop', lower_bound=8, upper_bound=4096,
                         flag_values=values)  # fmt: skip
    flags.DEFINE_float('min_face', 24, "pixels of the photo that a face's box has, at least",
                       lower_bound=0, flag_values=values)  # fmt: skip
    flags.DEFINE_float('min_sharpness', 0.15, 'of a crop (docs/why/cleaning.md); 0: keep'
                       ' blurred ones', lower_bound=0, flag_values=values)  # fmt: skip
    define_path(values, 'keep', 'FILE.txt of photos to keep in any case, a name a line')
    define_path(values, 'reject', 'FILE.txt of photos to drop')
    flags.DEFINE_boolean('overwrite', False, 'replace an album that this command made',
                         flag_values=values)  # fmt: skip


def main(invocation: Invocation) -> None:
    """Cleans, and prints what became of the photos."""
    from faces import cleaning, destination, detector, lists, pipeline
    from gan_jax.cli import outputs
    from gan_jax.data import image_files
    from gan_jax.errors import UserError
    from gan_jax.io import files
    from gan_jax.terminal.progress import Progress

    values = invocation.flags
    photos = image_files.find(values.input, '--input')
    keep = lists.read(values.keep, '--keep') if values.keep else ()
    reject = lists.read(values.reject, '--reject') if values.reject else ()
    verdicts = lists.verdicts(photos.names, keep, reject)
    output = values.output
    destination.check(output, photos, values.overwrite)
    detect = detector.make_detector(values.detector)
    settings = cleaning.Settings(values.size, values.min_face, values.min_sharpness)
    outputs.folder(output)
    started = time.perf_counter()
    try:
        with files.made(output), Progress(len(photos), description='clean') as progress:
            destination.start(output, _asked(values, keep, reject))

            def seen(done: int) -> None:
                rate = done / (time.perf_counter() - started)
                progress.update(done, dict(images_per_s=rate))

            summary = pipeline.run(photos, detect, settings, verdicts, output, seen)
        destination.mark(output, _asked(values, keep, reject))
    except OSError as error:
        raise UserError(
            f'--output={output}: cannot be written ({error.strerror or error})'
        ) from error
    _report(summary, output, values, time.perf_counter() - started)


def _asked(
    values: flags.FlagValues, keep: tuple[str, ...], reject: tuple[str, ...]
) -> dict[str, Any]:
    """The settings that decide the result, besides the photos."""
    names = ('detector', 'size', 'min_face', 'min_sharpness')
    return {name: values[name].value for name in names} | dict(keep=keep, reject=reject)


def _report(summary: 'Summary', output: Path, values: flags.FlagValues, seconds: float) -> None:
    rate = summary.photos / seconds
    print(f'{summary.photos:,} photos in {seconds:.1f} s ({rate:.1f} photos/s)')
    for decision, count in summary.decisions.items():
        if count:
            more = f' ({summary.enlarged:,} enlarged)' if summary.enlarged else ''
            print(f'  {decision:10} {count:6,}{more if decision == "kept" else ""}')
    for line in summary.unreadable[:NAMED]:
        print(f'unreadable: {line}', file=sys.stderr)
    if len(summary.unreadable) > NAMED:
        print(f'and {len(summary.unreadable) - NAMED} more unreadable files', file=sys.stderr)
    print(f'wrote {output}: crops{os.sep}, report.csv, details.csv, contact.png')
    if not summary.decisions['kept']:
        print(
            f'no face was kept: see {output}/report.csv; --detector=face looks for people,'
            ' --min_face and --min_sharpness set what is too small or blurred',
            file=sys.stderr,
        )
    else:
        print(f'to train: {_training(output, values.size)}')


def _training(output: Path, size: int) -> str:
    """The command that trains on the crops, at the size of the experiment that is nearest below."""
    fits = max((preset for preset in PRESETS if preset <= size), default=PRESETS[0])
    path = f'--config.data.path={output / "crops"}'
    return shlex.join(['gan-jax', 'train', f'--config=my_images:{fits}', path])
