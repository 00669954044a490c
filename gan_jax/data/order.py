"""Which example is where in a run: a function of (seed, position), so that nothing is stored.

Every epoch has a permutation of its own, drawn from (seed, epoch).
"""

from collections.abc import Callable, Sequence
import functools

import numpy as np

from gan_jax.errors import UserError

Order = Callable[[int], np.ndarray]  # step -> the examples of its batches, int32 [batches, B]

# Of which images a batch is: of all in turn, or drawn with replacement from those that have a
# label or those that have none.
POOLS = 'in_turn', 'labelled', 'unlabelled'


def make(pools: Sequence[str], labels: np.ndarray, batch_size: int, seed: int) -> Order:
    """The examples of every step.

    Args:
      pools: a pool of `POOLS` for each batch in a step.
      labels: of all images, int32 [N]; -1 where there is none.

    Raises:
      UserError: a pool is empty, there are fewer images than one batch takes, or the seed is
        negative.
    """
    in_turn = DataOrder(len(labels), batch_size, seed, max(pools.count('in_turn'), 1))
    members = {'labelled': np.flatnonzero(labels >= 0), 'unlabelled': np.flatnonzero(labels < 0)}
    for pool in set(pools) & members.keys():
        if not members[pool].size:
            raise UserError(_EMPTY[pool])

    def indices(step: int) -> np.ndarray:
        rows = iter(in_turn.indices(step))
        return np.stack(
            [
                next(rows)
                if pool == 'in_turn'
                else _drawn(members[pool], batch_size, (seed, number, step))
                for number, pool in enumerate(pools)
            ]
        )

    return indices


_EMPTY = {
    'labelled': 'config.data has no labelled image: raise config.data.labels.number',
    'unlabelled': (
        'config.data has no image without a label: set config.data.labels.number, or'
        ' config.semisupervised.unlabelled=all'
    ),
}


def _drawn(members: np.ndarray, count: int, entropy: tuple[int, ...]) -> np.ndarray:
    """`count` of the members with replacement, int32: the same for the same entropy."""
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
    return members[random.integers(len(members), size=count)].astype(np.int32)


class DataOrder:
    """The examples of each step: every epoch has its own order, batches run across epochs."""

    def __init__(self, num_examples: int, batch_size: int, seed: int, batches: int):
        """Fixes the order, for batches in a step of [batches, batch_size].

        Raises:
          UserError: there are fewer images than one batch takes, or the seed is negative.
        """
        if num_examples < batch_size:
            raise UserError(
                f'config.batch_size={batch_size}, and the data set has {num_examples}'
                f' image{"s" * (num_examples > 1)}: give it more, of which a GAN wants 100 or more,'
                f' or pass --config.batch_size={num_examples}'
            )
        if seed < 0:
            raise UserError(f'config.seed={seed} must not be negative.')
        self._num_examples = num_examples
        self._shape = batches, batch_size
        self._seed = seed
        self._permutation = functools.lru_cache(maxsize=4)(self._draw)

    def indices(self, step: int) -> np.ndarray:
        """The examples of one step, int32 [batches, batch_size].

        Example i of batch j is at position p = (step * batches + j) * batch_size + i, which is
        the place p % N of epoch p // N.
        """
        count = self._shape[0] * self._shape[1]
        epochs, places = np.divmod(step * count + np.arange(count), self._num_examples)
        examples = np.empty(count, np.int32)
        for epoch in range(epochs[0], epochs[-1] + 1):
            inside = epochs == epoch
            examples[inside] = self._permutation(epoch)[places[inside]]
        return examples.reshape(self._shape)

    def _draw(self, epoch: int) -> np.ndarray:
        random = np.random.Generator(np.random.PCG64([self._seed, epoch]))
        return random.permutation(self._num_examples).astype(np.int32)
