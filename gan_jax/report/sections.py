"""The sections of a report: functions from a run to HTML, '' where its files are absent."""

from collections import Counter
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
import shlex
from typing import Any

from gan_jax import losses, observers
from gan_jax.data import classes
from gan_jax.evaluation import balance
from gan_jax.io import images
from gan_jax.records import recorder
from gan_jax.report import charts, markup, measured, pictures, reliability, verdict
from gan_jax.report.run import Run
from gan_jax.terminal.progress import clock, rate

FRAMES = 60  # grids behind the page's slider
FRAME_BYTES, LAST_BYTES, STRIP_BYTES = 2_400_000, 800_000, 500_000  # base64 adds a third
SMALL_SIDE = 64  # images up to this size are shown with hard pixels
STRIP_COLUMNS, STRIP_ROWS, COLUMN_WIDTH = 12, 5, 150  # the width is of a page, in pixels
BESIDE_SAMPLES = 'What the discriminator believes'  # the panel shown next to the samples
LEAST_RATE = 0.001  # images a second; what is written has two digits
NAMED = 20  # things left out that are named


def header(run: Run) -> str:
    """The run's name, what it learned from, how far it is, and what its metrics say."""
    total = run.config.get('steps', 0)
    done = (total and run.step >= total) or _ended(run)
    where = f'step {run.step:,}' + (f' of {total:,}' if total else '')
    state = 'finished' if done else f'at {where} so far' if run.goes_on else f'stopped at {where}'
    state += _ended(run)
    said = '; '.join(verdict.sentences(run))
    words = f'<p class="said">{escape(said[0].upper() + said[1:])}.</p>' if said else ''
    return (
        '<header><p class="kind">gan_jax training report</p>'
        f'<h1>{escape(run.name)}</h1>'
        f'<p class="lead">{escape(_subject(run))}'
        f'<span class="status">{state}</span></p>{words}</header>'
    )


def _ended(run: Run) -> str:
    """Why it ended before its last step; '' if it did not."""
    stop = run.config.get('stop', {})
    figure = stop.get('figure', '')
    best = observers.spent(run.evaluations, figure, stop['patience']) if figure else None
    if best is None or run.step >= run.config['steps']:
        return ''
    words = figure.replace('_', ' ')
    return f' at step {run.step:,}: {words} has not been better since step {best:,}'


def hero(run: Run) -> str:
    """The samples, with a slider through training; beside them key metrics, D(x) and D(G(z))."""
    beside = [charts.chart(d) for d in run.drawings if d.panel.title == BESIDE_SAMPLES]
    metrics = _definitions(_metrics(run))
    return f'<section class="hero">{_stage(run)}<div>{metrics}{"".join(beside)}</div></section>'


def history(run: Run) -> str:
    """The other curves."""
    drawings = [d for d in run.drawings if d.panel.title != BESIDE_SAMPLES]
    if not drawings:
        return ''
    smoothed = any(line.smooth is not line.raw for drawing in drawings for line in drawing.lines)
    note = 'Faint: as logged. Bold: moving average. ' if smoothed else ''
    captions = ''.join(f'{escape(caption)} ' for caption in run.captions)
    return (
        '<section id="curves"><h2>Training curves <small id="reading"></small></h2>'
        f'<div class="charts">{"".join(map(charts.chart, drawings))}</div>'
        f'<p class="note">{note}{captions}<span class="scripted">Point at any curve to read'
        ' it; click to see the samples of that moment.</span></p></section>'
    )


def filmstrip(run: Run) -> str:
    """The same latents through training, as one picture."""
    shape = run.facts.get('data', {}).get('image_shape')
    grids = pictures.evenly(run.grids, STRIP_COLUMNS)
    strip = pictures.filmstrip(grids, shape, recorder.GRID_PAD, STRIP_ROWS) if shape else None
    if strip is None or len(grids) < 2 or _translates(run):
        return ''
    labels = ''.join(f'<li>{int(path.stem):,}</li>' for path in grids)
    picture = _grid(run, pictures.web_picture(images.png(strip), STRIP_BYTES))
    return (
        '<section id="filmstrip"><h2>The same latents, through training</h2>'
        '<p>Each row is one fixed latent; each column is a step.</p>'
        f'<figure class="strip" style="max-width:{len(grids) * COLUMN_WIDTH}px">{picture}'
        f'<ol aria-label="steps">{labels}</ol></figure></section>'
    )


