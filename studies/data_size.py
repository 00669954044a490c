"""How many images does a GAN need, and how many with a recipe for small sets?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gan_jax import observers
from gan_jax.io import images
from gan_jax.records import recorder
from studies import measures, outputs, pictures, provenance
from studies.study import Picture, Row, Setting, Stage, Study, Trial

PARENT = 'mnist'
STEPS = 6_000  # of 64 images, for all
EVERY = 250  # steps between measurements on 1,000 samples
CHOSEN_BY = 'frechet_digits'  # on these: the step that is shown
MEASURED = 10_000  # samples of it, and of the last one


class Recipe(NamedTuple):
    """How a set is trained on: `source` is an experiment, `minutes` what a run takes."""

    source: str
    minutes: float


RECIPES: Mapping[str, Recipe] = {
    'plain': Recipe('gan_mnist', 29),
    'small_data': Recipe('gan_mnist:small_data', 30),
}

# (recipe, number of images, seed) in the order they are run.
ORDER = (
    ('plain', 200, 0),
    ('small_data', 200, 0),
    ('small_data', 100, 0),
    *(('plain', number, 0) for number in (60_000, 1_000, 500, 10_000)),
    ('plain', 1_000, 1),
)
FIGURES = (
    'frechet_digits', 'kid_digits', 'readable_share', 'classes_present', 'memorisation',
)  # fmt: skip
MORE = ('coverage', 'noise', 'collapsed')
LAST = {  # columns of the last step, and what they are of
    'frechet_last': 'frechet_digits',
    'readable_last': 'readable_share',
    'collapsed_last': 'collapsed',
}
SUMMARY = ('frechet_digits', 'readable_share', 'classes_present', 'memorisation', *tuple(LAST)[:2])
COLORS = {'plain': '#c8501e', 'small_data': '#1f5fa8'}


def trials(setting: Setting) -> list[Trial]:
    """Every row; with `smoke` each recipe once."""
    return [_trial(setting, *row) for row in (ORDER[:2] if setting.smoke else ORDER)]


def _trial(setting: Setting, name: str, number: int, seed: int) -> Trial:
    recipe = RECIPES[name]
    config = setting.config(
        recipe.source,
        PARENT,
        **{
            'seed': seed,
            'data.num_examples': number,
            'data.subset_seed': seed,
            'steps': STEPS,
            'keep': 1,
            'sample_every': EVERY,
            'evaluate.balance': 0,
            'evaluate.every': EVERY * 64 / number,
            'evaluate.metrics': ('frechet', 'classes'),
            'evaluate.best': CHOSEN_BY,
            'evaluate.num_samples': 1_000,
        },
    )
    count = 200 if setting.smoke else MEASURED

    def measure(folder: Path) -> list[Row]:
        rows = recorder.read_rows(folder / 'run', recorder.EVALUATIONS)
        found = measures.metrics(folder / 'run', 'digits', count, 'best')
        last = measures.at_step(
            folder / 'run', 'digits', count, ('frechet', 'classes', 'diversity')
        )
        measures.keep(folder, recorder.EVALUATIONS)
        pictures.keep_strip(folder, pictures.over_time(folder / 'run'))
        readable = measures.first_step(rows, 'readable_share', measures.READABLE)
        return [
            {
                'num_real': number,
                'recipe': name,
                'seed': seed,
                'steps': config.steps,
                'step_best': observers.best_step(rows, CHOSEN_BY),
                **{figure: found.get(figure) for figure in (*FIGURES, *MORE)},
                **{column: last[figure] for column, figure in LAST.items()},
                'steps_to_readable': readable,
            }
        ]

    stage = Stage('run', lambda folder: config)
    kept = (recorder.EVALUATIONS, pictures.STRIP)
    trial = f'{name}-{number}-{seed}'
    return Trial(trial, recipe.minutes, (stage,), measure, 'run', 'best', kept)


def _by_size(rows: Sequence[Row], recipe: str, figure: str) -> dict[int, list[float]]:
    """The values of a figure, of every seed, by number of images."""
    found: dict[int, list[float]] = {}
    for row in sorted(rows, key=lambda row: row['num_real']):
        if row['recipe'] == recipe and row[figure] is not None:
            found.setdefault(row['num_real'], []).append(row[figure])
    return found


def summary(rows: Sequence[Row]) -> str:
    """Means and deviations over seeds of the figures that answer the question."""
    lines = []
    for number in sorted({row['num_real'] for row in rows}, reverse=True):
        for recipe in RECIPES:
            own = [row for row in rows if (row['num_real'], row['recipe']) == (number, recipe)]
            if own:
                cells = [outputs.mean(own, figure) for figure in SUMMARY]
                lines.append([f'{number:,}', f'`{recipe}`', str(len(own)), *cells])
    head = ['images', 'recipe', 'seeds', 'Frechet distance', 'readable', 'classes']
    head += ['memorisation', 'distance at the end', 'readable at the end']
    said = 'Each run at its best step; the last two columns are of its last step.\n\n'
    return said + outputs.markdown_table(head, lines)


def chart(rows: Sequence[Row], workdir: Path) -> bytes:
    """Readable share and Frechet distance over the number of images, at best and at the end."""
    del workdir
    page = pictures.figure(10, 4)
    readable, distance = page.subplots(1, 2)
    for axes, best, last in (
        (readable, 'readable_share', 'readable_last'),
        (distance, 'frechet_digits', 'frechet_last'),
    ):
        for recipe, color in COLORS.items():
            _line(axes, _by_size(rows, recipe, best), color, f'{recipe}, best step', '-')
            _line(axes, _by_size(rows, recipe, last), color, f'{recipe}, last step', '--')
        _scale(axes, sorted({row['num_real'] for row in rows}))
    readable.axhline(measures.READABLE, color='#222', linewidth=0.8, linestyle='dotted')
    readable.set_ylim(0, 1.02)
    readable.set_title('Share of samples that can be read', loc='left', fontsize=10)
    pictures.logarithmic(distance)
    distance.set_title('Frechet distance to the 10,000 test digits', loc='left', fontsize=10)
    distance.legend(fontsize=9, frameon=False)
    return images.drawn(page)


def progress(rows: Sequence[Row], workdir: Path) -> bytes:
    """Readable share and distance over steps, a line for each number of images and seed."""
    own = [(row, recorder.read_rows(_folder(workdir, row), recorder.EVALUATIONS)) for row in rows]
    page = pictures.figure(10, 7)
    panels = page.subplots(2, len(RECIPES), sharey='row')
    for (readable, distance), recipe in zip(panels.T, RECIPES, strict=True):
        _over_steps((readable, distance), own, recipe)
        readable.axhline(measures.READABLE, color='#222', linewidth=0.8, linestyle='dotted')
        readable.set_ylim(0, 1.02)
        readable.set_title(f'{recipe}: share that can be read', loc='left', fontsize=10)
        pictures.logarithmic(distance)
        distance.set_xlabel('step', fontsize=9)
        distance.set_title(f'{recipe}: Frechet distance', loc='left', fontsize=10)
        if readable.get_legend_handles_labels()[0]:
            readable.legend(fontsize=8, frameon=False)
    return images.drawn(page)


def _folder(workdir: Path, row: Row) -> Path:
    return workdir / '{recipe}-{num_real}-{seed}'.format(**row)


def _over_steps(
    panels: Sequence[Any], runs: Sequence[tuple[Row, Sequence[Row]]], recipe: str
) -> None:
    sizes = sorted({row['num_real'] for row, _ in runs})
    for row, found in sorted(runs, key=lambda run: (run[0]['num_real'], run[0]['seed'])):
        if row['recipe'] == recipe:
            label = f'{row["num_real"]:,} images' + f', seed {row["seed"]}' * bool(row['seed'])
            style = {
                'color': pictures.COLORS[sizes.index(row['num_real'])],
                'linestyle': 'dashed' if row['seed'] else 'solid',
            }
            for axes, figure in zip(panels, ('readable_share', CHOSEN_BY), strict=True):
                points = [(r['step'], r[figure]) for r in found]
                axes.plot(*zip(*points, strict=True), linewidth=1.3, label=label, **style)
    for axes in panels:
        pictures.plain(axes)


def _line(
    axes: Any, found: Mapping[int, Sequence[float]], color: str, label: str, style: str
) -> None:
    """Means, with a dot for each seed: hollow where the line is dashed."""
    means = [sum(values) / len(values) for values in found.values()]
    axes.plot(list(found), means, style, color=color, linewidth=1.5)
    dot = {'color': color, 'markersize': 4, 'markerfacecolor': color if style == '-' else 'white'}
    for number, values in found.items():
        axes.plot([number] * len(values), values, 'o', **dot)
    axes.plot([], [], f'o{style}', label=label, **dot)


def _scale(axes: Any, numbers: Sequence[int]) -> None:
    axes.set_xscale('log')
    axes.set_xticks(numbers, [f'{number:,}' for number in numbers])
    axes.minorticks_off()
    axes.set_xlabel('real images', fontsize=9)
    pictures.plain(axes)


def digits_over_time(rows: Sequence[Row], workdir: Path) -> bytes | None:
    """The same latents through training, by number of images, of one seed each."""
    found: dict[str, pictures.Strip] = {}
    for row in sorted(rows, key=lambda row: (-row['num_real'], row['seed'])):
        strip = pictures.read_strip(_folder(workdir, row))
        if strip:
            found.setdefault(f'{row["num_real"]:,} images', strip)
    return pictures.strips(found)


def _over_time(recipe: str) -> Picture:
    return Picture(
        digits_over_time, lambda row: row['recipe'] == recipe, lambda trial: (pictures.STRIP,)
    )


ABOUT = f"""
A plain convolutional GAN on parts of the 60,000 training digits. A smaller part lies inside the
larger ones of its seed. All rows make {STEPS:,} steps of 64 images. `plain` is the experiment
`gan_mnist`. `small_data` is the same networks with a recipe for small sets, `gan_mnist:small_data`.

