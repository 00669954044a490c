"""Is a GAN of few cats kept alive for 400 epochs, and by which recipe?"""

from collections.abc import Mapping, Sequence
import functools
import itertools
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from gan_jax import data
from gan_jax.evaluation import balance
from gan_jax.records import recorder
from studies import balance_charts, cat_albums, measures, outputs, pictures, provenance
from studies.study import Picture, Row, Setting, Stage, Study, Trial

EVERY = 25  # epochs between distances
MEASURED = 5_000  # samples, always of the same latents
FIGURES = ('frechet', 'kid', 'diversity', 'memorisation', 'classes')
HELD_OUT = 0.2  # of the crops, and more for near duplicates of these: the reference
DISTANCE = 'frechet_efflite0'
AT_LAST = ('cat_share', 'memorisation', 'copies', 'diversity', 'collapsed')  # beside the distances

SUMMARY = ('fd_best', 'epoch_best', 'fd_last', 'cat_share_last', 'memorisation_last')

_DIFF_AUGMENT = {'augment': 'color,translation,cutout'}
_ADA = _DIFF_AUGMENT | {'ada.target': 0.6, 'ada.images': 50_000}


class Way(NamedTuple):
    """A way to train: an experiment, what is changed in it, and what that is in words."""

    source: str
    changes: Mapping[str, Any] = {}
    what: str = ''


def _lever(what: str, **changes: Any) -> Way:
    return Way('dcgan_cats64', changes, what)


WAYS: Mapping[str, Way] = {
    'plain': Way('dcgan_cats64'),
    'best': Way('my_images:ada'),
    'diffaugment': _lever('colour, translation and cutout of all that D sees', **_DIFF_AUGMENT),
    'ada': _lever('the same, as often as the signs of D(x) ask for', **_ADA),
}
LEVERS = tuple(name for name in WAYS if name not in ('plain', 'best'))
FULL, HALF = 64, 32  # widths
EPOCHS = {FULL: 400, HALF: 200}
MINUTES = {FULL: 100, HALF: 23}

# (way, width, seed) in the order they are run.
ORDER = (
    ('plain', FULL, 0),
    ('best', FULL, 0),
    *((name, HALF, 0) for name in ('plain', *LEVERS)),
)


_LISTED = '\n'.join(f'- `{name}`: {WAYS[name].what}' for name in LEVERS)


def trials(setting: Setting) -> list[Trial]:
    """Every way; with `smoke` the two that count."""
    order = ORDER[:2] if setting.smoke else ORDER
    return [_trial(setting, *trial) for trial in order]


def _trial(setting: Setting, name: str, width: int, seed: int) -> Trial:
    key = {'setting': name, 'width': width, 'seed': seed}
    stage = Stage('run', functools.partial(_config, setting, WAYS[name], width, seed))
    measure = functools.partial(_measure, key)
    kept = (recorder.EVALUATIONS, pictures.STRIP)
    return Trial(f'{name}-{width}-{seed}', MINUTES[width], (stage,), measure, kept=kept)


def _config(setting: Setting, way: Way, width: int, seed: int, folder: Path) -> ConfigDict:
    config = setting.config(
        way.source,
        cat_albums.PARENT,
        **{
            'seed': seed,
            'evaluate.balance': 1,
            'evaluate.every': EVERY,
            'evaluate.metrics': FIGURES,
            'evaluate.num_samples': MEASURED,
            'evaluate.best': DISTANCE,
            'keep': 1,
            **way.changes,
        },
    )
    with config.unlocked():
        for net in (config.gen.net, config.disc.net):
            net.width = net.width * width // FULL
        config.data.name, config.data.image_size = 'folder', cat_albums.SIDE
        config.data.path = str(cat_albums.prepare(setting, folder.parent / 'albums').crops)
        config.data.num_examples = 0
        config.data.held_out = HELD_OUT
        if setting.smoke:
            config.batch_size, config.evaluate.num_samples = 4, 20
            config.evaluate.features, config.evaluate.best = 'digits', 'frechet_digits'
        else:
            epoch = data.load(config.data).spec.num_examples / config.batch_size
            config.steps = round(EPOCHS[width] * epoch)
            config.sample_every = round(EVERY * epoch)
            config.log_every = min(config.log_every, max(1, int(epoch)))  # the AUC at every epoch
    return config.lock()


