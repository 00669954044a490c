import json

import numpy as np
import pytest

from gan_jax import data
from gan_jax.data import datasets, summary
from gan_jax.data.datasets import Dataset
from gan_jax.types import Batch, DataSpec
from tests.data.photos import album, encoded, photo


class Given:
    """A source that is only read a chunk at a time."""

    def __init__(self, batch, most):
        self.batch, self.most = batch, most

    def __len__(self):
        return len(self.batch.label)

    def take(self, indices):
        assert 0 < len(indices) <= self.most
        return Batch(*(leaf[indices] for leaf in self.batch))


@pytest.mark.parametrize('chunk', [1, 4, 512])
def test_counts_classes_duplicates_and_moments_by_chunks(monkeypatch, chunk):
    monkeypatch.setattr(summary, 'CHUNK', chunk)
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), np.uint8)
    images[4] = images[5] = images[1]
    labels = np.array([0, 0, 2, 0, 2, -1], np.int32)
    spec = DataSpec((4, 4, 3), 3, 6)
    given = Given(Batch(images, labels), chunk)
    facts = summary.summarise(Dataset('set', 'train', spec, ('a', 'b', 'c'), 'f' * 64, given))
    np.testing.assert_allclose(facts.pop('mean'), (images / 255).mean(), rtol=1e-9)
    np.testing.assert_allclose(facts.pop('std'), (images / 255).std(), rtol=1e-9)
    assert facts == dict(
        name='set',
        split='train',
        images=6,
        shape=[4, 4, 3],
        panels=1,
        classes={'a': 3, 'b': 0, 'c': 2},
        unlabelled=1,
        duplicates=2,
        fingerprint='f' * 64,
    )


def test_is_json_for_a_real_set(digits):
    facts = json.loads(json.dumps(summary.summarise(data.load(digits.data))))
    assert sum(facts['classes'].values()) == facts['images'] == 200
    assert facts['duplicates'] == 0 and 'near_duplicates' not in facts


def test_of_one_s_own_images_near_duplicates_and_what_was_left_out(
    make_config, own_cache, tmp_path
):
    folder = album(tmp_path / 'set', 8)
    for number in (0, 1):
        (folder / f'copy {number}.jpg').write_bytes(encoded(photo(number), quality=40))
    (folder / 'third.jpg').write_bytes(encoded(photo(1), quality=20))
    (folder / 'text.jpg').write_text('no pixels')
    made = make_config(name='folder', image_size=16, path=str(folder), held_out=0.3)
    facts = summary.summarise(data.load(made.data))
    json.dumps(facts)
    assert facts['left_out'] == 1 and facts['files'].startswith(str(own_cache))
    assert sum(facts['splits'].values()) == 11
    assert facts['splits']['train'] == facts['images']
    made.data.split = 'all'
    facts = summary.summarise(data.load(made.data))
    assert facts['near_duplicates'] == dict(images=5, groups=2, largest=3)


def test_a_set_too_large_to_reside_is_not_loaded_whole(digits, monkeypatch):
    dataset = data.load(digits.data)
    monkeypatch.setattr(datasets.Examples, 'arrays', None)
    assert summary.summarise(dataset)['images'] == 200
