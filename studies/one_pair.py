"""Study 3: what does pix2pix learn from one pair, from an album, and of another domain?"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import functools
import io
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict
import numpy as np

from gan_jax import data, images
from gan_jax.data import decode, inputs
from gan_jax.errors import UserError
from gan_jax.evaluation import scores
from gan_jax.use import assessing_pairs, trained
from gan_jax.use.trained import Trained
from studies import outputs, pictures
from studies.study import Picture, Row, Setting, Stage, Study, Trial

FACADES, FACES = 'facades', 'faces'
ALBUM = 'cats/personal'
PAIR, SAME = 'zelena/007.jpg', 'zelena/006.jpg'  # in the album: a photo, and another of that cat
ELSEWHERE = 100  # photos of another domain
MEAN_OF = 2_000  # training photos in the mean one, at most
SIDE = 128
STEPS = {'pair': 600, 'grey': 3_000, 'canny': 2_000, 'labels': 3_000}
LABELS_L1 = 400.0  # at the paper's 100 it guesses colours, and the mean photo is nearer

Pairs = Iterable[tuple[np.ndarray, np.ndarray]]


class Case(NamedTuple):
    """A run and what it is measured on.

    Attributes:
      experiment: the table's.
      preset: of which config.
      input: grey, canny or labels.
      side: pixels of an image.
      changes: of the config.
      minutes: of the run.
      shown: whether its pictures may be.
    """

    experiment: str
    preset: str
    input: str
    side: int
    changes: Mapping[str, Any]
    minutes: float
    shown: bool = True

    @property
    def name(self) -> str:
        """The trial's name."""
        return f'{self.experiment}-{self.input}-{self.side}'


def cases() -> list[Case]:
    """The runs, the most telling ones first."""
    return [
        _pair('one_pair', 'grey', 4),
        _pair('one_pair_augmented', 'grey', 8),
        _album('cats', 'grey', 21),
        Case(
            'facades',
            f'pix2pix_facades:{SIDE}',
            'labels',
            SIDE,
            _short(STEPS['labels']) | {'data.path': 'facades/train', 'translation.l1': LABELS_L1},
            19,
            shown=False,
        ),
        _pair('one_pair', 'canny', 4),
        _pair('one_pair_augmented', 'canny', 8),
        _album('cats', 'canny', 14),
        _pair('one_pair', 'grey', 10, side=256),
    ]


def _pair(experiment: str, kind: str, minutes: float, side: int = SIDE) -> Case:
    augmented = experiment.endswith('augmented')
    preset = f'{side}_augmented' if augmented else str(side)
    steps = STEPS['pair'] * (2 if augmented else 1)
    changes = _short(steps) | {'data.path': f'{ALBUM}/{PAIR}', 'data.input': kind}
    return Case(experiment, f'pix2pix_one_pair:{preset}', kind, side, changes, minutes)


def _album(experiment: str, kind: str, minutes: float) -> Case:
    changes = _short(STEPS[kind]) | {'data.path': ALBUM}
    return Case(experiment, f'pix2pix_{kind}:{SIDE}', kind, SIDE, changes, minutes)