def classifier(run: Run) -> str:
    """How right the run's classifier is, and a reliability diagram."""
    found = run.classification
    if not found:
        return ''
    data = found['data']
    metrics = {
        'Accuracy': f'{found["accuracy"]:.2%}',
        'Calibration error': f'{found["calibration_error"]:.2%}',
        'Labelled images': f'{data["images"]:,} ({data["name"]}, {data["split"]})',
        'At step': f'{found["step"]:,}',
        **{f'Recognised of {name}': f'{share:.1%}' for name, share in found['classes'].items()},
        **{f'{name} told right': f'{s:.1%}' for name, s in found.get('attributes', {}).items()},
    }
    return (
        '<section id="classifier"><h2>What the classifier is worth</h2>'
        '<p>The confidence of its answers beside how often they are right. On the dashed line the'
        ' two are equal; below it the classifier is too sure. A larger dot stands for more'
        ' images.</p>'
        f'<div class="reliability">{reliability.diagram(found["calibration"])}'
        f'{_definitions(metrics)}</div></section>'
    )


def reading_note(run: Run) -> str:
    """Explains D(x) and D(G(z)), where D's output is a probability."""
    if not any('d_real' in row for row in run.rows):
        return ''
    loss = losses.LOSSES.get(run.config.get('loss', ''))
    no_probability = (
        '<p class="verdict">This run&rsquo;s loss does not train D&rsquo;s output as a'
        ' probability: read the distance of the two curves, not their height.</p>'
    )
    warning = '' if loss and loss.probability else no_probability
    return (
        '<section id="reading-note"><h2>How to read the curves</h2><div class="columns">'
        '<p><b class="disc">D(x)</b> is how sure the discriminator is, on average, that a real'
        ' image is real; <b class="gen">D(G(z))</b> how sure it is that a generated image is.'
        ' Both at 0.5: it cannot tell them apart. D(x) near 1 and D(G(z)) near 0: it tells'
        ' nearly all of them apart, and the generator has little left to learn from.</p>'
        '<p>The losses of a GAN are not a measure of quality: each network is graded by the'
        ' other, and both improve. A healthy run shows curves that keep their distance and'
        ' samples that get better. One loss that falls to zero while the other climbs is the'
        f' sign of a lost balance.</p>{_about_auc(run)}</div>{warning}</section>'
    )


def _about_auc(run: Run) -> str:
    if not _balance(run):
        return ''
    return (
        '<p>The <b>AUC</b> is how often the discriminator gives a real image more than a generated'
        f' one, on the same {balance.NUM_IMAGES} images each time, without augmentation. Near 1'
        f' it is always right: {balance.LOST_EPOCHS} epochs at {balance.LOST} or more count as a'
        ' balance that is lost. Training images far above held-out ones: it knows them by heart.'
        '</p>'
    )


def commands(run: Run) -> str:
    """How to go on with the run."""
    workdir = shlex.quote(run.place)
    entries = {
        'Samples of your own': f'gan-jax sample --workdir={workdir} --output=samples.png',
        'A walk through the latent space': (
            f'gan-jax sample --workdir={workdir} --output=walk.gif --walk=60'
        ),
    }
    if _translates(run):
        entries = {
            'Translations of your own images': (
                f'gan-jax translate --workdir={workdir} --input=FOLDER --output=TRANSLATED'
            )
        }
    entries['How good its images are'] = f'gan-jax evaluate --workdir={workdir}'
    if run.config.get('task') == 'semisupervised':
        entries['Classes of images'] = f'gan-jax classify --workdir={workdir} --input=FOLDER'
        entries['Its accuracy, once it is final'] = (
            f'gan-jax classify --workdir={workdir} --split=test'
        )
    if 'command' in run.facts:
        command = str(run.facts['command'])
        entries = {'Resume': command, 'Train longer': _longer(run, command)} | entries
    if (run.workdir / 'tensorboard').exists():
        entries['The curves in TensorBoard (pip install tensorboard)'] = (
            f'tensorboard --logdir={workdir}/tensorboard'
        )
    items = ''.join(
        f'<dt>{title}</dt><dd><code>{escape(command)}</code></dd>'
        for title, command in entries.items()
        if command
    )
    return f'<section id="commands"><h2>Go on</h2><dl class="commands">{items}</dl></section>'


