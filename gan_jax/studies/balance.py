"""Study 5, second half: what keeps a GAN of few cats alive for 400 epochs?"""

from collections.abc import Mapping, Sequence
import functools
import io
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict
import numpy as np

from gan_jax import data, images, recorder, sampling, trained
from gan_jax.evaluation import balance
from gan_jax.studies import cat_albums, outputs, pictures
from gan_jax.studies.study import Row, Setting, Stage, Study, Trial

PARENT = 'cats'
EPOCHS = 400
EVERY = 20  # epochs between distances
MEASURED = 5_000  # samples, always of the same latents
HELD_OUT = 0.2  # of the crops: the reference
SHOWN = 36  # on a sheet
DISTANCE = 'frechet_efflite0'

_DIFF_AUGMENT = {'augment': 'color,translation,cutout'}
_NO_NORM = {'disc.net.norm': 'none'}  # a gradient's penalty must not reach into the batch
_R1 = _NO_NORM | {'penalties.r1': 0.1, 'penalty_every': 16}


class Way(NamedTuple):
    """A way to train: an experiment, and what is changed in it."""

    source: str
    changes: Mapping[str, Any] = {}


WAYS: Mapping[str, Way] = {
    'plain': Way('dcgan_cats64'),
    'best': Way('my_images'),
    'diffaugment': Way('dcgan_cats64', _DIFF_AUGMENT),
    'spectral_norm': Way('dcgan_cats64', _NO_NORM | {'disc.net.spectral_norm': True}),
    'r1': Way('dcgan_cats64', _R1),
    'relativistic': Way('dcgan_cats64', _R1 | {'loss': 'relativistic', 'penalties.r2': 0.1}),
    'lecam': Way('dcgan_cats64', {'loss': 'hinge', 'lecam.weight': 0.1}),
    'ttur': Way('dcgan_cats64', {'disc.optimizer.learning_rate': 5e-5}),
}
LEVERS = tuple(name for name in WAYS if name not in ('plain', 'best'))
COLORS = {'plain': '#c8501e', 'best': '#1f5fa8'}
FULL, HALF = 64, 32  # widths
MINUTES = {FULL: 110, HALF: 55}

# (way, width, seed) in the order they are run.
ORDER = (
    ('plain', FULL, 0),
    ('best', FULL, 0),
    *((name, HALF, 0) for name in ('plain', *LEVERS)),
    ('best', FULL, 1),
    ('plain', FULL, 1),
)


def trials(setting: Setting) -> list[Trial]:
    """Every way; with `smoke` the two that count."""
    order = ORDER[:2] if setting.smoke else ORDER
    return [_trial(setting, *trial) for trial in order]


def _trial(setting: Setting, name: str, width: int, seed: int) -> Trial:
    key = {'setting': name, 'width': width, 'seed': seed}
    stage = Stage('run', functools.partial(_config, setting, WAYS[name], width, seed))
    measure = functools.partial(_measure, key)
    return Trial(f'{name}-{width}-{seed}', MINUTES[width], (stage,), measure)


def _config(setting: Setting, way: Way, width: int, seed: int, folder: Path) -> ConfigDict:
    config = setting.config(
        way.source,
        PARENT,
        **{
            'seed': seed,
            'gen.net.width': width,
            'disc.net.width': width,
            'evaluate.balance': 1,
            'evaluate.every': EVERY,
            'evaluate.num_samples': MEASURED,
            'evaluate.best': DISTANCE,
            'keep': 1,
            **way.changes,
        },
    )
    with config.unlocked():
        config.data.name, config.data.image_size = 'folder', cat_albums.SIDE
        config.data.path = str(_album(setting, folder.parent))
        config.data.num_examples = 0
        config.data.held_out = HELD_OUT
        if setting.smoke:
            config.batch_size, config.evaluate.num_samples = 4, 20
            config.evaluate.features, config.evaluate.best = 'digits', 'frechet_digits'
        else:
            epoch = data.load(config.data).spec.num_examples / config.batch_size
            config.steps = round(EPOCHS * epoch)
            config.sample_every = round(EVERY * epoch)
    return config.lock()


def _album(setting: Setting, workdir: Path) -> Path:
    cats = None if setting.smoke else setting.data_dir / PARENT
    return cat_albums.prepare(cats, workdir / 'albums').crops


def _measure(key: Mapping[str, Any], folder: Path) -> list[Row]:
    """What the run measured while it trained."""
    rows = recorder.read_rows(folder / 'run', recorder.EVALUATIONS)
    name = 'frechet_digits' if DISTANCE not in rows[-1] else DISTANCE
    distances = [row for row in rows if row.get(name) is not None]
    best = min(distances, key=lambda row: row[name])
    return [
        {
            **key,
            'epoch_lost': balance.epoch_lost(rows),
            'fd_best': best[name],
            'epoch_best': round(best['epoch']),
            'fd_last': distances[-1][name],
            'epoch_lost_held_out': balance.epoch_lost(rows, 'auc_held_out'),
            'auc_last': rows[-1].get('auc'),
            'auc_held_out_last': rows[-1].get('auc_held_out'),
            'steps': rows[-1]['step'],
        }
    ]