def _short(steps: int) -> dict[str, Any]:
    """So many steps, of which the second half lowers the rate."""
    constant = {f'{role}.optimizer.constant_steps': steps // 2 for role in ('gen', 'disc')}
    return {'steps': steps, 'save_every': steps // 4, 'sample_every': steps // 12, **constant}


def trials(setting: Setting) -> list[Trial]:
    """All runs; with `smoke` one pair and one album."""
    chosen = cases()
    if setting.smoke:
        chosen = [chosen[1], chosen[2]]
    return [
        Trial(
            case.name,
            case.minutes,
            (Stage('run', lambda folder, case=case: _config(setting, case)),),
            functools.partial(_measure, setting, case),
            kept=_kept(setting, case),
        )
        for case in chosen
    ]


def _kept(setting: Setting, case: Case) -> tuple[str, ...]:
    """The pictures that are kept of a run: of its kinds of pairs, those that may be shown."""
    if not case.shown:
        return ()
    if case.experiment.startswith('one_pair'):
        splits = ('train', 'mirrored', 'same_subject')
        return tuple(_picture(case.experiment, split) for split in splits)
    names = [_picture(case.experiment, 'train')]
    if not setting.smoke:  # which holds nothing out, and has no other domain
        names.append(_picture(case.experiment, 'held_out'))
        names.append(_picture('cats_to_portraits', 'other_domain'))
    return tuple(names)


def _picture(experiment: str, split: str) -> str:
    return f'{experiment}-{split}.png'


def _config(setting: Setting, case: Case) -> ConfigDict:
    changes = dict(case.changes)
    folder = changes.pop('data.path')
    config = setting.config(case.preset, folder, **{'keep': 1, **changes})
    if setting.smoke and case.experiment.startswith('one_pair'):
        with config.unlocked():
            config.data.num_examples = 1
    return config


def _measure(setting: Setting, case: Case, folder: Path) -> list[Row]:
    """A row for each kind of pair; the first ones of each are kept as pictures."""
    run = trained.load(folder / 'run')
    training = data.load(run.config.data)
    count = min(MEAN_OF, training.spec.num_examples)
    mean = assessing_pairs.mean_photo(
        assessing_pairs.Pairs(assessing_pairs.TRAIN, training, run.config.data, count)
    )
    rows = []
    for (experiment, split), found in _splits(setting, case, run).items():
        given = list(found)
        scored = assessing_pairs.score(run, given, mean)
        rows.append(
            {
                'experiment': experiment,
                'input': case.input,
                'split': split,
                'size': case.side,
                **_columns(scored.scores),
                'pairs': len(given),
                'steps': int(run.state.step),
            }
        )
        if case.shown and experiment != 'cats_to_facades':
            images.write_png(folder / _picture(experiment, split), images.tile(scored.strips, 1))
    return rows


def _columns(found: Mapping[str, Mapping[str, float | None]]) -> Row:
    """The scores of translations under their names, those of the others with what they are of."""
    own = dict(found[assessing_pairs.MADE])
    others = {
        f'{name}_{candidate}': found[candidate][name]
        for candidate in (assessing_pairs.INPUT, assessing_pairs.MEAN)
        for name in scores.SCORES
    }
    return own | others


def _splits(setting: Setting, case: Case, run: Trained) -> dict[tuple[str, str], Pairs]:
    """Pairs by experiment and split."""
    config, name = run.config.data, case.experiment
    training = data.load(config)
    if name.startswith('one_pair'):
        [(given, photo)] = _of(training, config, 1)
        make = inputs.make(config)
        mirrored = np.ascontiguousarray(photo[:, ::-1])
        other = mirrored if setting.smoke else _photo(setting.data_dir / ALBUM / SAME, case.side)
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
    return assessing_pairs.Pairs('', dataset, config, min(count, dataset.spec.num_examples))


def _elsewhere(config: ConfigDict, **changes: Any) -> ConfigDict:
    """The `config.data` of other pairs of the same kind."""
    config = ConfigDict(config.to_dict())
    config.update(held_out=0.0, num_examples=0, **changes)
    return config


def _portraits(setting: Setting, config: ConfigDict) -> Pairs:
    own = _elsewhere(config, path=str(setting.data_dir / FACES))
    return _of(data.load(own), own, ELSEWHERE)


def _facades(setting: Setting, config: ConfigDict) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Photos of facades, and what the run's own function makes of them."""
    make = inputs.make(config)
    own = _elsewhere(config, path=str(setting.data_dir / FACADES / 'train'), input='right')
    for _, photo in _of(data.load(own), own, ELSEWHERE):
        yield make(photo), photo


def _photo(path: Path, side: int) -> np.ndarray:
    try:
        return decode.read_square(path.read_bytes(), side)
    except (OSError, decode.Unreadable) as error:
        raise UserError(f'--data_dir: {path} cannot be read ({error})') from None


def summary(rows: Sequence[Row]) -> str:
    """L1, PSNR, SSIM and colour of each row, beside those of its input and of the mean photo."""
    names = ('l1', 'psnr', 'ssim', 'ab_error')
    head = ['experiment', 'input', 'split', *(scores.SCORES[name].name for name in names)]
    lines = []
    for row in rows:
        cells = []
        for name in names:
            form = scores.SCORES[name].form
            values = (
                row[name],
                row[f'{name}_{assessing_pairs.INPUT}'],
                row[f'{name}_{assessing_pairs.MEAN}'],
            )
            cells.append(' / '.join('-' if v is None else form.format(v) for v in values))
        label = f'{row["experiment"]}, {row["size"]}'
        lines.append([label, row['input'], row['split'], *cells])
    return (
        'Of the translation / of its input, taken for one / of the mean training photo. L1 with'
        ' pixels in [-1, 1]; colour is the mean distance in the (a, b) plane of CIELAB. Pictures'
        ' show, from left to right, input, translation and photo.\n\n'
        + outputs.markdown_table(head, lines)
    )


def chart(rows: Sequence[Row], workdir: Path) -> bytes | None:
    """L1 of every row as a bar, with those of its input and of the mean photo as marks."""
    del workdir
    if not rows:
        return None
    buffer = io.BytesIO()
    with pictures.figure(9, 0.6 + 0.28 * len(rows), buffer) as page:
        axes = page.subplots()
        place = np.arange(len(rows))[::-1]
        axes.barh(place, [row['l1'] for row in rows], 0.7, color='#1f5fa8', label='translated')
        for candidate, color in (
            (assessing_pairs.INPUT, '#9aa3ad'),
            (assessing_pairs.MEAN, '#c8501e'),
        ):
            values = [row[f'l1_{candidate}'] for row in rows]
            label = candidate.replace('_', ' ')
            axes.scatter(values, place, marker='|', s=90, color=color, label=label, zorder=3)
        names = [f'{r["experiment"]} {r["size"]}, {r["input"]}, {r["split"]}' for r in rows]
        axes.set_yticks(place, names, fontsize=7)
        axes.set_title('L1 to the photo (pixels in [-1, 1])', loc='left', fontsize=10)
        axes.legend(fontsize=8, frameon=False)
        pictures.plain(axes)
        axes.grid(axis='x', color='#e8e8e8', linewidth=0.7)
    return buffer.getvalue()


def strips(rows: Sequence[Row], workdir: Path) -> bytes | None:
    """Input, translation and photo of an experiment's splits, for each kind of input."""
    found = {}
    for row in rows:
        [case] = [case for case in cases() if _is_of(row, case)]
        image = pictures.read(workdir / case.name / _picture(row['experiment'], row['split']))
        own = row['experiment'] == case.experiment
        if image is not None:
            found[f'{row["split"] if own else row["experiment"]}, {row["input"]}'] = image
    return pictures.side_by_side(found, width=2.0)


def _is_of(row: Row, case: Case) -> bool:
    """Whether a row is of a run."""
    own = row['experiment'].split('_to_')[0]  # or applied elsewhere
    return (own, row['input'], row['size']) == (case.experiment, case.input, case.side)


def _strips(experiment: str) -> Picture:
    """The picture of an experiment, and of where else its runs were applied."""

    def of(row: Row) -> bool:
        return row['experiment'].split('_to_')[0] == experiment and row['size'] == SIDE

    return Picture(strips, of, lambda trial: trial.kept)


ABOUT = f"""
`one_pair`: pix2pix on a single photo at {SIDE}x{SIDE}, {STEPS['pair']} steps, without jitter or
mirror images; then measured on it, on its mirror image, and on another photo of the same cat.
`one_pair_augmented`: the same photo bent (thin-plate splines), cropped and mirrored anew in every
step, for twice as many. `cats`: photos of 23 cats by their owners, a tenth of them held out by
content; the same run is then applied to photos of facades and to portraits, which it never saw.
`facades`: label maps to photos, a tenth held out; L1 has a weight of {LABELS_L1:.0f}, not 100.

All runs are cut short: {STEPS['grey']:,} steps (Canny {STEPS['canny']:,}, facades
{STEPS['labels']:,}) where the paper made 80,000. Translations are of the mode in the config:
each image's own moments, no dropout.

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
        ('experiment', 'input', 'split', 'size', 'l1', 'psnr', 'ssim', 'ab_error')
        + ('edge_agreement',)
        + tuple(
            f'{n}_{c}' for c in (assessing_pairs.INPUT, assessing_pairs.MEAN) for n in scores.SCORES
        )
        + ('pairs', 'steps', 'minutes')
    ),
    trials=trials,
    summary=summary,
    pictures={
        'l1.png': Picture(chart),
        **{f'{name}.png': _strips(name) for name in EXPERIMENTS},
    },
)
