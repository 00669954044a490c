"""The latent whose picture is nearest to a photo, by pixels and by a frozen net's maps.

--input is a photo, or a folder of them; the folder --output gets of each NAME.npz, for
`gan-jax sample --latents`, and NAME.png, the photo and the picture. With --compare=20 in place of
--input it takes as many training images of the run and held-out ones: if the training images are
found the better, the generator has learned them by heart.
"""

from collections import Counter
from typing import TYPE_CHECKING

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
from gan_jax.io.paths import shown, writable_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np

    from gan_jax.use.projecting import Projection, Projector

REQUIRED = ('workdir', 'output')
TABLE = 'projections.csv'


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    define_path(values, 'workdir', 'the run')
    define_path(values, 'input', 'a photo, a folder of photos, or a .zip of one')
    define_path(values, 'output', 'a folder')
    text = 'training images, and as many held-out ones, in place of --input'
    flags.DEFINE_integer('compare', 0, text, 0, 10_000, flag_values=values)
    text = 'frozen net whose maps are compared, or none; empty: by the colours'
    flags.DEFINE_string('features', '', text, flag_values=values)
    define_step(values)
    define_moved(values)
    define_overwrite(values)


def main(invocation: Invocation) -> None:
    """Projects, with a line for each photo, or a table."""
    from gan_jax import data
    from gan_jax.cli import outputs
    from gan_jax.processes import startup
    from gan_jax.terminal import progress
    from gan_jax.use import projecting, sharing, trained

    values = invocation.flags
    if bool(values.input) == bool(values.compare):
        raise UserError('project needs --input=PHOTO, or --compare=20, and not both')
    output = outputs.own_folder(values.output, overwrite=values.overwrite)
    startup.prepare()
    run = trained.load(values.workdir, values.step, pick=sharing.in_use, moved=moved(values))
    data.keep_out(run.config.data, output, '--output')
    parts = projecting.of_run(run, values.compare) if values.compare else {}
    with progress.waiting('drawing latents to start from'):
        projector = projecting.Projector(run, values.features)
    if values.input:
        _project(projector, values.input, output)
    else:
        _compare(projector, parts, output)


def _project(projector: 'Projector', source: 'Path', output: 'Path') -> None:
    """Raises UserError if no photo can be read."""
    from gan_jax.data import decode, image_files
    from gan_jax.io.files import stem
    from gan_jax.terminal.progress import Progress
    from gan_jax.use import projecting

    found = image_files.find(source, '--input')
    stems = Counter(map(stem, found.names))
    rows = []
    with Progress(len(found), description='project', unit='photo') as bar:
        for index, name in enumerate(found.names):
            try:
                given = projector.read(found.read(index))
            except decode.Unreadable as error:
                bar.message(f'unreadable: {image_files.shown(name)}: {error}')
                continue
            made = projector(given)
            own = stem(name) if stems[stem(name)] == 1 else name
            path = projecting.write(
                output, writable_name(own.replace('/', '_'), '.npz'), given, made
            )
            rows.append((image_files.shown(name), '', made))
            line = f'{rows[-1][0]}: L1 {made.l1:.3f}, maps {made.features:.2f}'
            bar.message(f'{line}; wrote {shown(path)}')
            bar.update(index + 1)
    if not rows:
        raise UserError(f'--input={shown(source)}: no image in it can be read')
    _table(output, rows)


def _compare(projector: 'Projector', parts: 'Mapping[str, np.ndarray]', output: 'Path') -> None:
    """The honest test of memorisation: training images against held-out ones."""
    import statistics

    from gan_jax.use import projecting

    found = projecting.compare(projector, parts)
    rows = []
    for part, pictures in parts.items():
        for number, (given, made) in enumerate(zip(pictures, found[part], strict=True)):
            name = f'{part}_{number:03d}'
            projecting.write(output, f'{name}.npz', given, made)
            rows.append((name, part, made))
    _table(output, rows)
    print(f'{"median of":12} {"photos":>6} {"L1":>6} {"maps":>6}')
    for name, own in found.items():
        l1, maps = (statistics.median(getattr(m, of) for m in own) for of in ('l1', 'features'))
        print(f'{name.replace("_", " "):12} {len(own):6} {l1:6.3f} {maps:6.2f}')
    share = projecting.nearer(*([m.l1 for m in own] for own in found.values()))
    print(
        f'a training image is found better than a held-out one in {share:.0%} of the pairs; 50 %:'
        f' none is known by heart. Wrote {shown(output)}'
    )


def _table(folder: 'Path', rows: 'list[tuple[str, str, Projection]]') -> None:
    from gan_jax.io import files

    cells = [(name, part, f'{made.l1:.4f}', f'{made.features:.4f}') for name, part, made in rows]
    files.replace(folder / TABLE, files.table(('image', 'part', 'l1', 'maps'), cells))
