import threading

import numpy as np
import pytest

from gan_jax.data import cache
from gan_jax.errors import UserError
from gan_jax.types import Batch

SHAPE = (4, 3, 1)


def examples(count):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, *SHAPE), np.uint8)
    return Batch(pixels, np.arange(count, dtype=np.int32))


def write(folder, batch):
    halves = [Batch(*(leaf[:3] for leaf in batch)), Batch(*(leaf[3:] for leaf in batch))]
    cache.keep(folder, [cache.account(half, len(batch.label)) for half in halves], ('a', 'b'))


def test_what_was_written_is_read(tmp_path):
    batch = examples(5)
    write(tmp_path / 'a', batch)
    decoded = cache.read_decoded(tmp_path / 'a')
    assert (decoded.image_shape, decoded.class_names) == (SHAPE, ('a', 'b'))
    np.testing.assert_array_equal(decoded.images(), batch.image)
    np.testing.assert_array_equal(decoded.labels, batch.label)
    np.testing.assert_array_equal(decoded.digests, cache.example_digests(batch))
    assert decoded.images().dtype == np.uint8
    assert decoded.labels.dtype == np.int32


def test_large_sets_are_kept_without_their_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, 'RESIDENT_LIMIT', 10)
    write(tmp_path / 'a', examples(5))
    assert cache.read_decoded(tmp_path / 'a').images() is None


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def fail(*given):
        raise OSError('disk gone')

    monkeypatch.setattr(np, 'save', fail)
    with pytest.raises(OSError, match='disk gone'):
        write(tmp_path / 'a', examples(5))
    assert not list(tmp_path.iterdir())


def test_what_a_kill_left_is_swept(tmp_path):
    (tmp_path / 'incomplete.abc').mkdir()
    (tmp_path / 'whole').mkdir()
    cache.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['whole']


def flip_last(data):
    return data[:-1] + bytes([data[-1] ^ 1])


DAMAGES = {'cut': lambda data: data[:-20], 'flipped': flip_last, 'emptied': lambda data: b'{}'}


@pytest.mark.parametrize('damage', DAMAGES)
@pytest.mark.parametrize('name', ['meta.json', 'labels.npy', 'images.npy', 'digests.npy'])
def test_damage_is_noticed(tmp_path, name, damage):
    """Never trained on; which of the files is named depends on what still fits together."""
    write(tmp_path / 'a', examples(5))
    damaged = tmp_path / 'a' / name
    damaged.write_bytes(DAMAGES[damage](damaged.read_bytes()))
    with pytest.raises(UserError, match=rf'{tmp_path}/a/\w+.\w+ is damaged: delete'):
        cache.read_decoded(tmp_path / 'a').images()


def test_the_fingerprint_covers_count_shape_pixels_and_labels():
    batch = examples(5)
    changed = batch.image.copy()
    changed[2, 0, 0, 0] ^= 1
    relabelled = np.array([0, 1, 2, 4, 3], np.int32)
    variants = [
        (batch, SHAPE),
        (Batch(batch.image[:4], batch.label[:4]), SHAPE),
        (Batch(changed, batch.label), SHAPE),
        (Batch(batch.image, relabelled), SHAPE),
        (Batch(batch.image[::-1], batch.label[::-1]), SHAPE),
        (batch, (3, 4, 1)),
    ]
    prints = [cache.fingerprint(shape, cache.example_digests(b)) for b, shape in variants]
    assert len(set(prints)) == len(variants)
    assert all(len(value) == 64 for value in prints)


def test_the_lock_lets_one_in_at_a_time(own_cache):
    inside, most = [], []

    def enter():
        with cache.locked('set'):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    crowd = [threading.Thread(target=enter) for _ in range(8)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    assert most == [1] * 8


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    monkeypatch.setenv('GAN_JAX_CACHE', str(tmp_path / 'file' / 'cache'))
    with pytest.raises(UserError, match='set GAN_JAX_CACHE'), cache.locked('set'):
        pass
