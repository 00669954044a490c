"""Which example is where in a run: a function of (seed, position), so that nothing is stored.

The order is that of `grain.MapDataset.range(N).seed(seed).shuffle().repeat()`, evaluated for a
whole batch at once. Grain walks through 2^16 places to find one of N, position by position in
Python: 10 ms for 64 out of 200 images, where this takes one.
"""

from collections.abc import Callable, Sequence
import functools

import numpy as np

from gan_jax.errors import UserError

Order = Callable[[int], np.ndarray]  # step -> the examples of its batches, int32 [draws, B]

# Of which images a batch is: of all in turn, or drawn with replacement from those that have a
# label or those that have none.
POOLS = 'in_turn', 'labelled', 'unlabelled'

_MIN_BITS = 16  # of the cipher's block; fewer shuffle badly (Grain's choice)


def make(draws: Sequence[str], labels: np.ndarray, batch_size: int, seed: int) -> Order:
    """The examples of every step.

    Args:
      draws: a pool of `POOLS` for each batch in a step.
      labels: of all images, int32 [N]; -1 where there is none.
      batch_size: B, global.
      seed: of the order, not negative.

    Raises:
      UserError: a pool is empty, there are fewer images than one batch takes, or the seed is
        negative.
    """
    in_turn = DataOrder(len(labels), batch_size, seed, max(draws.count('in_turn'), 1))
    members = {'labelled': np.flatnonzero(labels >= 0), 'unlabelled': np.flatnonzero(labels < 0)}
    for pool in set(draws) & members.keys():
        if not members[pool].size:
            raise UserError(_EMPTY[pool])

    def indices(step: int) -> np.ndarray:
        rows = iter(in_turn.indices(step))
        return np.stack(
            [
                next(rows)
                if pool == 'in_turn'
                else _drawn(members[pool], batch_size, (seed, number, step))
                for number, pool in enumerate(draws)
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

    def __init__(self, num_examples: int, batch_size: int, seed: int, draws: int):
        """Fixes the order.

        Args:
          num_examples: N.
          batch_size: B, global.
          seed: of the order, not negative.
          draws: batches in a step.

        Raises:
          UserError: there are fewer images than one batch takes, or the seed is negative.
        """
        if num_examples < batch_size:
            raise UserError(
                f'config.batch_size={batch_size} is more than the {num_examples} images of the data'
                f' set: use at most --config.batch_size={num_examples}, or more images'
            )
        if seed < 0:
            raise UserError(f'config.seed={seed} must not be negative.')
        self._num_examples = num_examples
        self._shape = draws, batch_size
        # As Grain derives it: 1 is how many transformations lie between seed() and shuffle().
        self._seed = int(np.random.SeedSequence([seed, 1]).generate_state(1)[0])
        self._shuffle = functools.lru_cache(maxsize=4)(self._make_shuffle)

    def indices(self, step: int) -> np.ndarray:
        """The examples of one step, int32 [draws, batch_size].

        Example i of draw j is at position p = (step * draws + j) * batch_size + i, which is
        the place p % N of epoch p // N.
        """
        count = self._shape[0] * self._shape[1]
        epochs, places = np.divmod(step * count + np.arange(count), self._num_examples)
        examples = np.empty(count, np.int32)
        for epoch in range(epochs[0], epochs[-1] + 1):
            inside = epochs == epoch
            examples[inside] = self._shuffle(epoch)(places[inside])
        return examples.reshape(self._shape)

    def _make_shuffle(self, epoch: int) -> Callable[[np.ndarray], np.ndarray]:
        bits = (self._num_examples - 1).bit_length()
        cipher = _Cipher((self._seed + epoch) % 2**32, max(bits + bits % 2, _MIN_BITS))
        if cipher.bits == _MIN_BITS:
            return _table(cipher, self._num_examples).__getitem__
        return functools.partial(_walk, cipher, self._num_examples)


class _Cipher:
    """A permutation of 0..2^bits - 1: four rounds of Simon (https://eprint.iacr.org/2013/404)."""

    def __init__(self, seed: int, bits: int):
        self.bits = bits
        self._width = bits // 2
        self._mask = 2**self._width - 1
        self._keys = [key & self._mask for key in _seed_sequence(seed)]

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Integers of any dtype that holds `bits`; so are the results."""
        left, right = values >> self._width, values & self._mask
        for key in self._keys:
            left, right = right, left ^ self._round(right) ^ key
        return left << self._width | right

    def _round(self, word: np.ndarray) -> np.ndarray:
        return self._rotate(word, 1) & self._rotate(word, 8) ^ self._rotate(word, 2)

    def _rotate(self, word: np.ndarray, by: int) -> np.ndarray:
        return (word << by | word >> (self._width - by)) & self._mask


def _walk(cipher: _Cipher, count: int, places: np.ndarray) -> np.ndarray:
    """Enciphers until all are below `count`: a permutation of 0..count - 1.

    Black and Rogaway, Ciphers with arbitrary finite domains, 2002, "cycle-walking".
    """
    values = cipher(places)
    while (outside := np.flatnonzero(values >= count)).size:
        values[outside] = cipher(values[outside])
    return values


def _table(cipher: _Cipher, count: int) -> np.ndarray:
    """`_walk` of all places. The walks are long if the block is much larger than `count`."""
    following = cipher(np.arange(2**_MIN_BITS, dtype=np.uint16)).astype(np.intp)
    # Each gather doubles how far a walk has come; one that has arrived stays.
    jump = following.copy()
    jump[:count] = np.arange(count)
    found = following[:count]
    while (found >= count).any():
        found = jump.take(found)
        jump = jump.take(jump)
    return found


def _seed_sequence(seed: int) -> list[int]:
    """The four words of C++'s `std::seed_seq{seed}.generate` (C++20, [rand.util.seedseq])."""
    words = [0x8B8B8B8B] * 4

    def add(k: int, by: int, value: int) -> None:
        words[(k + by) % 4] = (words[(k + by) % 4] + value) % 2**32

    for k, entropy in enumerate((1, 1 + seed, 2, 3)):
        mixed = words[k] ^ words[(k + 1) % 4] ^ words[k - 1]
        mixed = 1664525 * (mixed ^ mixed >> 27) % 2**32
        add(k, 1, mixed)
        add(k, 2, mixed + entropy)
        words[k] = (mixed + entropy) % 2**32
    for k in range(4):
        mixed = (words[k] + words[(k + 1) % 4] + words[k - 1]) % 2**32
        mixed = 1566083941 * (mixed ^ mixed >> 27) % 2**32
        words[(k + 1) % 4] ^= mixed
        words[(k + 2) % 4] ^= (mixed - k) % 2**32
        words[k] = (mixed - k) % 2**32
    return words