def _measure(key: Mapping[str, Any], folder: Path) -> list[Row]:
    """Rows of what the run measured while it trained, and of real crops."""
    rows = recorder.read_rows(folder / 'run', recorder.EVALUATIONS)
    smoke = DISTANCE not in rows[-1]
    net = 'digits' if smoke else 'efficientnet_lite0'
    distance = 'frechet_digits' if smoke else DISTANCE
    measured = [row for row in rows if row.get(distance) is not None]
    best, last = min(measured, key=lambda row: row[distance]), measured[-1]
    real = measures.of_training_images(folder / 'run', net, ('frechet', 'classes'))
    measures.keep(folder, recorder.EVALUATIONS)
    pictures.keep_strip(folder, _epochs_of(pictures.over_time(folder / 'run'), rows[-1]))
    return [
        {
            **key,
            'epoch_lost': balance.epoch_lost(rows),
            'fd_best': best[distance],
            'epoch_best': round(best['epoch']),
            'fd_last': last[distance],
            'epoch_last': round(last['epoch']),
            'fd_real': real[distance],
            'epoch_lost_held_out': balance.epoch_lost(rows, 'auc_held_out'),
            'auc_last': rows[-1].get('auc'),
            'auc_held_out_last': rows[-1].get('auc_held_out'),
            'kid_last': last.get('kid_efflite0'),
            **{f'{name}_last': last.get(name) for name in AT_LAST},
            'cat_share_real': real.get('cat_share'),
            'steps': rows[-1]['step'],
        }
    ]


def _epochs_of(strip: pictures.Strip, last: Mapping[str, Any]) -> pictures.Strip:
    """A strip by epochs, not steps."""
    steps, image = strip
    return [round(step * last['epoch'] / last['step']) for step in steps], image


def summary(rows: Sequence[Row]) -> str:
    """Means and deviations over seeds, the full width first."""
    lines = []
    for width, name in itertools.product(EPOCHS, WAYS):
        own = [row for row in rows if (row['width'], row['setting']) == (width, name)]
        if own:
            lost = ', '.join(outputs.cell(row['epoch_lost']) or 'held' for row in own)
            means = [outputs.mean(own, column) for column in SUMMARY]
            lines.append([f'`{name}`', str(width), str(len(own)), lost, *means])
    head = ['setting', 'width', 'seeds', 'balance lost at epoch', 'Frechet distance', 'at epoch']
    head += ['distance at the end', 'called cats', 'memorisation']
    table = outputs.markdown_table(head, lines)
    if not rows:
        return table
    real = [outputs.mean(rows[:1], column) for column in ('fd_real', 'cat_share_real')]
    return f'{table}\nThe training crops themselves: distance {real[0]}, {real[1]} called cats.\n'


def _measured(width: int) -> Picture:
    return Picture(
        balance_charts.measured,
        lambda row: row['width'] == width,
        lambda trial: (recorder.EVALUATIONS,),
        provenance.WHILE_TRAINING,
    )


ABOUT = f"""
Crops that `gan-jax clean` makes of photos of cats (study `cleaning`), the first face of each photo.

- `plain`: a plain DCGAN (`dcgan_cats64` as it is), {EPOCHS[FULL]} epochs. Batches of 4, Adam
  2e-4 / 0.5, no augmentation, samples of the generator itself.
- `best`: `my_images:ada`, {EPOCHS[FULL]} epochs.

Each lever is tried alone, at half the width ({HALF}) and for {EPOCHS[HALF]} epochs to save time.
`plain` is there at that width too:

{_LISTED}

A fifth of the crops, with their near duplicates, is held out. It is the reference of the distance:
{MEASURED:,} samples of the same latents, every {EVERY} epochs, features of EfficientNet-Lite0. The
crops are of few cats, and a cat may be on both sides. Even the training crops are at a distance
from so few images: `fd_real` says at which, and `cat_share_real` how many of them are called cats.

`epoch_lost` is the first of ten epochs in a row in which the discriminator ranks training images
above generated ones with an AUC of {balance.LOST} or more (`docs/howto/balance.md`). Empty: there
are none. `epoch_lost_held_out` is the same with held-out images. An AUC near 0.5 with a large
distance is no balance: the discriminator is too weak. Columns that end in `_last` are of the last
epoch.

Photos: gpriamo/Cat-Faces-Identification (MIT) and the Oxford-IIIT Pet set (CC BY-SA 4.0).
"""

STUDY = Study(
    name='balance',
    title='What keeps a GAN of few cats alive',
    about=ABOUT,
    folders=cat_albums.NEEDED,
    columns=(
        ('setting', 'width', 'seed', 'epoch_lost', 'fd_best', 'epoch_best', 'fd_last', 'epoch_last')
        + ('fd_real', 'epoch_lost_held_out', 'auc_last', 'auc_held_out_last', 'kid_last')
        + tuple(f'{name}_last' for name in AT_LAST)
        + ('cat_share_real', 'steps', 'minutes')
    ),
    trials=trials,
    summary=summary,
    pictures={
        'balance.png': _measured(FULL),
        'levers.png': _measured(HALF),
        'levers_samples.png': Picture(
            balance_charts.at_the_end,
            lambda row: (row['width'], row['seed']) == (HALF, 0),
            lambda trial: (pictures.STRIP,),
            provenance.WHILE_TRAINING,
        ),
    },
    measured={
        provenance.WHILE_TRAINING: ('fd_best', 'fd_last', 'kid_last')
        + tuple(f'{name}_last' for name in AT_LAST)
    },
)