def _longer(run: Run, command: str) -> str:
    """'' where a schedule, or a study, needs the steps that there are."""
    if command.startswith('gan-jax study '):
        return ''
    schedules = (run.config.get(role, {}).get('optimizer', {}) for role in ('gen', 'disc'))
    if any(schedule.get('schedule', 'constant') != 'constant' for schedule in schedules):
        return ''
    return f'{command} --config.steps={2 * run.config.get("steps", 0)}'


def left_out(run: Run) -> str:
    """The files of the run that could not be used."""
    if not run.left_out:
        return ''
    items = ''.join(f'<li>{escape(line)}</li>' for line in run.left_out[:NAMED])
    more = len(run.left_out) - NAMED
    items += f'<li>and {more:,} more</li>' if more > 0 else ''
    return (
        '<section id="left-out"><h2>Left out</h2><p>These are damaged, or no files of a run.</p>'
        f'<ul>{items}</ul></section>'
    )


def settings(run: Run) -> str:
    """Config, versions and the rest of run.json, folded."""
    rest = {name: value for name, value in run.facts.items() if name != 'versions'}
    tables = {
        'Config': markup.flatten(run.config),
        'Versions': markup.flatten(run.facts.get('versions', {})),
        'Run': markup.flatten(rest),
    }
    folds = ''.join(
        f'<details><summary>{title}</summary>{markup.table(table)}</details>'
        for title, table in tables.items()
        if table
    )
    return f'<section id="settings"><h2>Settings</h2>{folds}</section>' if folds else ''


def _translates(run: Run) -> bool:
    """Whether its samples are of images, not of latents."""
    return run.facts.get('data', {}).get('panels', 1) > 1


def _subject(run: Run) -> str:
    data = run.facts.get('data', {})
    if not data:
        return ''
    size = '×'.join(str(side) for side in data['image_shape'][:2])
    return f'{data["name"]}: {data["num_examples"]:,} images, {size} pixels'


def _stage(run: Run) -> str:
    if not run.grids:
        return '<div class="stage empty"><p>The first samples are still to come.</p></div>'
    [(_, last)] = pictures.web_pictures(run.grids[-1:], 1, LAST_BYTES)
    shown = 'input, translation, photo' if _translates(run) else 'fixed latents'
    shown += ', classes in turn' if run.config.get('conditional') else ''
    scrubber = (
        '<div class="scrub scripted"><button id="play" type="button">Play</button>'
        '<input id="scrubber" type="range" min="0" max="0"'
        ' aria-label="Moment of training"></div>'
    )
    return (
        f'<div class="stage"><figure id="grid">{_grid(run, last)}'
        f'<figcaption><span id="when">{_moment(run, int(run.grids[-1].stem))}</span>'
        f'<span>{shown}</span></figcaption></figure>'
        f'{scrubber if len(run.grids) > 1 else ""}</div>'
    )


def _moment(run: Run, step: int) -> str:
    if not run.rows:
        return f'Step {step:,}'
    last = run.rows[-1]
    return f'Step {step:,}, epoch {step * (last["epoch"] / max(last["step"], 1)):,.1f}'


def _definitions(metrics: Mapping[str, str]) -> str:
    entries = ''.join(
        f'<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>'
        for name, value in metrics.items()
        if value
    )
    return f'<dl class="figures">{entries}</dl>'


