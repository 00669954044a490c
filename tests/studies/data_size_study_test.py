"""The study of data size: equal but for the number of images, and read off as it should be."""

from pathlib import Path

import pytest

from gan_jax import config as config_lib
from studies import data_size
from studies.study import Setting

REAL = Setting(Path('somewhere'), smoke=False)


@pytest.fixture(scope='module')
def configs():
    """The config of each trial, by its name."""
    return {
        trial.name: stage.config(Path())
        for trial in data_size.trials(REAL)
        for stage in trial.stages
    }


def test_every_run_is_valid_and_of_equal_length(configs):
    for name, config in configs.items():
        _, number, seed = name.rsplit('-', 2)
        config_lib.validate(config)
        assert (config.data.num_examples, config.data.subset_seed) == (int(number), int(seed))
        assert (config.steps, config.batch_size) == (data_size.STEPS, 64)


def test_both_recipes_train_the_same_networks_on_the_same_images(configs):
    plain, small = configs['plain-200-0'], configs['small_data-200-0']
    assert plain.gen.net == small.gen.net and plain.disc.net.name == small.disc.net.name
    assert plain.disc.net.width == small.disc.net.width
    assert plain.data.subset_seed == small.data.subset_seed
    assert not (plain.augment or plain.gen.ema_decay or plain.data.warp)


def row(number, recipe, seed, readable):
    figures = dict.fromkeys((*data_size.FIGURES, *data_size.MORE), 1.0)
    return {
        'num_real': number,
        'recipe': recipe,
        'seed': seed,
        **figures,
        'readable_share': readable,
        'frechet_last': 20.0,
        'readable_last': readable,
    }


def test_the_summary_has_means_over_seeds_and_their_number(tmp_path):
    rows = [row(200, 'plain', 0, 0.1), row(200, 'plain', 1, 0.3), row(60_000, 'plain', 0, 0.9)]
    large, small = [line for line in data_size.summary(rows).splitlines() if '`plain`' in line]
    assert '| 60,000 | `plain` | 1 |' in large and '±' not in large
    assert '| 2 |' in small and '| 20.0 ± 14.1% |' in small
    assert data_size.chart(rows, tmp_path).startswith(b'\x89PNG')