The reference is always the 10,000 test digits: {MEASURED:,} samples, features of the net `digits`
(`docs/reference/metrics.md`). A sample is readable if the net reads it with a confidence above 0.9.
`steps_to_readable` is the first step, of one in {EVERY}, at which {measures.READABLE:.0%} of 1,000
samples are readable. Empty: there is none. `step_best` is the measured step with the least
distance, of 1,000 samples. All figures are of that step (`--step=best`), and so are the digits of
`samples_ROW.png`; those that end in `_last` are of the last step. The step is chosen by the
reference it is then measured by, for both recipes alike. Samples of `small_data` are of the moving
average of its generator, those of `plain` of the generator itself.

To read the figures by: 99 % of real test digits are readable. The Frechet distance of 10,000
training digits is 0.6; of 1,000, 500 and 200 of them it is 3.0, 6.9 and 13. The `memorisation` of
copies is 1, and that of digits that nothing was trained on is 0.45 to 0.47 (200 to 5,000 training
digits), or 0.58 with all 60,000. Bright specks on black may be read as digits: then classes are few
and the distance is large. Samples count as collapsed if their mean distance from each other, or
from the nearest other, is less than half that of real digits.
"""

STUDY = Study(
    name='data_size',
    title='How many images does a GAN need?',
    about=ABOUT,
    folders=(PARENT,),
    columns=(
        'num_real',
        'recipe',
        'seed',
        'steps',
        *FIGURES,
        'steps_to_readable',
        'step_best',
        *MORE,
        *LAST,
        'minutes',
    ),
    trials=trials,
    summary=summary,
    pictures={
        'data_size.png': Picture(chart, measured=provenance.AFTERWARDS),
        'readable.png': Picture(
            progress,
            needs=lambda trial: (recorder.EVALUATIONS,),
            measured=provenance.WHILE_TRAINING,
        ),
        **{f'digits_over_time_{name}.png': _over_time(name) for name in RECIPES},
    },
    measured={
        provenance.AFTERWARDS: (*FIGURES, *MORE, *LAST),
        provenance.WHILE_TRAINING: ('steps_to_readable', 'step_best'),
    },
)
