"""Which recipe makes the best pictures from a few hundred photos, in equal minutes on two cores?"""

from collections.abc import Mapping, Sequence
import functools
import json
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict
import numpy as np

from gan_jax import evaluation
from gan_jax.io import files, images
from gan_jax.use import trained
from studies import cat_albums, measures, outputs, pictures, provenance
from studies.study import Picture, Row, Setting, Stage, Study, Trial

MEASURED = 625  # samples
HELD_OUT = 0.2
JUDGE = 'squeezenet'  # no arm looks through it
SHOWN = {64: 17, 128: 8}  # samples a line, and lines, by the side of an image
START = 60  # seconds from the start of a process to its first step
SCREEN, HOUR = 17, 60  # minutes
SUMMARY = {  # column -> its name for a reader
    'cat_share': 'cats',
    'cat_share_real': 'of the crops',
    'over_half': 'FD over half',
    'kinds': 'kinds',
    'memorisation': 'memorisation',
}
CURVE = 'curve.json'  # in a trial's folder: figures of every step that was saved


class Arm(NamedTuple):
    """A way to train."""

    what: str  # in words
    changes: Mapping[str, Any] = {}  # of the config
    milliseconds: float = 235  # of a step on two idle cores, from which its steps follow
    preset: str = '64'  # of `my_images`

    @property
    def save_every(self) -> int:
        """Four times up to SCREEN."""
        return 100 * round((60 * SCREEN - START) / 4 * 1000 / self.milliseconds / 100)

    def steps(self, minutes: int) -> int:
        """Steps in so many minutes, up to the last that is saved."""
        whole = (60 * minutes - START) * 1000 / self.milliseconds
        return max(4, int(whole / self.save_every)) * self.save_every

    def minutes(self, step: int) -> float:
        """After which a step is made."""
        return (START + step * self.milliseconds / 1000) / 60


_BFLOAT16 = {'precision': 'bfloat16'}
_ALONE = {'disc.net.pixel_weight': 0.0}
_SOFT = {'augment': 'soft_color,translation,small_cutout'}
_LIGHT = {'gen.net': ConfigDict(dict(name='fastgan', width=24)), 'latent_dim': 128}

ARMS: Mapping[str, Arm] = {
    'today': Arm('the preset `ada`: two DCGANs; the augmentation adapts', {}, 50, 'ada'),
    'soft': Arm('heads on a frozen net, and pixels with a weight of 0.5: `my_images`', _SOFT),
    'soft_bf16': Arm(
        'the same in bfloat16, as fast as a CPU with AMX makes it', _SOFT | _BFLOAT16, 155
    ),
    'projected': Arm('the heads alone', _ALONE, 220),
    'side_96': Arm('the frozen net at 96 pixels', {'disc.net.side': 96}, 145),
    'light': Arm("FastGAN's light generator", _LIGHT),
    'soft_128': Arm('as `soft`, 128x128: `my_images:128`', _SOFT, 300, '128'),
}

# (arm, photos, seed, minutes) in the order they are run.
ORDER = (
    ('soft', 'all', 0, HOUR),
    ('today', 'all', 0, SCREEN),
    ('soft_128', 'all', 0, HOUR),
    ('soft', 'four_fifths', 0, SCREEN),
    ('soft_bf16', 'all', 0, SCREEN),
    ('soft', 'all', 1, SCREEN),
    ('soft', 'all', 2, SCREEN),
    *((arm, 'all', 0, SCREEN) for arm in ('side_96', 'projected', 'light')),
)


def trials(setting: Setting) -> list[Trial]:
    """Every arm; with `smoke` the one that is compiled in seconds."""
    order = ORDER[1:2] if setting.smoke else ORDER
    return [_trial(setting, *trial) for trial in order]


def _trial(setting: Setting, name: str, photos: str, seed: int, minutes: int) -> Trial:
    key = {'arm': name, 'photos': photos, 'seed': seed}
    stage = Stage('run', functools.partial(_config, setting, ARMS[name], photos, seed, minutes))
    budgets = [budget for budget in (SCREEN, HOUR) if budget <= minutes]
    shown = [_picture(name, budget) for budget in budgets if _shown(key)]
    measure = functools.partial(_measure, setting, key, budgets)
    kept = (CURVE, *shown)
    # Every saved step is measured, and again when the table gets another column.
    return Trial(f'{name}-{photos}-{seed}', minutes, (stage,), measure, kept=kept, prune=False)


