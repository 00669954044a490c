"""How batches reach the step: small sets stay on the device, large ones stream to it.

Both feeds give the same batches. The resident one sends indices and gathers inside the step;
the streamed one reads images ahead of their use.
"""

from collections.abc import Callable, Generator, Sequence
import itertools
import math
import os
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.data import cache, parallel
from gan_jax.data import order as order_lib
from gan_jax.data.datasets import Dataset, stored_shape
from gan_jax.errors import UserError
from gan_jax.fields import Config
from gan_jax.types import Batch, DataSpec

FEEDS = 'auto', 'resident', 'stream'
THREADS = 4  # each of which reads and places the items of a call ahead of its turn
MOST_STEPS = 100  # of which the items are placed together
MOST_BYTES = 2**26  # of these


class Feed(NamedTuple):
    """The trainer's source of batches on the devices."""

    kind: Literal['resident', 'stream']  # where the images are
    data: Any  # numpy arrays to place on every device once: the whole set as a Batch, or ()
    gather: Callable[[Any, Any], Batch[jax.Array]]  # (data, item) -> Batch, traced inside the step
    # (step) -> numpy pytree, leaves [batches, share of the batch, ...]; from any thread
    item: Callable[[int], Any]


def make_feed(
    dataset: Dataset, config: Config, pools: Sequence[str], share: slice = slice(None)
) -> Feed:
    """The feed that `config.data.feed` asks for; 'auto': resident up to 1 GB, or `_spare`.

    Args:
      pools: of which images each of the batches in a step is, see `order.POOLS`.
      share: the examples of each batch that this process reads.

    Raises:
      UserError: there is no such feed, or there are fewer images than one batch.
    """
    kind = _kind(config, dataset.spec)
    whole = order_lib.make(pools, dataset.source.labels(), config.batch_size, config.seed)

    def order(step: int) -> np.ndarray:
        return whole(step)[:, share]

    def read(step: int) -> Batch[np.ndarray]:
        indices = order(step)
        batch = dataset.source.take(indices.ravel())
        return Batch(*(leaf.reshape(*indices.shape, *leaf.shape[1:]) for leaf in batch))

    if kind == 'stream':
        return Feed('stream', (), _as_it_is, read)
    return Feed('resident', dataset.arrays(), _take, order)


def describe(
    spec: DataSpec, config: Config, pools: Sequence[str]
) -> tuple[Any, Callable[[Any, Any], Batch[jax.Array]], Any]:
    """`data`, `gather` and an item of the feed for such data, as shapes: without an image."""
    stored = stored_shape(config.data, spec)

    def batch(*lead: int) -> Batch[jax.ShapeDtypeStruct]:
        image = jax.ShapeDtypeStruct((*lead, *stored), spec.dtype)
        return Batch(image, jax.ShapeDtypeStruct(lead, np.int32))

    lead = len(pools), config.batch_size
    if _kind(config, spec) == 'stream':
        return (), _as_it_is, batch(*lead)
    return batch(spec.num_examples), _take, jax.ShapeDtypeStruct(lead, np.int32)


def _kind(config: Config, spec: DataSpec) -> str:
    kind = config.data.feed
    if kind not in FEEDS:
        raise UserError(f'config.data.feed={kind!r} must be one of {", ".join(FEEDS)}.')
    if kind != 'auto':
        return kind
    size = spec.num_examples * math.prod(spec.image_shape) * np.dtype(spec.dtype).itemsize
    return 'resident' if size <= max(cache.RESIDENT_LIMIT, _spare()) else 'stream'


def _spare() -> int:
    """A quarter of an accelerator's memory in bytes, or of the host's if that is less.

    No disk is as fast as its steps. Of several processes all must decide alike: they leave it.
    """
    if jax.process_count() > 1:
        return 0
    limits = (device.memory_stats() or {} for device in jax.local_devices())
    host = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    return min(host, *(int(stats.get('bytes_limit', 0)) for stats in limits)) // 4


def _take(data: Batch[jax.Array], indices: jax.Array) -> Batch[jax.Array]:
    # mode='clip': the default would compile a check of indices that are never out of range.
    return Batch(*(jnp.take(leaf, indices, axis=0, mode='clip') for leaf in data))


def _as_it_is(data: tuple[()], batch: Batch[jax.Array]) -> Batch[jax.Array]:
    del data
    return batch


def placed(
    feed: Feed, first_step: int, count: int, place: Callable[[Any], Any]
) -> Generator[Any, None, None]:
    """The items [count, ...] of `count` steps at a time, from `first_step` on, put by `place`.

    A count of 0 is as many as are `fitting`.
    """
    count = count or fitting(feed.item(first_step))

    def part(first: int) -> Any:
        items = [feed.item(step) for step in range(first, first + count)]
        return place(jax.tree.map(lambda *leaves: np.stack(leaves), *items))

    return parallel.ordered_map(part, itertools.count(first_step, count), 1, THREADS)


def fitting(item: Any) -> int:
    """How many such items are placed together: MOST_STEPS, or fewer of whole images."""
    size = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(item))
    return min(MOST_STEPS, max(1, MOST_BYTES // size))
