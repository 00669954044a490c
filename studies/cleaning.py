"""Does it help to cut photos of cats to their faces?"""

from collections.abc import Mapping, Sequence
import functools
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax import data, evaluation
from gan_jax.io import images
from gan_jax.use import assessing, trained
from studies import cat_albums, measures, outputs, pictures, provenance
from studies.study import Picture, Row, Setting, Stage, Study, Trial

EPOCHS = (26, 52, 78, 104, 130)  # at which samples are measured
SUMMARY = ('frechet_efflite0', 'cat_share', 'frechet_album', 'cat_share_album')
ALBUMS = {'cleaned': '#1f5fa8', 'whole': '#c8501e'}  # and their colours
MEASURED, LATENTS = 5_000, 0  # samples, and the seed of their latents, the same for all
KEPT = 1_000  # checkpoints: those of EPOCHS, and one for each time that the study was stopped


def trials(setting: Setting) -> list[Trial]:
    """Both albums."""
    return [_trial(setting, album) for album in ALBUMS]


def _trial(setting: Setting, album: str) -> Trial:
    def config(folder: Path) -> Any:
        found = setting.config('dcgan_cats64', cat_albums.PARENT, seed=0, **{'evaluate.balance': 0})
        with found.unlocked():
            found.data.name, found.data.image_size = 'folder', cat_albums.SIDE
            albums = cat_albums.prepare(setting, folder.parent / 'albums')
            found.data.path = str(getattr(albums, album))
            found.data.num_examples = 0
            found.keep = KEPT
            if setting.smoke:
                found.batch_size, found.steps = 4, 10
            else:
                epochs = data.load(found.data).spec.num_examples / found.batch_size
                found.save_every = round(EPOCHS[0] * epochs)
                found.steps = len(EPOCHS) * found.save_every
        return found.lock()

    key = {'album': album, 'seed': 0}
    measure = functools.partial(_measure, setting, key)
    stages = (Stage('run', config),)
    return Trial(f'{album}-0', 40, stages, measure, prune=False)


def _measure(setting: Setting, key: Mapping[str, Any], folder: Path) -> list[Row]:
    """A row for each epoch that was kept; the figures of the last one are left in the run."""
    run = trained.load(folder / 'run')
    net = evaluation.load_net('digits' if setting.smoke else 'efficientnet_lite0')
    reference_path = cat_albums.prepare(setting, folder.parent / 'albums').reference
    held_out = evaluation.folder_set(reference_path, run.image_shape)
    reference = evaluation.Reference(held_out, net)
    samples = evaluation.Samples(run.task, LATENTS, count=20 if setting.smoke else MEASURED)
    real = net.measure(reference.outputs).get('cat_share')
    album = measures.of_training_images(
        folder / 'run', net.name, ('frechet', 'classes'), reference_path
    )
    distance = f'frechet_{net.suffix}'
    rows = []
    steps = range(run.config.save_every, run.config.steps + 1, run.config.save_every)
    for epoch, step in zip(EPOCHS, steps, strict=False):
        made = samples(trained.load(folder / 'run', step).state)
        measured = evaluation.measure(made, reference, only=('frechet', 'kid', 'classes'))
        found = measured['figures']
        rows.append(
            {
                **key,
                'epoch': epoch,
                'frechet_efflite0': found[distance],
                'cat_share': found.get('cat_share'),
                'cat_share_real': real,
                'frechet_album': album[distance],
                'cat_share_album': album.get('cat_share'),
                'kid_efflite0': found[f'kid_{net.suffix}'],
                'steps': step,
            }
        )
    last = {'run': str(run.config.name), 'step': step, 'seed': LATENTS}
    assessing.write(folder / 'run', last | measured, None)
    return rows


def summary(rows: Sequence[Row]) -> str:
    """Means over seeds at the last epoch."""
    lines = []
    for album in ALBUMS:
        own = [row for row in rows if (row['album'], row['epoch']) == (album, EPOCHS[-1])]
        if own:
            figures = (outputs.mean(own, name) for name in SUMMARY)
            lines.append([f'`{album}`', str(len(own)), *figures])
    head = ['album', 'seeds', 'Frechet distance', 'called cats', 'distance of the album itself']
    head += ['called cats in it']
    return f'At epoch {EPOCHS[-1]}.\n\n' + outputs.markdown_table(head, lines)


def chart(rows: Sequence[Row], workdir: Path) -> bytes:
    """Distance and share of cats over epochs, a line for each seed."""
    del workdir
    page = pictures.figure(9, 3.6)
    panels = page.subplots(1, 2)
    titles = {
        'frechet_efflite0': 'FD-EffLite0 to the held-out crops',
        'cat_share': 'Samples that ImageNet calls cats',
    }
    for axes, (figure, title) in zip(panels, titles.items(), strict=True):
        for album, color in ALBUMS.items():
            own = [row for row in rows if row['album'] == album]
            _lines(axes, own, figure, color)
            for level in {row[f'{figure.split("_efflite0")[0]}_album'] for row in own[:1]}:
                axes.axhline(level or np.nan, color=color, linewidth=0.8, linestyle='dotted')
        axes.set_ylim(bottom=0)
        axes.set_xlabel('epoch', fontsize=9)
        axes.set_title(title, loc='left', fontsize=10)
        pictures.plain(axes)
    panels[0].legend(fontsize=9, frameon=False)
    return images.drawn(page)


def _lines(axes: Any, rows: Sequence[Row], figure: str, color: str) -> None:
    for seed in sorted({row['seed'] for row in rows}):
        own = [row for row in rows if row['seed'] == seed]
        values = [np.nan if row[figure] is None else row[figure] for row in own]
        label = own[0]['album'] if seed == rows[0]['seed'] else None
        axes.plot([row['epoch'] for row in own], values, 'o-', ms=3, color=color, label=label)


ABOUT = f"""
`dcgan_cats64`, a plain DCGAN, for {EPOCHS[-1]} epochs on two albums. `whole`: the centred square of
each photo, 64x64. `cleaned`: what `gan-jax clean` makes of the same photos.

A fifth of the photos, by the hash of their content, is in neither album. The crops of their faces
are the reference of all figures, and no crop of an album is nearly one of them. {MEASURED:,}
samples of the same latents; features of EfficientNet-Lite0 (`docs/reference/metrics.md`).

`cat_share` is the share of samples that ImageNet's classes call a house cat, `cat_share_real` that
of the held-out crops. `frechet_album` and `cat_share_album`, dotted in the chart, are of the
training images themselves. No generator can be expected to come nearer, and they differ by album.

Photos: gpriamo/Cat-Faces-Identification (MIT) and the Oxford-IIIT Pet set (CC BY-SA 4.0).
"""

STUDY = Study(
    name='cleaning',
    title='Photos of cats, whole and cut to the face',
    about=ABOUT,
    folders=cat_albums.NEEDED,
    columns=(
        ('album', 'seed', 'epoch', 'frechet_efflite0', 'cat_share', 'cat_share_real')
        + ('frechet_album', 'cat_share_album', 'kid_efflite0', 'steps', 'minutes')
    ),
    trials=trials,
    summary=summary,
    pictures={'cleaning.png': Picture(chart, measured=provenance.AFTERWARDS)},
    measured={provenance.AFTERWARDS: ('frechet_efflite0', 'cat_share', 'kid_efflite0')},
)
