"""`sgan_folder` on albums of which nothing, little or all is sorted."""

import numpy as np
import pytest

from gan_jax import data, tasks
from gan_jax.config import experiments
from gan_jax.data import order
from gan_jax.tasks import semisupervised
from tests.data.photos import album

PRESETS = '', ':128', ':heads', ':heads_128', ':heads_supervised', ':supervised'


def loaded(folder, preset=''):
    config = experiments.load(f'sgan_folder{preset}')
    config.data.path = str(folder)
    return config, data.load(config.data)


@pytest.mark.parametrize('preset', PRESETS)
def test_a_class_of_one_photo_is_trained_on_whether_others_have_none_or_all_have_one(
    preset, tmp_path
):
    for number, count in enumerate((1, 3)):
        album(tmp_path / 'ab'[number], count, first=10 * number)
    for rest in (0, 4):
        album(tmp_path / 'unlabelled', rest, first=20)
        config, dataset = loaded(tmp_path, preset)
        assert tasks.make(config, dataset.spec, axis_name=None).classifier
        label = dataset.source.labels()
        batches = order.make(semisupervised.pools(config), label, 4, 0)
        drawn = np.concatenate([batches(step) for step in range(20)], axis=1)
        assert {*label[drawn[0]]} == {0, 1} and {*drawn[1]} == {*range(len(label))}
