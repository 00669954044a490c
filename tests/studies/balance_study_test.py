"""The study of balance: each way differs from the plain one in what it is named after."""

import pytest

from gan_jax import config as config_lib
from gan_jax import data
from gan_jax.config import experiments
from studies import balance, cat_albums
from studies.study import Setting
from tests.data import photos


@pytest.fixture(scope='module')
def configs(tmp_path_factory):
    """The config of each trial, by its name, on an album of three dozen crops."""
    home = tmp_path_factory.mktemp('album')
    photos.album(home / 'crops', 36, (64, 64))
    with pytest.MonkeyPatch.context() as patch:
        albums = type('Albums', (), {'crops': home / 'crops'})
        patch.setattr(cat_albums, 'prepare', lambda setting, folder: albums)
        trials = balance.trials(Setting(home, smoke=False))
        return {trial.name: trial.stages[0].config(home / trial.name) for trial in trials}


def differences(config, other):
    """Dotted paths of the fields that differ."""
    found = set()
    for field in config:
        if hasattr(config[field], 'items'):
            found |= {f'{field}.{rest}' for rest in differences(config[field], other[field])}
        elif config[field] != other[field]:
            found.add(field)
    return found


def test_every_run_is_valid_and_lasts_for_all_epochs(configs):
    for name, config in configs.items():
        config_lib.validate(config)
        epoch = data.load(config.data).spec.num_examples / config.batch_size
        assert config.steps == round(balance.EPOCHS[int(name.split('-')[1])] * epoch)
        assert config.log_every <= epoch  # the balance is measured at every one


def test_a_lever_is_all_that_differs(configs):
    plain = configs['plain-32-0']
    for name in balance.LEVERS:
        changed = differences(configs[f'{name}-32-0'], plain)
        assert changed == set(balance.WAYS[name].changes) and changed


def test_half_the_width_is_half_of_each_network(configs):
    own = experiments.load('my_images:ada')
    for role in ('gen', 'disc'):
        full, half = (configs[f'plain-{width}-0'][role].net for width in (64, 32))
        assert full.width == 2 * half.width
        assert configs['best-64-0'][role].net.width == own[role].net.width
