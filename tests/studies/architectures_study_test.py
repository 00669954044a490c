"""The study of architectures: its runs are the experiments as they are."""

from pathlib import Path

from gan_jax import config as config_lib
from gan_jax.config import experiments
from studies import architectures
from studies.study import Setting
from tests import trainer_test

OF_THE_STUDY = {'tensorboard', 'devices', 'seed', 'keep', 'data', 'evaluate'}


def test_every_run_is_an_experiment_unchanged():
    trials = architectures.trials(Setting(Path('somewhere'), smoke=False))
    assert len({trial.name for trial in trials}) == len(trials) == 2
    for trial in trials:
        [stage] = trial.stages
        config, own = stage.config(Path()), experiments.load(trial.name.rsplit('-', 1)[0])
        config_lib.validate(config)
        changed = {field for field in config if config[field] != own[field]}
        assert changed <= OF_THE_STUDY


def test_pictures_are_of_what_is_kept(train_once, tmp_path):
    train_once(trainer_test.tiny(), tmp_path / 'dcgan_mnist-0' / 'run')
    architectures._show(tmp_path / 'dcgan_mnist-0')
    rows = [{'recipe': 'dcgan_mnist', 'seed': 0, 'noise': 1.0}]
    for picture, side in ((architectures.GRID, 10), (architectures.WALK, 12)):
        kept = architectures._kept(['title'], rows, tmp_path, picture)
        assert kept['title'].shape == (10 * 30 + 2, side * 30 + 2, 1)
    for draw in (architectures.grids, architectures.walks):
        assert draw(rows, tmp_path).startswith(b'\x89PNG')
        assert draw(rows, tmp_path / 'elsewhere') is None