def _metrics(run: Run) -> dict[str, str]:
    data, parameters = run.facts.get('data', {}), run.facts.get('parameters', {})
    rates = sorted(row['images_per_s'] for row in run.rows if row.get('images_per_s'))
    return {
        'Began': _start(run),
        'Steps': f'{run.step:,}',
        'Epochs': f'{run.rows[-1]["epoch"]:,.1f}' if run.rows else '',
        'Images per second': rate(rates[len(rates) // 2]) if rates else '',
        'Training time': clock(_training_seconds(run.rows)) if rates else '',
        'Data set': str(data.get('name', '')),
        'Classes': classes.listed(classes.labelled(data.get('class_names', ()))),
        'Attributes': _attributes(data),
        'Real images': f'{data["num_examples"]:,}' if data else '',
        'Generator': f'{parameters["gen"]:,} parameters' if parameters else '',
        'Discriminator': f'{parameters["disc"]:,} parameters' if parameters else '',
        'Balance': _balance(run),
        'Best step': _best(run),
        'Loss': str(run.config.get('loss', '')).replace('_', ' '),
        'Device': ', '.join(
            f'{count} × {kind}' if count > 1 else kind
            for kind, count in Counter(run.facts.get('devices', ())).items()
        ),
    }


def _attributes(data: Mapping[str, Any]) -> str:
    """Each attribute with the share of the images that have it; '' if classes are of none."""
    counts = data.get('counts', ())
    if not counts:
        return ''
    having = classes.by_attribute(dict(zip(data['class_names'], counts, strict=True)))
    names = data['class_names'][-1].split(',')
    return ', '.join(f'{name}: {having[name] / sum(counts):.0%}' for name in names)


def _start(run: Run) -> str:
    """The run whose weights it began with; '' if with new ones."""
    start = run.facts.get('start')
    if not start:
        return ''
    fresh = f'; new: {", ".join(start["fresh"])}' if start['fresh'] else ''
    return f'from {start["run"]}, step {start["step"]:,}{fresh}'


def _balance(run: Run) -> str:
    """Since when the discriminator has been nearly always right; '' where it was not measured."""
    if not any('auc' in row for row in run.evaluations):
        return ''
    lost = balance.epoch_lost(run.evaluations)
    return 'held' if lost is None else f'lost at epoch {lost:,}'


def _best(run: Run) -> str:
    own = run.config.get('evaluate', {}).get('best', '')
    metric = str(own or run.config.get('stop', {}).get('figure', ''))
    step = observers.best_step(run.evaluations, metric) if metric else None
    if step is None:
        return ''
    return f'{step:,} (by {metric.replace("_", " ")})'  # the metric itself is with its caption


def _training_seconds(rows: list[dict[str, Any]]) -> float:
    """Seconds in training steps over all restarts: images of each window over its rate."""
    seconds, before = 0.0, 0
    for row in rows:
        if (row.get('images_per_s') or 0) > LEAST_RATE:
            seconds += (row['images_seen'] - before) / row['images_per_s']
        before = row['images_seen']
    return seconds


def frames(run: Run) -> list[dict[str, Any]]:
    """The grids behind the slider; the last one is on the page itself."""
    found = pictures.web_pictures(run.grids, FRAMES, FRAME_BYTES)
    if not found:
        return []
    *earlier, (last, _) = found
    shown = [
        _frame(run, path, markup.data_uri(picture.kind, picture.content))
        for path, picture in earlier
    ]
    return [*shown, _frame(run, last, None)]


def _frame(run: Run, path: Path, source: str | None) -> dict[str, Any]:
    step = int(path.stem)
    return {'step': step, 'moment': _moment(run, step), 'src': source}


def _grid(run: Run, picture: pictures.Picture) -> str:
    size = picture.height, picture.width
    cell = tuple(run.facts.get('data', {}).get('image_shape', size)[:2])
    return markup.grid(
        markup.data_uri(picture.kind, picture.content),
        size,
        cell,
        recorder.GRID_PAD,
        pixelated=max(cell) <= SMALL_SIDE,
    )


SECTIONS: tuple[Callable[[Run], str], ...] = (
    header,
    hero,
    measured.section,
    classifier,
    filmstrip,
    history,
    reading_note,
    commands,
    left_out,
    settings,
)
