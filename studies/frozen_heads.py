"""A linear head on features of a frozen net, with labels of some photos, in seconds."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

STEPS = 200
RATE = 0.02


class Terms(NamedTuple):
    """Terms that are minimised besides the cross-entropy of the labelled photos, and how."""

    decay: float = 1e-3  # of the squared weights
    dropout: float = 0.5  # of features, the same ones of all photos of a step
    pseudo: float = 0.3  # of the cross-entropy of photos with a pseudo-label
    share: float = 0.6  # of the photos that it takes for a class which have one at the end
    average: float = 0.95  # of the moving average of the head


def standardised(features: np.ndarray) -> np.ndarray:
    """Features [N, V, D] with mean 0 and deviation 1 of each, then of length sqrt(D) a photo."""
    flat = features.reshape(-1, features.shape[-1])
    found = (features - flat.mean(axis=0)) / (flat.std(axis=0) + 1e-6)
    length = np.linalg.norm(found, axis=-1, keepdims=True)
    return found * np.sqrt(features.shape[-1]) / np.maximum(length, 1e-6)


def train(
    features: np.ndarray,
    label: np.ndarray,
    used: np.ndarray,
    num_classes: int,
    terms: Terms,
    seed: int,
) -> np.ndarray:
    """Probabilities of the classes of every photo, float32 [N, K], by the averaged head.

    Of features of each view, float32 [N, V, D], and labels, int32 [N], -1 for none; trained on the
    photos that are `used`, bool [N].
    """
    x = standardised(features)
    label = np.where(used, label, -1)
    found = _train(x, label, used, terms, jax.random.key(seed), num_classes)
    return np.asarray(found)


Head = tuple[jax.Array, jax.Array]  # kernel [D, K] and bias [K]
State = tuple[Head, Head, optax.OptState]  # the head, its average, moments


def _logits(head: Head, x: jax.Array) -> jax.Array:
    return x @ head[0] / np.sqrt(x.shape[-1]) + head[1][None]


@functools.partial(jax.jit, static_argnames='num_classes')
def _train(
    x: jax.Array,
    label: jax.Array,
    used: jax.Array,
    terms: Terms,
    key: jax.Array,
    num_classes: int,
) -> jax.Array:
    tx, mean = optax.adam(RATE), jnp.mean(x, axis=1)
    zero = jnp.zeros((x.shape[-1], num_classes)), jnp.zeros(num_classes)

    def step(state: State, given: tuple[jax.Array, jax.Array]) -> tuple[State, None]:
        (head, average, opt_state), (number, key) = state, given
        view_key, drop_key = jax.random.split(key)
        view = jax.random.randint(view_key, (len(x),), 0, x.shape[1])
        seen = x[jnp.arange(len(x)), view]
        kept = jax.random.bernoulli(drop_key, 1 - terms.dropout, (1, x.shape[-1]))
        seen = jnp.where(kept, seen / (1 - terms.dropout), 0)
        share = terms.share * number / STEPS
        guess = _pseudo_labels(_logits(average, mean), used & (label < 0), share)
        target = jnp.where(label >= 0, label, guess)
        weight = jnp.where(label >= 0, 1 / jnp.sum(label >= 0), terms.pseudo / jnp.sum(used))
        weight = jnp.where(target >= 0, weight, 0)

        def loss(head: Head) -> jax.Array:
            each = optax.softmax_cross_entropy_with_integer_labels(
                _logits(head, seen), jnp.maximum(target, 0)
            )
            return weight @ each + terms.decay * jnp.sum(head[0] ** 2)

        updates, opt_state = tx.update(jax.grad(loss)(head), opt_state)
        head = optax.apply_updates(head, updates)
        average = optax.incremental_update(head, average, 1 - terms.average)
        return (head, average, opt_state), None

    state = zero, zero, tx.init(zero)
    given = jnp.arange(STEPS), jax.random.split(key, STEPS)
    (_, average, _), _ = jax.lax.scan(step, state, given)
    return jax.nn.softmax(_logits(average, mean))


def _pseudo_labels(logits: jax.Array, asked: jax.Array, share: jax.Array) -> jax.Array:
    """The classes of the surest `share` of the photos taken for each class, else -1, int32 [N].

    So no class crowds out the others (Zou et al. 2018, arXiv:1810.07911).
    """
    shares = jax.nn.softmax(logits)
    best, guess = jnp.max(shares, axis=1), jnp.argmax(shares, axis=1)
    alike = (guess[:, None] == guess[None]) & asked[None]
    surer = jnp.sum(alike & (best[None] > best[:, None]), axis=1)
    return jnp.where(asked & (surer < share * jnp.sum(alike, axis=1)), guess, -1)
