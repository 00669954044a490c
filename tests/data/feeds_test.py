import threading
import types

import jax
import numpy as np
import pytest

from gan_jax import config as base
from gan_jax import data, tasks
from gan_jax.data import cache, feeds
from gan_jax.data.order import DataOrder
from gan_jax.errors import UserError

IN_TURN = ('in_turn',)


def batches(config, kind, first_step, count, share=slice(None)):
    """Batches of NumPy that `count` steps see."""
    config.data.feed = kind
    feed = feeds.make_feed(data.load(config.data), config, tasks.pools(config), share)
    assert feed.kind == kind
    gather = jax.jit(feed.gather)
    items = map(feed.item, range(first_step, first_step + count))
    return [jax.device_get(gather(feed.data, item)) for item in items]


# 200 images in batches of 48: both cross the ends of epochs.
@pytest.mark.parametrize('draws', [1, 2])
@pytest.mark.parametrize('first_step', [0, 3, 100_001])
def test_both_feeds_give_the_same_batches(digits, draws, first_step):
    digits.batch_size, digits.disc_steps = 48, draws
    resident = batches(digits, 'resident', first_step, 6)
    stream = batches(digits, 'stream', first_step, 6)
    for one, other in zip(resident, stream, strict=True):
        assert one.image.shape == (draws, 48, 28, 28, 1)
        assert one.image.dtype == other.image.dtype == np.uint8
        assert one.label.dtype == other.label.dtype == np.int32
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.label, other.label)


@pytest.mark.parametrize('kind', ['resident', 'stream'])
def test_starting_in_the_middle_goes_on_as_from_the_start(digits, kind):
    digits.batch_size = 48
    whole = batches(digits, kind, 0, 7)
    rest = batches(digits, kind, 4, 3)
    for one, other in zip(whole[4:], rest, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.label, other.label)


@pytest.mark.parametrize('kind', ['resident', 'stream'])
def test_a_process_reads_its_own_share(digits, kind):
    digits.batch_size = 48
    for whole, own in zip(
        batches(digits, kind, 2, 3), batches(digits, kind, 2, 3, slice(12, 24)), strict=True
    ):
        np.testing.assert_array_equal(own.image, whole.image[:, 12:24])
        np.testing.assert_array_equal(own.label, whole.label[:, 12:24])


@pytest.mark.parametrize('kind', ['resident', 'stream'])
@pytest.mark.parametrize('jitter', [0, 4])
def test_what_is_described_is_what_is_fed(kind, jitter):
    config = base.default()
    config.data.name, config.data.image_size, config.data.jitter = 'synthetic', 16, jitter
    config.data.num_examples, config.data.feed, config.batch_size = 20, kind, 4
    dataset = data.load(config.data)
    feed = feeds.make_feed(dataset, config, IN_TURN)
    stored, gather, item = feeds.describe(dataset.spec, config, IN_TURN)

    def shapes(tree):
        return jax.tree.map(lambda leaf: (leaf.shape, np.dtype(leaf.dtype)), tree)

    assert shapes(stored) == shapes(feed.data) and gather is feed.gather
    assert shapes(item) == shapes(feed.item(0))


def test_the_stream_follows_the_data_order(digits):
    dataset = data.load(digits.data)
    images, labels = dataset.arrays()
    order = DataOrder(200, digits.batch_size, digits.seed, 1)
    batch = batches(digits, 'stream', 5, 1)[0]
    np.testing.assert_array_equal(batch.image, images[order.indices(5)])
    np.testing.assert_array_equal(batch.label, labels[order.indices(5)])


def test_auto_streams_what_is_too_large_to_reside(digits, monkeypatch):
    dataset = data.load(digits.data)
    digits.data.feed = 'auto'
    monkeypatch.setattr(cache, 'RESIDENT_LIMIT', 200 * 28 * 28)
    assert feeds.make_feed(dataset, digits, IN_TURN).kind == 'resident'
    monkeypatch.setattr(cache, 'RESIDENT_LIMIT', 200 * 28 * 28 - 1)
    assert feeds.make_feed(dataset, digits, IN_TURN).kind == 'stream'


def test_what_an_accelerator_has_room_for_resides(digits, monkeypatch):
    dataset = data.load(digits.data)
    digits.data.feed = 'auto'
    monkeypatch.setattr(cache, 'RESIDENT_LIMIT', 1)
    assert feeds.make_feed(dataset, digits, IN_TURN).kind == 'stream'
    size = 200 * 28 * 28
    for limit, kind in ((4 * size, 'resident'), (4 * size - 4, 'stream')):
        device = types.SimpleNamespace(memory_stats=lambda limit=limit: {'bytes_limit': limit})
        monkeypatch.setattr(jax, 'local_devices', lambda device=device: [device])
        assert feeds.make_feed(dataset, digits, IN_TURN).kind == kind


def test_an_unknown_feed_is_an_error(digits):
    digits.data.feed = 'river'
    with pytest.raises(UserError, match="config.data.feed='river' must be one of auto, resident"):
        feeds.make_feed(data.load(digits.data), digits, IN_TURN)


def test_what_is_placed_ahead_is_in_order_and_ends_with_the_last_asked(digits):
    """Items of three steps, three calls ahead at most, by threads that end with the generator."""
    digits.data.feed = 'stream'
    feed = feeds.make_feed(data.load(digits.data), digits, IN_TURN)
    before, taken = threading.active_count(), []
    placed = feeds.placed(feed, 4, 3, lambda items: taken.append(items) or items)
    for first in (4, 7, 10):
        expected = jax.tree.map(lambda *of: np.stack(of), *map(feed.item, range(first, first + 3)))
        jax.tree.map(np.testing.assert_array_equal, next(placed), expected)
    placed.close()
    assert len(taken) <= 3 + feeds.THREADS
    assert threading.active_count() <= before
