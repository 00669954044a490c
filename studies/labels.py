"""How far do 50 to 1,000 labels go with a GAN, and how far without?"""

from collections.abc import Callable, Mapping, Sequence
import functools
import math
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from gan_jax.io import images
from gan_jax.use import classifying, sampling, trained
from studies import outputs, pictures, stopping
from studies.study import Picture, Row, Setting, Stage, Study, Trial

NUMBERS = (100, 50, 1_000)  # of labels, in the order they are run
ARM_NUMBERS = (50, 100)  # the same without the GAN
PUBLISHED = {50: ('88', '66'), 100: ('90', 'not stated'), 1_000: ('98', '94')}  # SGAN, alone; %
BOOK_EPOCHS = 30  # of the book's own baseline
GENERATED = 10  # images that a conditional GAN adds for each label it saw
PARENT = 'mnist'  # folder of the digits in --data_dir


class Preset(NamedTuple):
    """A way to use the labels."""

    minutes: float  # of a run
    # (setting, labels, draw) -> its training runs; the last one is the classifier
    stages: Callable[[Setting, int, int], tuple[Stage, ...]]
    digits: str = ''  # the stage whose generator makes digits; '' for none


def _config(setting: Setting, preset: str, number: int, draw: int, **changes: object) -> ConfigDict:
    """A preset of `sgan_mnist` on a draw of so many labels; the draw is the run's seed too."""
    return setting.config(
        f'sgan_mnist:{preset}',
        PARENT,
        **{
            'seed': draw,
            'data.labels.number': number,
            'data.labels.seed': draw,
            'keep': 1,
            'evaluate.balance': 0,
            **changes,
        },
    )


def _semisupervised(
    preset: str, setting: Setting, number: int, draw: int, **changes: object
) -> tuple[Stage, ...]:
    """One run, to its last step."""
    config = _config(setting, preset, number, draw, **changes)
    return (Stage('classifier', lambda folder: config),)


def _book_supervised(setting: Setting, number: int, draw: int) -> tuple[Stage, ...]:
    """The book's own baseline: as many steps as 30 epochs of the labelled images have.

    There an epoch shuffles them and its last batch is smaller; here batches are drawn with
    replacement, as everywhere in the book's preset.
    """
    steps = BOOK_EPOCHS * math.ceil(number / 32)
    return _semisupervised('book_supervised', setting, number, draw, steps=steps)


def _supervised(setting: Setting, number: int, draw: int, added: str = '') -> tuple[Stage, ...]:
    """The network of `best` on its labels alone, stopped where a part of them says, then on all.

    With `added`, the name of an earlier stage, its generated digits join the labelled images.
    """

    def make(folder: Path, **changes: object) -> ConfigDict:
        if added:
            changes['data.added'] = str(_generated(folder, added, GENERATED * number))
        return _config(setting, 'best_supervised', number, draw, **changes)

    def search(folder: Path) -> ConfigDict:
        kept = stopping.validation_share(number)
        return make(folder, **{'data.labels.validation': kept, 'keep': 100})

    def whole(folder: Path) -> ConfigDict:
        config = make(folder)
        with config.unlocked():
            config.steps = stopping.best_step(folder / 'stopping', search(folder))
        return config

    return Stage('stopping', search), Stage('classifier', whole)


def _augmented(setting: Setting, number: int, draw: int) -> tuple[Stage, ...]:
    """Supervised, with digits of a conditional GAN that saw nothing but the labelled images.

    It does not see those that the classifier is stopped by.
    """
    kept = stopping.validation_share(number)
    gan = setting.config(
        'cgan_mnist',
        PARENT,
        **{
            'seed': draw,
            'data.labels.number': number,
            'data.labels.seed': draw,
            'data.labels.validation': kept,
            'data.labels.alone': True,
            'batch_size': min(32, number - kept),
            'augment': 'affine',
            'gen.ema_decay': 0.999,
            'steps': 3_000,
            'keep': 1,
            'evaluate.balance': 0,
        },
    )
    if setting.smoke:
        with gan.unlocked():
            gan.batch_size = 10  # there are no more images in the budget
    return Stage('gan', lambda folder: gan), *_supervised(setting, number, draw, added='gan')


