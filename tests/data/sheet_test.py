import json

import numpy as np

from gan_jax import data
from gan_jax.data import sheet
from gan_jax.data.sources import Dataset
from gan_jax.types import Batch, DataSpec


class Given:
    def __init__(self, batch):
        self.batch = batch

    def arrays(self):
        return self.batch


def test_counts_classes_duplicates_and_moments():
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), np.uint8)
    images[4] = images[5] = images[1]
    labels = np.array([0, 0, 2, 0, 2, 2], np.int32)
    spec = DataSpec((4, 4, 3), 3, 6)
    given = Given(Batch(images, labels))
    facts = sheet.summarise(Dataset('set', 'train', spec, ('a', 'b', 'c'), 'f' * 64, given))
    np.testing.assert_allclose(facts.pop('mean'), (images / 255).mean(), rtol=1e-9)
    np.testing.assert_allclose(facts.pop('std'), (images / 255).std(), rtol=1e-9)
    assert facts == dict(
        name='set',
        split='train',
        images=6,
        shape=[4, 4, 3],
        classes={'a': 3, 'b': 0, 'c': 3},
        duplicates=2,
        fingerprint='f' * 64,
    )


def test_is_json_for_a_real_set(digits):
    facts = json.loads(json.dumps(sheet.summarise(data.load(digits.data))))
    assert sum(facts['classes'].values()) == facts['images'] == 200
    assert facts['duplicates'] == 0
