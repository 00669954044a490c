"""The study of architectures: its runs are the experiments as they are."""

from pathlib import Path

from gan_jax import config as config_lib
from gan_jax import experiments
from gan_jax.studies import architectures
from gan_jax.studies.study import Setting

OF_THE_STUDY = {'tensorboard', 'devices', 'seed', 'keep', 'data', 'evaluate'}


def test_every_run_is_an_experiment_unchanged():
    trials = architectures.trials(Setting(Path('somewhere'), smoke=False))
    assert len({trial.name for trial in trials}) == len(trials) == 6
    for trial in trials:
        [stage] = trial.stages
        config, own = stage.config(Path()), experiments.load(trial.name.rsplit('-', 1)[0])
        config_lib.validate(config)
        changed = {field for field in config if config[field] != own[field]}
        assert changed <= OF_THE_STUDY