def _generated(folder: Path, stage: str, count: int) -> Path:
    """The file of a trained generator's digits, classes in turn."""
    path = folder / 'generated.npz'
    if not path.exists():
        run = trained.load(folder / stage)
        sampling.write_arrays(
            path, sampling.Draw(trained.sampler_of(run.task), run.state, count, 0, ())
        )
    return path


def _preset(name: str, **changes: Any) -> Callable[[Setting, int, int], tuple[Stage, ...]]:
    return functools.partial(_semisupervised, name, **changes)


_NO_GAN: Mapping[str, Any] = {'semisupervised.adversarial': 0.0, 'semisupervised.matching': 0.0}

PRESETS: Mapping[str, Preset] = {
    'supervised': Preset(3, _supervised),
    'augmented': Preset(8, _augmented, 'gan'),
    'book_supervised': Preset(0.5, _book_supervised),
    'book': Preset(11, _preset('book'), 'classifier'),
    'brownlee': Preset(6, _preset('brownlee', steps=2_000), 'classifier'),
    'best': Preset(15, _preset('best'), 'classifier'),
    'best_no_gan': Preset(15, _preset('best', **_NO_GAN)),
}

# Presets and draws in the order they are run, each at all of `NUMBERS`.
ORDER: tuple[tuple[tuple[str, ...], Sequence[int]], ...] = (
    (('best', 'supervised', 'book', 'book_supervised'), (0,)),
    (('augmented', 'brownlee'), (0,)),
    (('best', 'supervised'), (1, 2, 3, 4)),
    (('book_supervised',), (1, 2)),
)


def trials(setting: Setting) -> list[Trial]:
    """Every preset at every number of labels; with `smoke` each preset once."""
    if setting.smoke:  # every kind of stage
        return [_trial(setting, name, 20, 0) for name in ('best', 'supervised', 'augmented')]
    arms = [
        _trial(setting, 'best_no_gan', number, draw) for draw in range(5) for number in ARM_NUMBERS
    ]
    return [
        _trial(setting, name, number, draw)
        for names, draws in ORDER
        for draw in draws
        for number in NUMBERS
        for name in names
    ] + arms


def _trial(setting: Setting, name: str, number: int, draw: int) -> Trial:
    preset = PRESETS[name]
    stages = preset.stages(setting, number, draw)
    arm = name.removeprefix('best_') if name.startswith('best_') else ''
    preset_name = 'best' if arm else name
    key = {'num_labels': number, 'preset': preset_name, 'draw': draw, 'arm': arm}

    def measure(folder: Path) -> list[Row]:
        run = trained.load(folder / 'classifier')
        split = 'train' if setting.smoke else 'test'  # the packaged digits have no other
        found = classifying.evaluate(run, classifying.labelled_split(run, split))
        row = {'test_accuracy': found['accuracy'], 'calibration_error': found['calibration_error']}
        if preset.digits:
            pictures.keep_strip(folder, pictures.over_time(folder / preset.digits))
        return [{**key, **row, 'steps': found['step']}]

    kept = (pictures.STRIP,) if preset.digits else ()
    trial = f'{name}-{number}-{draw}'
    return Trial(trial, preset.minutes, stages, measure, preset.digits, kept=kept)


def _name(row: Row) -> str:
    return f'{row["preset"]}_{row["arm"]}' if row['arm'] else row['preset']


def _accuracies(rows: Sequence[Row]) -> dict[tuple[int, str], list[float]]:
    found: dict[tuple[int, str], list[float]] = {}
    for row in rows:
        found.setdefault((row['num_labels'], _name(row)), []).append(row['test_accuracy'])
    return found


def summary(rows: Sequence[Row]) -> str:
    """Mean and standard deviation over draws, beside what was published."""
    found = _accuracies(rows)
    lines = []
    shown = _shown(found)
    for number in sorted({number for number, _ in found}):
        own = [_mean(found.get((number, name), ())) for name in shown]
        lines.append([f'{number:,}', *own, ' / '.join(PUBLISHED.get(number, ('-', '-')))])
    names = [f'`{name}`' for name in shown]
    return (
        'Accuracy on the 10,000 test digits in percent: mean, standard deviation over draws, and'
        ' their number. Published: `book` and `book_supervised` as others reported them.\n\n'
        + outputs.markdown_table(['labels', *names, 'published'], lines)
    )


