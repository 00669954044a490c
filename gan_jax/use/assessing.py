"""A run measured: its samples against its held-out images, or those of a folder."""

from collections.abc import Iterator, Mapping
import json
from pathlib import Path
from typing import Any, NamedTuple

from gan_jax import data, nets, observers
from gan_jax.data import from_files
from gan_jax.errors import UserError
from gan_jax.evaluation import leaks, metrics, neighbours, sets
from gan_jax.evaluation.samples import Samples
from gan_jax.io import files, images
from gan_jax.pretrained.feature_net import FeatureNet
from gan_jax.records import workdirs
from gan_jax.use.trained import Trained

RESULT, PICTURE = 'evaluation.json', 'neighbours.png'  # in a workdir


class Real(NamedTuple):
    """Real images, under the net."""

    reference: sets.Reference  # what samples are compared with
    training: sets.Reference | None  # what the run was trained on; None if it is not at hand
    missing: str = ''  # why it is not


def real_images(run: Trained, workdir: Path, net: FeatureNet, folder: Path | None) -> Real:
    """The reference and the training images of a run.

    The reference is the folder if one is given, else the split 'test' of the run's data if there
    is one that it was not trained on, else the training images.

    Raises:
      UserError: images are not to be had, or are others than the run was trained on.
    """
    config = run.config.data
    chosen = sets.of_folder(Path(folder), run.image_shape, config.flip) if folder else None
    try:
        dataset = data.load(config)
        workdirs.refuse_other_data(workdir, run.config, dataset.fingerprint)
    except UserError as error:
        if chosen is None:
            raise
        return Real(sets.Reference(chosen, net), None, str(error))
    training = sets.of_dataset(dataset, config, sets.TRAINING, net.training_limit)
    chosen = chosen or sets.others(dataset, config)
    return Real(sets.Reference(chosen, net), sets.Reference(training, net))


def assess(run: Trained, real: Real, num_samples: int) -> tuple[dict[str, Any], Any]:
    """Measures a run.

    Returns:
      what `metrics.measure` returns, with the run's name, step and seed; and the picture of
      nearest neighbours, uint8 [h, w, C], None without the training images.

    Raises:
      UserError: too few samples or real images.
    """
    metrics.check_numbers(num_samples, real.reference)
    samples = Samples(run.task, run.config.seed, num_samples)
    image = samples(run.state, 'samples')
    fake = sets.Measured(image, real.reference.net, 'features of samples')
    given = metrics.Comparison(fake, *real)
    found = metrics.compare(given)
    found_leaks = leaks.measure(fake.image, real.reference.image, run.config.augment)
    found['figures'] |= leaks.metrics(found_leaks)
    found['features'] = fake.net.facts(nets.looked_through(run.config))
    found['notes'] += _notes(run, real, found['features'], found_leaks)
    facts = {
        'run': str(run.config.name),
        'step': int(run.state.step),
        'seed': int(run.config.seed),
    }
    picture = None
    if real.training is not None:
        rows = neighbours.find(fake, real.training, given.isolation)
        picture = neighbours.picture(fake.image, real.training.shown, rows)
    return facts | found, picture


def _notes(
    run: Trained, real: Real, net: Mapping[str, Any], found_leaks: Mapping[str, leaks.Leak]
) -> Iterator[str]:
    config, images_of = run.config, real.reference.images
    if net.get('looked_through'):
        yield (
            f'training looked through {net["name"]}, so that the metrics marked * flatter samples:'
            f' judge by --features={observers.usual_net(config)}'
        )
    yield from leaks.notes(found_leaks, config.ada.target > 0)
    if config.data.held_out and images_of.role == sets.TRAINING:
        none = from_files.none_held_out(config.data, images_of.total)
        yield f'measured against training images: {none}'
    if run.components:
        yield (
            f'the prior is a mixture of {run.components:,} (config.latent_mixture), and samples of'
            ' one may be nearly the same, which diversity and spacing hardly show'
        )


def write(workdir: Path, found: Mapping[str, Any], picture: Any) -> None:
    """Writes evaluation.json and neighbours.png into the run's folder."""
    if picture is None:
        (workdir / PICTURE).unlink(missing_ok=True)
    else:
        images.write_png(workdir / PICTURE, picture)
    files.replace(workdir / RESULT, json.dumps(found, indent=2, ensure_ascii=False) + '\n')
