"""A run as a folder to share: weights, config, figures, and the card of the model hub.

The card is a README.md with metadata in YAML before it, as hubs of models read it. The licence and
what may be said of the data are the user's to fill in. Nothing of the training images goes into the
folder: of a translator, whose samples show them, only pictures that the user names.
"""

from collections.abc import Callable, Iterator, Mapping
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from gan_jax import fields, tasks
from gan_jax.data import decode, image_files
from gan_jax.errors import UserError
from gan_jax.evaluation import text
from gan_jax.io import files, images, paths, schema
from gan_jax.records import shared, workdirs
from gan_jax.states import GanState, Task
from gan_jax.use import classifying, sampling, trained, translating
from gan_jax.use.trained import Trained

CARD, PICTURE, EVALUATION = 'README.md', 'samples.png', 'evaluation.json'
GRID = 64  # samples on the card
PAIRS = 8  # translations on it
SIDE = 64  # pixels that each has at least
FILL_IN = 'FILL IN'
# Of run.json, what is true wherever the folder is.
FACTS = 'started', 'versions', 'seed', 'num_devices', 'data', 'parameters'


class Figures(NamedTuple):
    """Figures of the state that is shared; {} where there are none."""

    evaluation: dict[str, Any]  # evaluation.json
    classification: dict[str, Any]  # classification.json


def in_use(task: Task) -> Callable[[GanState], Any]:
    """The leaves of a state that are used after training, for `trained.load`."""
    return lambda state: [part.variables(state) for part in task.parts.values()]


def write(workdir: Path, step: int | str, output: Path, photos: Path | None) -> list[Path]:
    """Writes a run into a folder to be shared; returns the files.

    Args:
      photos: pictures that the card of a translator may show, translated; None for none.

    Raises:
      UserError: there is no such run, a picture cannot be read, or the output is a run's folder.
    """
    if (output / 'checkpoints').exists():
        raise UserError(f'--output={paths.shown(output)}: is the folder of a run; name another')
    run = trained.load(workdir, step, pick=in_use)
    picture = _picture(run, photos)
    stored = workdirs.read_facts(workdir)
    facts = {name: stored[name] for name in FACTS if name in stored}
    config = workdirs.load_config(workdir)
    config.update_from_flattened_dict(dict.fromkeys(paths.FIELDS, ''))
    figures = _figures(workdir, int(run.state.step))
    output.mkdir(parents=True, exist_ok=True)
    # Of what was shared there before, and was measured there: it shows training images.
    workdirs.clear(output)
    (output / PICTURE).unlink(missing_ok=True)
    shared.write(output, run.state, trained.paths_of(run.state, in_use(run.task)))
    workdirs.write_config(output, config)
    contents: dict[str, Any] = {'run.json': facts, EVALUATION: figures.evaluation}
    contents[classifying.RESULT] = figures.classification
    for name, content in contents.items():
        if content:
            line = json.dumps(paths.portable(content), indent=2, ensure_ascii=False)
            files.replace(output / name, line + '\n')
    if picture is not None:
        images.write_png(output / PICTURE, picture)
    card = '\n'.join(_card(run, facts, figures, picture is not None))
    files.replace(output / CARD, card + '\n')
    return sorted(path for path in output.iterdir() if path.is_file())