def _shown(found: Mapping[tuple[int, str], Any]) -> list[str]:
    """The presets of which there are rows."""
    names = {name for _, name in found}
    return [name for name in PRESETS if name in names]


def _mean(values: Sequence[float]) -> str:
    if not values:
        return ''
    mean, deviation = outputs.spread(values)
    between = '' if math.isnan(deviation) else f' ± {100 * deviation:.2f}'
    return f'{100 * mean:.2f}{between} ({len(values)})'


def chart(rows: Sequence[Row], workdir: Path) -> bytes:
    """Bars of the accuracies, with what was published as dashes."""
    del workdir
    found = _accuracies(rows)
    numbers = sorted({number for number, _ in found})
    series = {
        name: [outputs.spread(found[n, name]) if (n, name) in found else None for n in numbers]
        for name in _shown(found)
    }
    page = pictures.figure(10, 4.2)
    axes = page.subplots()
    pictures.bars(axes, [f'{number:,} labels' for number in numbers], series)
    _draw_published(axes, numbers)
    axes.set_ylim(0, 112)
    axes.set_yticks(range(0, 101, 20))
    axes.set_title('Accuracy on the 10,000 test digits, %', loc='left', fontsize=10)
    axes.legend(fontsize=8, frameon=False, ncols=len(series) + 1, loc='upper left')
    return images.drawn(page)


def _draw_published(axes: Any, numbers: Sequence[int]) -> None:
    label: str | None = 'published: SGAN, alone'
    for place, number in enumerate(numbers):
        for text in PUBLISHED.get(number, ()):
            if text.isdecimal():
                level = int(text)
                axes.hlines(level, place - 0.46, place + 0.46, '#222', 'dotted', lw=1, label=label)
                label = None


def digits_over_time(rows: Sequence[Row], workdir: Path) -> bytes | None:
    """Samples of the same latents through the generators' training."""
    found: dict[str, tuple[int, pictures.Strip]] = {}
    for row in rows:
        name, number = _name(row), row['num_labels']
        if strip := pictures.read_strip(workdir / f'{name}-{number}-{row["draw"]}'):
            found.setdefault(name, (number, strip))
    ordered = [(name, *found[name]) for name in PRESETS if name in found]
    return pictures.strips({f'{name}, {number} labels': strip for name, number, strip in ordered})


ABOUT = f"""
The same digits and the same budget of labels for everybody. Labels outside of the budget are
removed before anything else gets the set (`gan_jax/data/label_subsets.py`). No step, rate or
checkpoint is chosen by one of them. The finished classifier reads the test digits once. The
settings of `best` were chosen beforehand, on the training digits (`docs/why/tried.md`).

- `supervised`: the classifier of `best` with its augmentation, on the labelled images alone. Its
  dropout is 0.4, which is better than 0.1 without the GAN. A first run holds back a fifth of the
  budget (at least one label of each class), and the saved step that gets most of it right is kept.
  A second run trains on the whole budget for so many steps.
- `augmented`: the same, with {GENERATED} generated digits for each label, by a class-conditional
  GAN that saw nothing but the labelled images (without those held back).
- `book`, `book_supervised`: "GANs in Action", the first labels of the set, and its own baseline:
  the same network for {BOOK_EPOCHS} epochs of them. Draws differ in the seed alone.
- `brownlee`: cut to 2,000 of 12,000 steps. `best`: `sgan_mnist` as it is.

`best_no_gan` differs from `best` in the GAN alone: it has pseudo-labels and consistency, at as
many steps.

Draws of labels are balanced, and each `draw` is a new one.
"""

STUDY = Study(
    name='labels',
    title='How far labels go, with a GAN and without',
    about=ABOUT,
    folders=(PARENT,),
    columns=(
        ('num_labels', 'preset', 'draw', 'test_accuracy')
        + ('calibration_error', 'steps', 'minutes', 'arm')
    ),
    trials=trials,
    summary=summary,
    pictures={
        'labels.png': Picture(chart),
        'digits_over_time.png': Picture(
            digits_over_time, lambda row: row['draw'] == 0, lambda trial: trial.kept
        ),
    },
)
