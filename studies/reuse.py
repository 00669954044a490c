"""Do a hundred photos gain from a run on others of their kind?"""

from collections.abc import Mapping, Sequence
import functools
import hashlib
from pathlib import Path
import shutil
from typing import Any

from ml_collections import ConfigDict

from gan_jax import evaluation
from gan_jax.use import assessing, trained
from studies import cat_albums, outputs, provenance
from studies.study import Row, Setting, Stage, Study, Trial

FEW = 100  # crops that are to be learned; the base has the others
BASE, STEPS = 10_000, 5_000  # steps of the base, and of every other run
SEEDS = range(3)
MEASURED = 5_000  # samples
JUDGES = ('efficientnet_lite0', 'squeezenet')
MINUTES = {BASE: 20, STEPS: 10}

# What is changed of the training from new weights.
WAYS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    'scratch': ('from new weights', {}),
    'started': ('from the weights of the base', {'start_from': 'base'}),
    'frozen': (
        "the same, D's first two blocks frozen",
        {'start_from': 'base', 'disc.freeze': 2},
    ),
}


def trials(setting: Setting) -> list[Trial]:
    """The base, which others start from, then every way with every seed."""
    base = _trial(setting, 'base', 'others', {}, 0, BASE)
    ways = [
        _trial(setting, name, 'few', changes, seed, STEPS)
        for seed in SEEDS
        for name, (_, changes) in WAYS.items()
    ]
    return [base, *ways]


def _trial(
    setting: Setting, way: str, photos: str, changes: Mapping[str, Any], seed: int, steps: int
) -> Trial:
    stage = Stage('run', functools.partial(_config, setting, photos, changes, seed, steps))
    key = {'way': way, 'photos': photos, 'seed': seed, 'steps': steps}
    measure = functools.partial(_measure, setting, key)
    return Trial(f'{way}-{seed}', MINUTES[steps], (stage,), measure)


def _config(
    setting: Setting, photos: str, changes: Mapping[str, Any], seed: int, steps: int, folder: Path
) -> ConfigDict:
    config = setting.config(
        'dcgan_cats64',
        cat_albums.PARENT,
        **{
            'seed': seed,
            'steps': steps,
            'keep': 1,
            'gen.ema_decay': 0.999,
            'augment': 'color,translation,cutout',
            'data.flip': True,
            **changes,
        },
    )
    with config.unlocked():
        config.data.name, config.data.num_examples = 'folder', 0
        config.data.path = str(_album(setting, folder.parent) / photos)
        if config.start_from:
            config.start_from = str(folder.parent / 'base-0' / 'run')
    return config.lock()


def _album(setting: Setting, workdir: Path) -> Path:
    """A folder of `few` crops and the `others`, parted by the hash of their content."""
    parted = workdir / 'parted'
    if not parted.exists():
        cleaned = cat_albums.prepare(setting, workdir / 'albums').cleaned
        crops = sorted(
            cleaned.rglob('*.png'), key=lambda path: hashlib.sha256(path.read_bytes()).digest()
        )
        draft = workdir / 'parted.draft'
        shutil.rmtree(draft, ignore_errors=True)
        for number, path in enumerate(crops):
            target = draft / ('few' if number < min(FEW, len(crops) // 2) else 'others')
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / f'{number:04d}.png')
        draft.rename(parted)
    return parted


def _measure(setting: Setting, key: Mapping[str, Any], folder: Path) -> list[Row]:
    """Distances of the last step from the crops that no run has seen."""
    run = trained.load(folder / 'run')
    reference = cat_albums.prepare(setting, folder.parent / 'albums').reference
    count = 20 if setting.smoke else MEASURED
    samples = evaluation.Samples(run.task, run.config.seed, count)(run.state)
    row = {**key, 'steps': int(run.state.step)}
    for judge in JUDGES:
        net = evaluation.load_net('digits' if setting.smoke else judge)
        real = assessing.real_images(run, folder / 'run', net, reference).reference
        found = evaluation.measure(samples, real, only=('frechet',))['figures']
        row[f'frechet_{judge}'] = found[f'frechet_{net.suffix}']
    return [row]


def summary(rows: Sequence[Row]) -> str:
    """Each way, over its seeds."""
    lines = []
    for way in ('base', *WAYS):
        own = [row for row in rows if row['way'] == way]
        if own:
            cells = [outputs.mean(own, f'frechet_{judge}') for judge in JUDGES]
            lines.append([f'`{way}`', own[0]['photos'], str(len(own)), *cells])
    head = ['start', 'photos', 'seeds', *(f'distance, {judge}' for judge in JUDGES)]
    return outputs.markdown_table(head, lines)


_LISTED = '\n'.join(f'- `{name}`: {what}' for name, (what, _) in WAYS.items())

ABOUT = f"""
The crops that `gan-jax clean` makes of photos of cats (study `cleaning`), four fifths of the
photos: {FEW} of them, drawn by their content, are to be learned, and `base` is a run on the others.
`dcgan_cats64` with DiffAugment, mirror images and a moving average of the generator; {STEPS:,}
steps of 4 crops each, after {BASE:,} of the base:

{_LISTED}

Distances are of {MEASURED:,} samples of the last step from the crops of the other fifth, which no
run has seen, by two nets that no run looks through.

Photos: gpriamo/Cat-Faces-Identification (MIT) and the Oxford-IIIT Pet set (CC BY-SA 4.0).
"""


STUDY = Study(
    name='reuse',
    title='A hundred photos, from the weights of a run on others',
    about=ABOUT,
    folders=cat_albums.NEEDED,
    columns=(
        'way',
        'photos',
        'seed',
        'steps',
        *(f'frechet_{judge}' for judge in JUDGES),
        'minutes',
    ),
    trials=trials,
    summary=summary,
    pictures={},
    measured={provenance.AFTERWARDS: tuple(f'frechet_{judge}' for judge in JUDGES)},
)