def summary(rows: Sequence[Row]) -> str:
    """Every run, the full width first."""
    lines = [
        [
            f'`{row["setting"]}`',
            *(outputs.cell(row[name]) for name in ('width', 'seed')),
            outputs.cell(row['epoch_lost']) or 'held',
            f'{row["fd_best"]:.4g} at {row["epoch_best"]}',
            f'{row["fd_last"]:.4g}',
            f'{row["fd_last"] / row["fd_best"]:.2f}',
        ]
        for row in sorted(rows, key=lambda row: -row['width'])
    ]
    head = ['setting', 'width', 'seed', 'lost at epoch', 'best FD', f'FD at {EPOCHS}', 'last/best']
    return outputs.markdown_table(head, lines)


def chart(rows: Sequence[Row], workdir: Path) -> bytes | None:
    """AUC and distance over epochs: full width in colour, levers at half width in grey."""
    if not rows:
        return None
    buffer = io.BytesIO()
    with pictures.figure(10, 6, buffer) as page:
        auc, distance = page.subplots(2, 1, sharex=True)
        for row in sorted(rows, key=lambda row: row['width']):
            folder = workdir / '{setting}-{width}-{seed}'.format(**row) / 'run'
            _draw(auc, distance, recorder.read_rows(folder, recorder.EVALUATIONS), row)
        auc.axhline(balance.LOST, color='#222', linewidth=0.8, linestyle='dotted')
        auc.set_ylim(0.4, 1.01)
        auc.set_title(
            'AUC of the discriminator: solid on training images, thin on held-out ones',
            loc='left', fontsize=10,
        )  # fmt: skip
        distance.set_ylim(bottom=0)
        distance.set_title('FD-EffLite0 to the held-out crops', loc='left', fontsize=10)
        distance.set_xlabel('epoch', fontsize=9)
        for axes in (auc, distance):
            pictures.plain(axes)
        distance.legend(fontsize=8, frameon=False, ncols=4)
    return buffer.getvalue()


def _draw(auc: Any, distance: Any, found: Sequence[Row], row: Row) -> None:
    color = COLORS.get(row['setting'], '#999') if row['width'] == FULL else '#bbb'
    label = f'{row["setting"]}, width {row["width"]}' if row['seed'] == 0 else None

    def points(name: str) -> tuple[np.ndarray, np.ndarray]:
        own = [(r['epoch'], r[name]) for r in found if r.get(name) is not None]
        return tuple(np.array(own).reshape(-1, 2).T)

    auc.plot(*points('auc'), color=color, linewidth=1.3)
    if row['width'] == FULL:
        auc.plot(*points('auc_held_out'), color=color, linewidth=0.5)
    distance.plot(*points(DISTANCE), 'o-', ms=2.5, color=color, linewidth=1.3, label=label)


def sheets(rows: Sequence[Row], workdir: Path) -> bytes | None:
    """Samples of the same latents at the last epoch, plain and best at full width."""
    found = {}
    for row in rows:
        if row['setting'] in COLORS and (row['width'], row['seed']) == (FULL, 0):
            run = trained.load(workdir / f'{row["setting"]}-{FULL}-0' / 'run')
            draw = sampling.Draw(run.task.sampler, run.state, SHOWN, 0, ())
            made = images.tile(sampling.generate(draw, draw.latent()), 6)
            found[f'{row["setting"]}, last epoch: FD {row["fd_last"]:.3g}'] = made
    return pictures.side_by_side(found, width=4.5)


ABOUT = f"""
The crops that `gan-jax clean` makes of photos of cats (study `cleaning`), {EPOCHS} epochs. `plain`
is study 5 unchanged (`dcgan_cats64`): batches of 4, Adam 2e-4 / 0.5. `best` is `my_images`. The
others are `plain` with one lever, screened at half width ({HALF}) to save time; `plain` at that
width is beside them.

A fifth of the crops, with near duplicates on one side, is held out: the reference of the distance,
{MEASURED:,} samples of the same latents at every {EVERY}th epoch, features of EfficientNet-Lite0.
`epoch_lost` is the first of ten consecutive epochs in which the discriminator ranks training images
above generated ones with an AUC of at least {balance.LOST} (`docs/balance.md`), empty if there are
none; `epoch_lost_held_out` the same of held-out images.

Photos: gpriamo/Cat-Faces-Identification (MIT) and the Oxford-IIIT Pet set (CC BY-SA 4.0).
"""

STUDY = Study(
    name='balance',
    title='What keeps a GAN of few cats alive',
    about=ABOUT,
    folders=(PARENT,),
    columns=(
        ('setting', 'width', 'seed', 'epoch_lost', 'fd_best', 'epoch_best', 'fd_last')
        + ('epoch_lost_held_out', 'auc_last', 'auc_held_out_last', 'steps', 'minutes')
    ),
    trials=trials,
    summary=summary,
    pictures={'balance.png': chart, 'sheets.png': sheets},
)