def _shown(row: Mapping[str, Any]) -> bool:
    return (row['photos'], row['seed']) == ('all', 0)


def _picture(arm: str, budget: int) -> str:
    return f'samples_{arm}.jpg' if budget == SCREEN else f'samples_{arm}_{budget}.jpg'


def _config(
    setting: Setting, arm: Arm, photos: str, seed: int, minutes: int, folder: Path
) -> ConfigDict:
    config = setting.config(f'my_images:{arm.preset}', cat_albums.PARENT, seed=seed, keep=100)
    with config.unlocked():
        config.update_from_flattened_dict(arm.changes)
        config.data.name = 'folder'
        side = config.data.image_size
        crops = cat_albums.prepare(setting, folder.parent / f'albums{side}', side).crops
        config.data.path = str(crops)
        config.data.num_examples = 0
        config.data.held_out = HELD_OUT if photos == 'four_fifths' else 0.0
        if not setting.smoke:
            config.steps, config.save_every = arm.steps(minutes), arm.save_every
    return config.lock()


def _measure(
    setting: Setting, key: Mapping[str, Any], budgets: Sequence[int], folder: Path
) -> list[Row]:
    """The figures at the end of each budget, of the crops themselves, pictures and a curve."""
    workdir, arm = folder / 'run', ARMS[key['arm']]
    judge, count = ('digits', 20) if setting.smoke else (JUDGE, MEASURED)
    half = measures.half_against_half(workdir, judge)
    real = measures.of_training_images(workdir, judge, ('classes',))
    shared = {**key, 'frechet_half': half, 'cat_share_real': real.get('cat_share')}
    curve = _curve(workdir, judge, count)
    files.replace(folder / CURVE, json.dumps(curve, indent=1) + '\n')
    rows = []
    for budget in budgets:
        step = 0 if setting.smoke else arm.steps(budget)
        found = measures.metrics(workdir, judge, count, step)
        rows.append({**shared, 'budget': budget, **_figures(found, judge, half)})
        run = trained.load(workdir, step)
        rows[-1]['steps'] = int(run.state.step)
        rows[-1]['images_seen'] = rows[-1]['steps'] * run.config.batch_size
        if _shown(key):
            files.replace(folder / _picture(key['arm'], budget), _samples(run))
    return rows


def _figures(found: Mapping[str, Any], judge: str, half: float) -> dict[str, Any]:
    distance = found[_distance(judge)]
    names = ('cat_share', 'kinds', 'memorisation', 'copies', 'diversity')
    own = {name: found.get(name) for name in names}
    return {'frechet': distance, 'over_half': distance / half, **own}


def _distance(judge: str) -> str:
    return f'frechet_{evaluation.load_net(judge).suffix}'


def _curve(workdir: Path, judge: str, count: int) -> list[dict[str, Any]]:
    saved = (path.name for path in (workdir / 'checkpoints').iterdir())
    found = []
    for step in sorted(int(name) for name in saved if name.isdecimal()):
        figures = measures.at_step(workdir, judge, count, ('frechet', 'classes'), step)
        kept = {'frechet': figures[_distance(judge)], 'cat_share': figures.get('cat_share')}
        found.append({'step': step, **kept})
    return found


def _samples(run: trained.Trained) -> bytes:
    """JPEG: the first samples that are measured, none left out, without gaps."""
    side = run.image_shape[0]
    across = SHOWN[max(size for size in SHOWN if size <= max(side, min(SHOWN)))]
    image = evaluation.Samples(run.task, run.config.seed, across**2)(run.state)
    return pictures.jpeg(images.tile(image, across, pad=0), 95)


