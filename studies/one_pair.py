"""Pix2pix on one pair, on an album, and on another domain: how much does it learn?"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import functools
import importlib.util
import json
from pathlib import Path
import subprocess
import sys
from typing import Any, NamedTuple

from ml_collections import ConfigDict
import numpy as np

from gan_jax import data, evaluation
from gan_jax.data import decode, inputs
from gan_jax.errors import UserError
from gan_jax.evaluation import distances, pairs, scores, sets
from gan_jax.io import files, images
from gan_jax.use import trained
from studies import outputs, pictures, provenance
from studies.study import Picture, Row, Setting, Stage, Study, Trial

FACADES, FACES = 'facades', 'faces'
ALBUM = 'cats/personal'
PAIR, SAME = 'zelena/007.jpg', 'zelena/006.jpg'  # in the album: a photo, and another of that cat
ELSEWHERE = 100  # photos of another domain
MEAN_OF = 2_000  # training photos in the mean one, at most
SIDE = 128
PAIR_STEPS = 600
# Of an album by each recipe, an hour on two cores: 40 % of the paper's steps are of one photo.
FAST, SHORT, PAPER, TORCH = 'fast', 'fast_20', 'paper', 'torch'
STEPS = {FAST: 9_000, SHORT: 3_000, PAPER: 26_000}
RECIPES = (*STEPS, TORCH)
MINUTES = 60
PEER = 'torch_pix2pix.py'  # in benchmarks/
NET = 'squeezenet'  # by which a translation is called a cat: no recipe trains with it
FRECHET = {NET: 'frechet_squeezenet', 'efficientnet_lite0': 'frechet_efflite0'}
BESIDE = 'l1', 'psnr', 'ssim', 'ab_error'  # scores that the input and the mean photo have too
SHOWN = {pairs.TRAIN: 60, pairs.HELD_OUT: 40}  # pairs in the pictures of an album
QUALITY, PAIRS_A_LINE = 90, 6  # of these pictures

Pairs = Iterable[tuple[np.ndarray, np.ndarray]]


class Case(NamedTuple):
    """A run and what it is measured on."""

    experiment: str  # the table's
    preset: str  # of which config
    input: str  # grey, canny or labels
    side: int  # pixels of an image
    changes: Mapping[str, Any]  # of the config
    minutes: float  # of the run
    recipe: str = PAPER  # one of RECIPES
    shown: bool = True  # whether its pictures may be

    @property
    def name(self) -> str:
        """The trial's name."""
        name = f'{self.experiment}-{self.input}-{self.side}'
        return name if self.experiment.startswith('one_pair') else f'{name}-{self.recipe}'


def cases() -> list[Case]:
    """The runs, the most telling ones first."""
    return [
        *(_album('cats', 'canny', recipe) for recipe in RECIPES),
        _album('cats', 'grey', SHORT),
        _album('facades', 'labels', SHORT),
        _pair('one_pair', 'grey', 4),
        _pair('one_pair_augmented', 'grey', 8),
        _pair('one_pair', 'canny', 4),
        _pair('one_pair_augmented', 'canny', 8),
        _pair('one_pair', 'grey', 10, side=256),
    ]


def _pair(experiment: str, kind: str, minutes: float, side: int = SIDE) -> Case:
    augmented = experiment.endswith('augmented')
    preset = f'{side}_augmented' if augmented else str(side)
    steps = PAIR_STEPS * (2 if augmented else 1)
    changes = _short(steps) | {'data.path': f'{ALBUM}/{PAIR}', 'data.input': kind}
    return Case(experiment, f'pix2pix_one_pair:{preset}', kind, side, changes, minutes)


def _album(experiment: str, kind: str, recipe: str) -> Case:
    own = {'cats': ALBUM, 'facades': 'facades/train'}[experiment]
    watched = {'features': NET, 'metrics': ('classes',), 'every': 10.0, 'num_samples': 50}
    changes = _short(STEPS.get(recipe, STEPS[PAPER])) | {'data.path': own}
    changes |= {f'evaluate.{name}': value for name, value in watched.items()}
    preset = str(SIDE) if recipe in (FAST, SHORT) else f'{SIDE}_paper'
    name = 'facades' if kind == 'labels' else kind
    shown = experiment != 'facades'
    source = f'pix2pix_{name}:{preset}'
    minutes = MINUTES / 3 if recipe == SHORT else MINUTES
    return Case(experiment, source, kind, SIDE, changes, minutes, recipe, shown)


