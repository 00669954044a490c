"""A fully connected GAN and a DCGAN: which leaves noise?"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gan_jax.io import images
from gan_jax.use import sampling, trained
from studies import measures, outputs, pictures, provenance
from studies.study import Picture, Row, Setting, Stage, Study, Trial

PARENT = 'mnist'
MEASURED = 10_000  # samples
FIGURES = ('frechet_digits', 'noise', 'readable_share', 'classes_present', 'coverage')
MORE = ('kid_digits', 'diversity', 'memorisation')
MINUTES: Mapping[str, float] = {'fc_gan_mnist': 12, 'dcgan_mnist': 45}
SHOWN, WALKS, FRAMES = 100, 10, 12  # digits in a grid; walks, and steps of each
COLUMNS = 10  # of a grid
GRID, WALK = 'grid.png', 'walk.png'  # in a trial's folder


def trials(setting: Setting) -> list[Trial]:
    """The experiments as they are."""
    return [_trial(setting, name) for name in MINUTES]


def _trial(setting: Setting, name: str) -> Trial:
    config = setting.config(name, PARENT, seed=0, keep=1, **{'evaluate.balance': 0})
    count = 200 if setting.smoke else MEASURED

    def measure(folder: Path) -> list[Row]:
        found = measures.metrics(folder / 'run', 'digits', count)
        key = {'recipe': name, 'seed': 0, 'steps': config.steps}
        _show(folder)
        return [{**key, **{figure: found.get(figure) for figure in (*FIGURES, *MORE)}}]

    stage = Stage('run', lambda folder: config)
    return Trial(f'{name}-0', MINUTES[name], (stage,), measure, 'run', kept=(GRID, WALK))


def summary(rows: Sequence[Row]) -> str:
    """Means over seeds."""
    lines = []
    for name in MINUTES:
        own = [row for row in rows if row['recipe'] == name]
        if own:
            lines.append([f'`{name}`', str(len(own)), *(outputs.mean(own, f) for f in FIGURES)])
    head = ['recipe', 'seeds', 'Frechet distance', 'noise', 'readable', 'classes', 'coverage']
    return outputs.markdown_table(head, lines)


def grids(rows: Sequence[Row], workdir: Path) -> bytes | None:
    """Samples side by side, with the noise figure of each."""
    titles = [f'{row["recipe"]}: noise {row["noise"]:.3g}' for row in rows]
    return pictures.side_by_side(_kept(titles, rows, workdir, GRID), width=3.3)


def walks(rows: Sequence[Row], workdir: Path) -> bytes | None:
    """Walks through the latent space, from left to right and back to the start."""
    titles = [row['recipe'] for row in rows]
    return pictures.side_by_side(_kept(titles, rows, workdir, WALK), width=4.5)


def _kept(
    titles: Sequence[str], rows: Sequence[Row], workdir: Path, name: str
) -> dict[str, np.ndarray]:
    """The picture that is kept of each row, where there is one."""
    paths = (workdir / f'{row["recipe"]}-{row["seed"]}' / name for row in rows)
    found = zip(titles, map(pictures.read, paths), strict=True)
    return {title: image for title, image in found if image is not None}


def _show(folder: Path) -> None:
    """Leaves what pictures show of a trial in its folder."""
    run = trained.load(folder / 'run')
    draw = sampling.Draw(trained.sampler_of(run.task), run.state, SHOWN, 0, ())
    images.write_png(folder / GRID, images.tile(sampling.generate(draw, draw.latent()), COLUMNS))
    draw = sampling.Draw(trained.sampler_of(run.task), run.state, WALKS, 0, ())
    frames = [sampling.generate(draw, z) for z in sampling.walk(draw, FRAMES, run.config.latent)]
    cells = np.stack(frames, axis=1).reshape(-1, *frames[0].shape[1:])
    images.write_png(folder / WALK, images.tile(cells, FRAMES))


ABOUT = f"""
The experiments `fc_gan_mnist` and `dcgan_mnist` as they are: 30,000 steps of 32 training digits.
The figures are of {MEASURED:,} samples against the 10,000 test digits, by the feature net `digits`
(`docs/reference/metrics.md`). `noise` is energy at high frequencies above that of real
digits: the eye sees it as specks between the strokes. `coverage` is the share of the test digits
that have a sample near them.

A line of the walks goes through four latents and back to the first. `samples_ROW.png` in this
folder has 1,000 samples of a row.
"""

STUDY = Study(
    name='architectures',
    title='Fully connected against convolutional',
    about=ABOUT,
    folders=(PARENT,),
    columns=('recipe', 'seed', 'steps', *FIGURES, *MORE, 'minutes'),
    trials=trials,
    summary=summary,
    pictures={
        'architectures.png': Picture(
            grids, needs=lambda trial: (GRID,), measured=provenance.AFTERWARDS
        ),
        'walks.png': Picture(walks, needs=lambda trial: (WALK,)),
    },
    measured={provenance.AFTERWARDS: (*FIGURES, *MORE)},
)
