"""The balance of the two networks: how well the discriminator ranks real above fake."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from gan_jax import rng
from gan_jax.data import views
from gan_jax.data.datasets import Dataset
from gan_jax.fields import Config, Data
from gan_jax.states import GanState, Logits
from gan_jax.types import Batch

NUM_IMAGES = 500  # of each kind
CALL = 100  # images in one call, about, so that memory does not grow with their number
LOST = 0.99  # from this AUC on the generator has next to nothing to learn from
LOST_EPOCHS = 10  # in a row


def auc(real_logits: np.ndarray, fake_logits: np.ndarray) -> float:
    """The probability that a real image has a higher logit than a generated one; ties count half.

    The area under the ROC curve, of float [N] and [M]: at 0.5 the discriminator cannot tell them
    apart, at 1 it always can. NaN if a logit is.
    """
    real, fake = (np.asarray(logits, np.float64) for logits in (real_logits, fake_logits))
    signs = np.sign(real[:, None] - fake[None, :])
    return float((1 + signs.mean()) / 2)


def observer(
    logits: Logits,
    datasets: Mapping[str, Dataset],
    config: Config,
    place: Callable[[Any], Any],
) -> Callable[[GanState], dict[str, float]]:
    """A function of the state: the AUC on each of the sets, by name.

    It is of a fixed sample of the set against generated images from fixed latents, as many, and
    of the networks as they train: in batches of the size of the training, as batch norm makes what
    an image is worth depend on the others (`Task.logits`). Running statistics, which no step of the
    training uses, may rank the other way round.

    Args:
      datasets: by the name of the metric; `NUM_IMAGES` of each are taken, or all there are.
    """

    @jax.jit
    def all_logits(
        state: GanState, number: jax.Array, batch: Batch[jax.Array]
    ) -> tuple[jax.Array, jax.Array]:
        key = rng.purpose_key(jax.random.key(0), 'balance')
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, number)
        return jax.vmap(logits, (None, 0, 0))(state, keys, batch)

    samples = {name: _sample(dataset, config.data) for name, dataset in datasets.items()}
    calls = {
        name: [place(call) for call in _calls(batch, config.batch_size)]
        for name, batch in samples.items()
    }

    def measure(state: GanState) -> dict[str, float]:
        found = {}
        for name, parts in calls.items():
            found_logits = jax.device_get([all_logits(state, *part) for part in parts])
            count = len(samples[name].label)
            real, fake = (
                np.concatenate(side, axis=None)[:count] for side in zip(*found_logits, strict=True)
            )
            found[name] = auc(real, fake)
        return found

    return measure


def _sample(dataset: Dataset, config: Data) -> Batch[np.ndarray]:
    """The same images whatever the run's seed is, so that runs can be compared."""
    count = len(dataset.source)
    order = np.random.Generator(np.random.PCG64(0)).permutation(count)
    image, label = dataset.source.take(np.sort(order[:NUM_IMAGES]))
    return Batch(views.centred(config, image), label)


def _calls(sample: Batch[np.ndarray], size: int) -> list[tuple[np.ndarray, Batch[np.ndarray]]]:
    """The sample in batches of a size, some at once: their numbers [n], and leaves [n, size, ...].

    Filled up with the first images, so that one program serves all.
    """
    count = len(sample.label)
    per_call = max(1, min(CALL, count) // size)
    number = -(-count // (size * per_call))
    places = (np.arange(number * per_call * size) % count).reshape(number, per_call, size)
    numbers = np.arange(number * per_call, dtype=np.int32).reshape(number, per_call)
    return [
        (first, Batch(*(leaf[place] for leaf in sample)))
        for first, place in zip(numbers, places, strict=True)
    ]


def epoch_lost(rows: Sequence[Mapping[str, Any]], name: str = 'auc') -> int | None:
    """The first of `LOST_EPOCHS` consecutive epochs with an AUC of at least `LOST`; None: none.

    Where it was not measured at every epoch, all measurements in a stretch of at least as many
    epochs must be so high. Rows are those of evaluations.jsonl, ascending.
    """
    first = None
    for row in rows:
        value = row.get(name)
        if value is None:
            continue
        if value < LOST:
            first = None
            continue
        epoch = int(row['epoch'])
        first = epoch if first is None else first
        if epoch - first >= LOST_EPOCHS - 1:
            return first
    return None
