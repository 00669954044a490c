"""Trains the classifier of `digits.py` on MNIST and writes its weights, in minutes on two cores.

    python tools/train_digits.py --data=FOLDER_WITH_THE_FOUR_IDX_FILES

The 60,000 training digits, shifted by up to two pixels; a share of each batch is digits whose
patches were shuffled, and noise, for which every class is to be equally likely (outlier exposure,
Hendrycks et al. 2019, arXiv:1812.04606). The 10,000 test digits are read once, at the end.
"""

from collections.abc import Iterator
import functools
from pathlib import Path
import sys
from typing import Any, NamedTuple

from absl import flags
from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax import config as config_lib
from gan_jax import data
from gan_jax.pretrained import digits, weights
from gan_jax.types import Batch

VERSION = '1'
SEED = 0
BATCH = 128
EPOCHS = 10
RATE = 2e-3  # Adam's, at the start of a cosine
SHIFT = 2  # pixels
PATCH = 7  # pixels a side of what is shuffled
NO_DIGITS = 16  # of each batch's images are followed by as many that show none
DECAY = 2e-4  # of the weights


class Learner(NamedTuple):
    """The net while it trains."""

    params: Any
    batch_stats: Any
    optimizer: Any


def shuffled(key: jax.Array, image: jax.Array) -> jax.Array:
    """A digit's patches in another order, or all of its pixels: float32 [28, 28, 1]."""
    order_key, pixel_key, kind = jax.random.split(key, 3)
    count = digits.SIDE // PATCH
    patches = image.reshape(count, PATCH, count, PATCH).swapaxes(1, 2).reshape(-1, PATCH, PATCH)
    patches = jax.random.permutation(order_key, patches).reshape(count, count, PATCH, PATCH)
    pixels = jax.random.permutation(pixel_key, image.reshape(-1))
    return jnp.where(
        jax.random.bernoulli(kind, 0.75),
        patches.swapaxes(1, 2).reshape(image.shape),
        pixels.reshape(image.shape),
    )


def shifted(key: jax.Array, image: jax.Array) -> jax.Array:
    """A digit moved by up to SHIFT pixels each way."""
    padded = jnp.pad(image, ((SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)))
    place = jax.random.randint(key, (2,), 0, 2 * SHIFT + 1)
    return jax.lax.dynamic_slice(padded, (*place, 0), image.shape)


def make_step(optimizer: optax.GradientTransformation) -> Any:
    """The jitted update: (learner, batch of uint8 images, key) -> (learner, loss)."""
    net = digits.Net()

    def objective(params: Any, stats: Any, x: jax.Array, target: jax.Array, key: jax.Array) -> Any:
        (_, logits), updated = net.apply(
            {'params': params, 'batch_stats': stats},
            x,
            train=True,
            mutable=['batch_stats'],
            rngs={'dropout': key},
        )
        loss = jnp.mean(optax.losses.softmax_cross_entropy(logits, target))
        return loss, updated['batch_stats']

    @functools.partial(jax.jit, donate_argnums=0)
    def step(
        learner: Learner, batch: Batch[jax.Array], key: jax.Array
    ) -> tuple[Learner, jax.Array]:
        image = batch.image.astype(jnp.float32) / 255
        shift_keys, shuffle_keys, dropout = (jax.random.fold_in(key, use) for use in range(3))
        x = jax.vmap(shifted)(jax.random.split(shift_keys, len(image)), image)
        none = jax.vmap(shuffled)(jax.random.split(shuffle_keys, NO_DIGITS), image[:NO_DIGITS])
        target = jax.nn.one_hot(batch.label, len(digits.CLASSES))
        target = jnp.concatenate([target, jnp.full((NO_DIGITS, len(digits.CLASSES)), 0.1)])
        grad = jax.value_and_grad(objective, has_aux=True)
        (loss, stats), grads = grad(
            learner.params, learner.batch_stats, jnp.concatenate([x, none]), target, dropout
        )
        updates, state = optimizer.update(grads, learner.optimizer, learner.params)
        return Learner(optax.apply_updates(learner.params, updates), stats, state), loss

    return step


def batches(examples: Batch[np.ndarray]) -> Iterator[Batch[np.ndarray]]:
    """EPOCHS passes over the examples, each in an order of its own."""
    random = np.random.default_rng(SEED)
    for epoch in range(EPOCHS):
        order = random.permutation(len(examples.label))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            index = order[start : start + BATCH]
            yield Batch(examples.image[index], examples.label[index])
        print(f'epoch {epoch + 1} of {EPOCHS}', flush=True)


def fit(examples: Batch[np.ndarray]) -> Learner:
    """Trains on uint8 [N, 28, 28, 1] and int32 [N]."""
    key = jax.random.key(SEED)
    steps = EPOCHS * (len(examples.label) // BATCH)
    optimizer = optax.adamw(optax.cosine_decay_schedule(RATE, steps), weight_decay=DECAY)
    variables = jax.jit(digits.Net().init)(key, jnp.zeros((1, digits.SIDE, digits.SIDE, 1)))
    learner = Learner(**variables, optimizer=optimizer.init(variables['params']))
    step = make_step(optimizer)
    for number, batch in enumerate(batches(examples)):
        learner, loss = step(learner, batch, jax.random.fold_in(key, number))
        if number % 200 == 0:
            print(f'step {number:,} of {steps:,}: loss {loss:.4f}', flush=True)
    return learner


def stored(learner: Learner) -> dict[str, np.ndarray]:
    """The arrays of a file: kernels in float16, which halves it, the rest in float32."""
    tree = {'params': learner.params, 'batch_stats': learner.batch_stats}
    flat = traverse_util.flatten_dict(tree, sep='/')
    return {
        name: np.asarray(array, np.float16 if name.endswith('kernel') else np.float32)
        for name, array in flat.items()
    }


def accuracy(variables: Any, examples: Batch[np.ndarray]) -> float:
    """The share of examples that are recognised."""
    logits = jax.jit(lambda x: digits.Net().apply(variables, x)[1])
    right = 0
    for start in range(0, len(examples.label), 500):
        part = slice(start, start + 500)
        x = examples.image[part].astype(np.float32) / 255
        right += int((np.asarray(logits(x)).argmax(1) == examples.label[part]).sum())
    return right / len(examples.label)


def main(argv: list[str]) -> None:
    """Trains, measures, writes."""
    values = flags.FlagValues()
    flags.DEFINE_string('data', '', 'the four IDX files; empty: download', flag_values=values)
    flags.DEFINE_string('output', str(digits.WEIGHTS), 'the file', flag_values=values)
    values(argv)
    flags.FLAGS.mark_as_parsed()
    config = config_lib.default().data
    config.update(name='mnist', path=values.data)
    learner = fit(data.load(config).arrays())
    arrays = stored(learner)
    config.split = 'test'
    found = accuracy(weights.Weights(arrays, {}).variables(), data.load(config).arrays())
    facts = {'name': 'digits', 'version': VERSION, 'test_accuracy': f'{found:.4f}'}
    weights.write(Path(values.output), weights.Weights(arrays, facts))
    print(f'wrote {values.output}: accuracy {found:.2%} on the {10_000:,} test digits')


if __name__ == '__main__':
    main(sys.argv)