def summary(rows: Sequence[Row]) -> str:
    """Means and deviations over seeds, by the minutes and the distance."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((row['budget'], row['arm'], row['photos']), []).append(row)
    lines = []
    for (budget, arm, photos), own in sorted(groups.items(), key=_place):
        cells = [outputs.mean(own, column) for column in SUMMARY]
        lines.append([str(budget), f'`{arm}`', photos, str(len(own)), *cells])
    head = ['minutes', 'arm', 'photos', 'seeds', *SUMMARY.values()]
    return outputs.markdown_table(head, lines)


def _place(group: tuple[tuple[Any, ...], list[Row]]) -> tuple[int, float]:
    (budget, *_), rows = group
    return budget, float(np.mean([row['over_half'] for row in rows]))


def _curves(rows: Sequence[Row], workdir: Path) -> bytes | None:
    """PNG: distance and share of cats by the minutes of two idle cores, a line an arm."""
    points = {row['arm']: provenance.read_json(_folder(row, workdir) / CURVE) for row in rows}
    if not any(one['cat_share'] is not None for curve in points.values() for one in curve):
        return None
    titles = {'frechet': f'Frechet distance ({JUDGE})', 'cat_share': 'share called a cat'}
    page = pictures.figure(9, 3.6)
    for axes, (figure, title) in zip(page.subplots(1, 2), titles.items(), strict=True):
        for number, (arm, curve) in enumerate(points.items()):
            minutes = [ARMS[arm].minutes(one['step']) for one in curve]
            color = pictures.COLORS[number % len(pictures.COLORS)]
            values = [one[figure] for one in curve]
            axes.plot(minutes, values, marker='o', markersize=3, label=arm, color=color)
        axes.set_title(title, fontsize=9, loc='left')
        axes.set_xlabel('minutes', fontsize=9)
        pictures.plain(axes)
    page.axes[0].legend(fontsize=7, frameon=False)
    return images.drawn(page)


def _folder(row: Row, workdir: Path) -> Path:
    return workdir / f'{row["arm"]}-{row["photos"]}-{row["seed"]}'


_LISTED = '\n'.join(f'- `{name}`: {arm.what}' for name, arm in ARMS.items())

ABOUT = f"""
The crops that `gan-jax clean` makes of photos of cats (study `cleaning`), the first face of each
photo, 64x64 but where it says 128x128. Every arm has as many steps as its `budget` of minutes has
on two idle cores, the start of the process and its compilation included; `minutes` are of the whole
row:

{_LISTED}

`photos` says whether all crops are trained on, or four fifths of them. Figures are of {MEASURED}
samples at the end of the budget, by a net that no arm looks through, against the crops held out
or, where none are, all crops. `frechet_half` is the distance of one half of the training crops from
the other, by the same net, and `over_half` the distance over it. `kinds` is the birthday test
(`docs/reference/metrics.md`): 195,000 is the least, where no two samples are alike. Each picture
has the first samples that are measured, none left out.

Photos: gpriamo/Cat-Faces-Identification (MIT) and the Oxford-IIIT Pet set (CC BY-SA 4.0).
"""


def _samples_of(arm: str, budget: int) -> Picture:
    name = _picture(arm, budget)

    def draw(rows: Sequence[Row], workdir: Path) -> bytes:
        return (_folder(rows[0], workdir) / name).read_bytes()

    def shows(row: Row) -> bool:
        return (row['arm'], row['budget']) == (arm, budget) and _shown(row)

    return Picture(draw, shows, lambda trial: (name,))


STUDY = Study(
    name='few_images',
    title='Pictures of a few hundred photos',
    about=ABOUT,
    folders=cat_albums.NEEDED,
    columns=(
        ('arm', 'photos', 'seed', 'budget', 'steps', 'images_seen', 'frechet', 'frechet_half')
        + ('over_half',)
        + ('cat_share', 'kinds', 'memorisation', 'copies', 'diversity', 'cat_share_real', 'minutes')
    ),
    trials=trials,
    summary=summary,
    pictures={
        'curves.png': Picture(_curves, _shown, lambda trial: (CURVE,)),
        **{
            _picture(arm, budget): _samples_of(arm, budget)
            for arm in reversed(tuple(ARMS))  # the largest images first
            for budget in (HOUR, SCREEN)
        },
    },
    measured={
        provenance.AFTERWARDS: ('frechet', 'cat_share', 'kinds', 'copies', 'diversity'),
    },
)