def _picture(run: Trained, photos: Path | None) -> np.ndarray | None:
    """Samples in a grid, or pictures beside their translations: uint8 [h, w, C]."""
    if run.task.sampler is None:
        return _translations(run, photos) if photos else None
    if photos:
        raise UserError('--input: only the card of a translator shows pictures; leave it out')
    draw = sampling.Draw(run.task.sampler, run.state, GRID, 0, ())
    draw = draw._replace(scale=-(-SIDE // min(run.image_shape[:2])))
    return images.tile(draw.picture(draw.latent()), draw.columns())


def _translations(run: Trained, photos: Path) -> np.ndarray:
    ready = translating.Ready(run, translating.Options(resize=True))
    found = image_files.find(photos, '--input')
    rows = []
    for index in range(min(PAIRS, len(found))):
        image = decode.fitted(decode.read(found.read(index)), fields.sides(run.config.data))
        given = ready.prepare(Image.fromarray(image))
        rows += [given, ready(given)]
    return images.tile(np.stack(rows), 4)


def _figures(workdir: Path, step: int) -> Figures:
    """The figures of a step, as far as they were measured of this one."""

    def read(name: str, kind: Any) -> dict[str, Any]:
        path = workdir / name
        found = schema.load(path, kind) if path.exists() else {}
        return found if found.get('step') == step else {}

    evaluation = read(EVALUATION, text.Evaluation | text.PairEvaluation)
    return Figures(evaluation, read(classifying.RESULT, classifying.Classification))


def _card(
    run: Trained, facts: Mapping[str, Any], figures: Figures, has_picture: bool
) -> Iterator[str]:
    """The lines of README.md."""
    data, (height, width, _) = facts['data'], run.image_shape
    yield from _metadata(run, data, figures)
    yield f'\n# {run.config.name}\n'
    yield (
        f'A GAN of gan_jax (task `{run.config.task}`), {height}x{width} pixels, after'
        f' {int(run.state.step):,} steps on {data["num_examples"]:,} images of `{data["name"]}`.'
    )
    if has_picture:
        what = 'the first samples of seed 0, none left out'
        if run.task.translator:
            what = 'input and translation, side by side'
        yield f'\n![{what}]({PICTURE})\n\n{what.capitalize()}.'
    yield '\n## Use\n\n```python\nimport gan_jax\n'
    yield "run = gan_jax.load('FOLDER')  # this one"
    yield f'{tasks.TASKS[run.config.task].use}\n```\n'
    yield 'Every command that takes `--workdir` opens the folder too. It holds no code.'
    yield '\n## Figures\n'
    yield from _measured(figures)
    yield '\n## Training\n'
    versions = ', '.join(f'{name} {version}' for name, version in facts.get('versions', {}).items())
    yield f'Settings: `config.json`. Versions: {versions or "unknown"}.'
    if run.class_names:
        names = image_files.shown(', '.join(run.class_names))
        yield f'\nClasses: {names}.'
    yield f'\n## Data\n\n{FILL_IN}: what the training images show, where they are from, and who may'
    yield 'use them; whether people are on them, and agreed.'
    yield f'\n## Licence\n\n{FILL_IN}: the licence of the weights, here and in the metadata above.'


def _metadata(run: Trained, data: Mapping[str, Any], figures: Figures) -> Iterator[str]:
    """YAML, of which JSON is a part."""
    pipeline = tasks.TASKS[run.config.task].hub
    yield f'---\nlibrary_name: gan-jax\npipeline_tag: {pipeline}'
    yield 'tags: [gan, jax, flax]'
    yield f'# license: {FILL_IN}, one of the names that the hub knows'
    metrics = list(_metrics(figures))
    if metrics:
        yield f'model-index:\n- name: {json.dumps(run.config.name)}\n  results:'
        yield f'  - task: {{type: {pipeline}}}'
        name = json.dumps(data['name'])
        yield f'    dataset: {{name: {name}, type: {name}}}\n    metrics:'
        yield from (f'    - {json.dumps(metric)}' for metric in metrics)
    yield '---'


def _metrics(figures: Figures) -> Iterator[dict[str, Any]]:
    """Each figure that is a number, as hubs list them."""
    named = dict(figures.evaluation.get('figures', {}))
    for split, found in figures.evaluation.get('splits', {}).items():
        scores = found['scores'].get('translated', {})
        named |= {f'{split} {score}': value for score, value in scores.items()}
    if found := figures.classification:
        named |= {name: found[name] for name in ('accuracy', 'calibration_error')}
    for name, value in named.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield {'type': name, 'value': value}


def _measured(figures: Figures) -> Iterator[str]:
    """The figures, and how they were measured."""
    found, classified = figures
    if not (found or classified):
        yield 'Not measured at this step: `gan-jax evaluate` does.'
    if classified:
        of = classified['data']
        yield (
            f'Of {of["images"]:,} images of {of["name"]}, split {of["split"]} (fingerprint'
            f' {of["fingerprint"][:12]}), {classified["accuracy"]:.2%} are recognised; the'
            f' confidence is wrong by {classified["calibration_error"]:.2%} on average.\n'
        )
    if 'splits' in found:
        yield from _table(text.pair_rows(found))
        yield from _provenance(text.pair_sets(found))
    elif found:
        yield from _table([('', '', ''), *text.rows(found)])
        yield from _provenance(text.provenance(found))
    yield from (f'\nNote: {note}.' for note in found.get('notes', ()))


def _table(rows: Any) -> Iterator[str]:
    for number, row in enumerate(rows):
        yield '| ' + ' | '.join(cell.replace('|', '\\|') for cell in row) + ' |'
        if not number:
            yield '|---' * len(row) + '|'


def _provenance(facts: Mapping[str, str]) -> Iterator[str]:
    yield ''
    yield from (f'- {name}: {value}' for name, value in facts.items())