def _short(steps: int) -> dict[str, Any]:
    """So many steps, of which the second half lowers the rate."""
    constant = {f'{role}.optimizer.constant_steps': steps // 2 for role in ('gen', 'disc')}
    return {'steps': steps, 'save_every': steps // 4, 'sample_every': steps // 12, **constant}


def trials(setting: Setting) -> list[Trial]:
    """All runs; with `smoke` one pair and one album."""
    chosen = cases()
    if setting.smoke:
        names = f'one_pair_augmented-grey-{SIDE}', f'cats-grey-{SIDE}-{SHORT}'
        chosen = [case for case in chosen if case.name in names]
    return [_trial(setting, case) for case in chosen]


def _trial(setting: Setting, case: Case) -> Trial:
    ours = case.recipe != TORCH
    stages = (Stage('run', lambda folder: _config(setting, case)),) if ours else ()
    return Trial(
        case.name,
        case.minutes,
        stages,
        functools.partial(_measure_run if ours else _measure_peer, setting, case),
        kept=_kept(setting, case),
    )


def _kept(setting: Setting, case: Case) -> tuple[str, ...]:
    """The pictures that are kept of a run: of its kinds of pairs, those that may be shown."""
    if not case.shown:
        return ()
    if case.experiment.startswith('one_pair'):
        splits = ('train', 'mirrored', 'same_subject')
        return tuple(_picture(case.experiment, split) for split in splits)
    names = [_picture(case.experiment, 'train'), _album_picture('train')]
    if not setting.smoke:  # which holds nothing out, and has no other domain
        names += [_picture(case.experiment, 'held_out'), _album_picture('held_out')]
        names.append(_picture('cats_to_portraits', 'other_domain'))
    return tuple(names)


def _picture(experiment: str, split: str) -> str:
    return f'{experiment}-{split}.png'


def _album_picture(split: str) -> str:
    return f'{split}.jpg'


def _config(setting: Setting, case: Case) -> ConfigDict:
    changes = dict(case.changes)
    folder = changes.pop('data.path')
    config = setting.config(case.preset, folder, **{'keep': 1, **changes})
    if setting.smoke and case.experiment.startswith('one_pair'):
        with config.unlocked():
            config.data.num_examples = 1
    return config


def _measure_run(setting: Setting, case: Case, folder: Path) -> list[Row]:
    run = trained.load(folder / 'run')
    translate = pairs.translating(trained.translator_of(run.task), run.state)
    found = {key: list(given) for key, given in _splits(setting, case, run.config.data).items()}
    return _measure(setting, case, folder, run.config.data, found, translate, int(run.state.step))


def _measure_peer(setting: Setting, case: Case, folder: Path) -> list[Row]:
    """Trains by PyTorch for as long, and measures in the same way."""
    config = _config(setting, case)
    found = {key: list(given) for key, given in _splits(setting, case, config.data).items()}
    inputs_of = [given for split in found.values() for given, _ in split]
    made, steps = _by_peer(config, folder, np.stack(inputs_of), 60 * case.minutes)
    known = {given.tobytes(): image for given, image in zip(inputs_of, made, strict=True)}
    return _measure(
        setting, case, folder, config.data, found, lambda given: known[given.tobytes()], steps
    )


def _by_peer(
    config: ConfigDict, folder: Path, given: np.ndarray, seconds: float
) -> tuple[np.ndarray, int]:
    """Translations by PyTorch, uint8 [N, H, W, 3], after some seconds of training; its steps."""
    if importlib.util.find_spec('torch') is None:
        raise UserError(f'--only={folder.name}: PyTorch is not installed; {files.install("bench")}')
    request = {'config': config.to_dict(), 'seconds': seconds}
    files.replace(folder / 'request.json', json.dumps(request))
    np.save(folder / 'pairs.npy', data.load(config.data).arrays().image)
    np.save(folder / 'inputs.npy', given)
    program = files.carried('benchmarks') / PEER
    subprocess.run([sys.executable, program, folder], check=True)
    steps = json.loads((folder / 'trained.json').read_bytes())['steps']
    return np.load(folder / 'translated.npy'), steps


def _measure(
    setting: Setting,
    case: Case,
    folder: Path,
    config: ConfigDict,
    found: Mapping[tuple[str, str], Sequence[tuple[np.ndarray, np.ndarray]]],
    translate: pairs.Translate,
    steps: int,
) -> list[Row]:
    """A row for each kind of pair; the first ones of each are kept as pictures."""
    training = data.load(config)
    count = min(MEAN_OF, training.spec.num_examples)
    mean = pairs.mean_photo(pairs.Pairs(pairs.TRAIN, training, config, count))
    rows = []
    for (experiment, split), given in found.items():
        scored = pairs.score(translate, given, config, mean)
        own = experiment == case.experiment
        # With `smoke` there may be no nets.
        enough = not setting.smoke and len(given) >= distances.FEWEST
        photos = np.stack([photo for _, photo in given])
        rows.append(
            {
                'experiment': experiment,
                'input': case.input,
                'split': split,
                'size': case.side,
                'recipe': case.recipe,
                **_columns(scored.scores),
                **_by_nets(scored.made, photos, measured=own and enough),
                'pairs': len(given),
                'steps': steps,
            }
        )
        if case.shown and experiment != 'cats_to_facades':
            images.write_png(folder / _picture(experiment, split), images.tile(scored.strips, 1))
        if _album_picture(split) in _kept(setting, case) and own:
            content = _beside(scored.made, photos, SHOWN[split])
            files.replace(folder / _album_picture(split), content)
    return rows


def _by_nets(made: np.ndarray, photos: np.ndarray, *, measured: bool) -> Row:
    """Figures of the translations and of their photos; None where they are not measured."""
    row: Row = dict.fromkeys(('cat_share', 'cat_share_photo', *FRECHET.values()))
    if not measured:
        return row
    for name, column in FRECHET.items():
        net = evaluation.load_net(name)
        fake, real = (sets.Measured(image, net) for image in (made, photos))
        row[column] = distances.frechet(fake.moments, real.moments)
        if name == NET:
            row |= net.measure(fake.outputs)
            row['cat_share_photo'] = net.measure(real.outputs)['cat_share']
    return row


def _beside(made: np.ndarray, photos: np.ndarray, count: int) -> bytes:
    """Translations with their photos to the right, as JPEG without subsampled colours."""
    both = np.concatenate([made, photos], axis=2)[:count]
    return pictures.jpeg(images.tile(both, PAIRS_A_LINE, pad=0), QUALITY)


def _columns(found: Mapping[str, Mapping[str, float | None]]) -> Row:
    """The scores of translations under their names, those of the others with what they are of."""
    own = dict(found[pairs.MADE])
    others = {
        f'{name}_{candidate}': found[candidate][name]
        for candidate in (pairs.INPUT, pairs.MEAN)
        for name in BESIDE
    }
    return own | others


def _splits(setting: Setting, case: Case, config: ConfigDict) -> dict[tuple[str, str], Pairs]:
    """Pairs by experiment and split, of a run's `config.data`."""
    name = case.experiment
    training = data.load(config)
    if name.startswith('one_pair'):
        [(given, photo)] = _of(training, config, 1)
        make = inputs.make(config)
        mirrored = np.ascontiguousarray(photo[:, ::-1])
        other = mirrored if setting.smoke else _photo(setting.path(ALBUM, SAME), case.side)
        return {
            (name, 'train'): [(given, photo)],
            (name, 'mirrored'): [(make(mirrored), mirrored)],
            (name, 'same_subject'): [(make(other), other)],
        }
    found = {(name, 'train'): _of(training, config, ELSEWHERE)}
    if (test := data.held_out(config, training)) is not None:
        found[name, 'held_out'] = _of(test, config, test.spec.num_examples)
    if name == 'cats' and not setting.smoke:
        found['cats_to_facades', 'other_domain'] = _facades(setting, config)
        found['cats_to_portraits', 'other_domain'] = _portraits(setting, config)
    return found


def _of(dataset: data.Dataset, config: ConfigDict, count: int) -> Pairs:
    """The first pairs of a set."""
    return pairs.Pairs('', dataset, config, min(count, dataset.spec.num_examples))


def _elsewhere(config: ConfigDict, **changes: Any) -> ConfigDict:
    """The `config.data` of other pairs of the same kind."""
    config = ConfigDict(config.to_dict())
    config.update(held_out=0.0, num_examples=0, **changes)
    return config


def _portraits(setting: Setting, config: ConfigDict) -> Pairs:
    own = _elsewhere(config, path=str(setting.path(FACES)))
    return _of(data.load(own), own, ELSEWHERE)


def _facades(setting: Setting, config: ConfigDict) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Photos of facades, and what the run's own function makes of them."""
    make = inputs.make(config)
    own = _elsewhere(config, path=str(setting.path(FACADES, 'train')), input='right')
    for _, photo in _of(data.load(own), own, ELSEWHERE):
        yield make(photo), photo


def _photo(path: Path, side: int) -> np.ndarray:
    try:
        return decode.read_square(path.read_bytes(), side)
    except (OSError, decode.Unreadable) as error:
        raise UserError(f'--data_dir: {path} cannot be read ({error})') from None


def summary(rows: Sequence[Row]) -> str:
    """Scores of each row, beside those of its input and of the mean photo, and shares of cats."""
    head = ['experiment', 'input', 'split', *(scores.SCORES[name].metric.name for name in BESIDE)]
    lines = []
    for row in rows:
        cells = []
        for name in BESIDE:
            form = scores.SCORES[name].metric.form
            values = row[name], row[f'{name}_{pairs.INPUT}'], row[f'{name}_{pairs.MEAN}']
            cells.append(' / '.join('-' if v is None else form.format(v) for v in values))
        cells.append(f'{row["edge_agreement"]:.3f}')
        cats = row['cat_share'], row['cat_share_photo']
        cells.append('' if None in cats else ' / '.join(f'{share:.2f}' for share in cats))
        label = f'{row["experiment"]}, {row["recipe"]}, {row["size"]}'
        lines.append([label, row['input'], row['split'], *cells])
    return (
        'Of the translation / of its input, taken for one / of the mean training photo. L1 with'
        ' pixels in [-1, 1]; colour is the mean distance in the (a, b) plane of CIELAB; edges: F1'
        ' with those of the input; cats: the share that SqueezeNet calls a house cat, of'
        ' translations / of their photos. Strips show, from left to right, input, translation and'
        ' photo.\n\n' + outputs.markdown_table([*head, 'Edges', 'Cats'], lines)
    )


def chart(rows: Sequence[Row], workdir: Path) -> bytes:
    """L1 of every row as a bar, with those of its input and of the mean photo as marks."""
    del workdir
    page = pictures.figure(9, 0.6 + 0.28 * len(rows))
    axes = page.subplots()
    place = np.arange(len(rows))[::-1]
    axes.barh(place, [row['l1'] for row in rows], 0.7, color='#1f5fa8', label='translated')
    for candidate, color in ((pairs.INPUT, '#9aa3ad'), (pairs.MEAN, '#c8501e')):
        values = [row[f'l1_{candidate}'] for row in rows]
        label = candidate.replace('_', ' ')
        axes.scatter(values, place, marker='|', s=90, color=color, label=label, zorder=3)
    names = [
        f'{r["experiment"]} {r["size"]}, {r["recipe"]}, {r["input"]}, {r["split"]}' for r in rows
    ]
    axes.set_yticks(place, names, fontsize=7)
    axes.set_title('L1 to the photo (pixels in [-1, 1])', loc='left', fontsize=10)
    axes.legend(fontsize=8, frameon=False)
    pictures.plain(axes)
    axes.grid(axis='x', color='#e8e8e8', linewidth=0.7)
    return images.drawn(page)


def strips(rows: Sequence[Row], workdir: Path) -> bytes | None:
    """Input, translation and photo of an experiment's splits, for each kind of input."""
    found = {}
    for row in rows:
        [case] = [case for case in cases() if _is_of(row, case)]
        image = pictures.read(workdir / case.name / _picture(row['experiment'], row['split']))
        own = row['experiment'] == case.experiment
        if image is not None:
            name = row['split'] if own else row['experiment'].partition('_to_')[2]
            found[f'{name}, {row["input"]}, {row["recipe"]}'] = image
    return pictures.side_by_side(found, width=2.0)


def _is_of(row: Row, case: Case) -> bool:
    """Whether a row is of a run."""
    own = row['experiment'].split('_to_')[0]  # or applied elsewhere
    found = own, row['input'], row['size'], row['recipe']
    return found == (case.experiment, case.input, case.side, case.recipe)


def _strips(experiment: str) -> Picture:
    """The picture of an experiment, and of where else its runs were applied."""

    def of(row: Row) -> bool:
        return row['experiment'].split('_to_')[0] == experiment and row['size'] == SIDE

    return Picture(strips, of, lambda trial: trial.kept)


def _beside_photos(kind: str, recipe: str, split: str) -> Picture:
    """All translations of cats that are kept of a split, each left of its photo."""

    def draw(rows: Sequence[Row], workdir: Path) -> bytes:
        return (workdir / f'cats-{kind}-{SIDE}-{recipe}' / _album_picture(split)).read_bytes()

    def of(row: Row) -> bool:
        own = (row['experiment'], row['input'], row['split'], row['recipe'])
        return own == ('cats', kind, split, recipe)

    return Picture(draw, of, lambda trial: (_album_picture(split),))


ABOUT = f"""
`one_pair`: pix2pix on a single photo at {SIDE}x{SIDE}, {PAIR_STEPS} steps, without jitter or
mirror images; then measured on it, on its mirror image, and on another photo of the same cat.
`one_pair_augmented`: the same photo bent (thin-plate splines), cropped and mirrored anew in every
step, for twice as many. `cats`: photos of 23 cats by their owners, a tenth of them held out by
content; the same run is then applied to photos of facades and to portraits, which it never saw.
`facades`: label maps to photos, a tenth held out.

Albums are trained by two recipes for about as long, an hour on two cores: `fast`, that of the
configs, {STEPS[FAST]:,} steps of 8 pairs where they make 10,000, and `paper`, that of pix2pix,
{STEPS[PAPER]:,} steps of one pair, cut short where the paper made 80,000. `fast_20` is a third of
the steps of `fast`. Translations are of the mode in the config: each image's own
moments, no dropout.

Photos: gpriamo/Cat-Faces-Identification (MIT); portraits of faker-js/assets-person-portrait (CC0).
No picture of a facade is shown.
"""

EXPERIMENTS = ('one_pair', 'one_pair_augmented', 'cats')

STUDY = Study(
    name='one_pair',
    title='Translators from one pair, from an album, and out of their domain',
    about=ABOUT,
    folders=(ALBUM, FACADES, FACES),
    columns=(
        ('experiment', 'input', 'split', 'size', 'recipe', *BESIDE)
        + ('edge_agreement', 'cat_share', 'cat_share_photo', *FRECHET.values())
        + tuple(f'{n}_{c}' for c in (pairs.INPUT, pairs.MEAN) for n in BESIDE)
        + ('pairs', 'steps', 'minutes')
    ),
    trials=trials,
    summary=summary,
    pictures={
        'l1.png': Picture(chart),
        **{f'{name}.png': _strips(name) for name in EXPERIMENTS},
        **{
            f'cats_{kind}_{split}_{recipe}.jpg': _beside_photos(kind, recipe, split)
            for kind, recipes in (('canny', RECIPES), ('grey', (SHORT,)))
            for recipe in recipes
            for split in SHOWN
        },
    },
    measured={provenance.WHILE_TRAINING: ('cat_share', 'cat_share_photo', FRECHET[NET])},
)
