"""The study of reuse: equal but for the start, on photos that the base has not seen."""

from pathlib import Path

import pytest

from gan_jax import config as config_lib
from gan_jax.data import image_files
from studies import reuse
from studies.study import Setting


@pytest.fixture
def configs(monkeypatch):
    """The config of each trial, by its name."""
    monkeypatch.setattr(reuse, '_album', lambda setting, workdir: workdir / 'parted')
    setting = Setting(Path('somewhere'), smoke=False)
    return {
        trial.name: stage.config(Path('study') / trial.name)
        for trial in reuse.trials(setting)
        for stage in trial.stages
    }


def test_every_run_is_valid_and_differs_by_its_start_alone(configs):
    for config in configs.values():
        config_lib.validate(config)
    scratch, started, frozen = (configs[f'{way}-1'].to_dict() for way in reuse.WAYS)
    assert started.pop('start_from') == frozen.pop('start_from') == 'study/base-0/run'
    assert (started['disc'].pop('freeze'), frozen['disc'].pop('freeze')) == (0, 2)
    del scratch['start_from'], scratch['disc']['freeze']
    assert scratch == started == frozen and scratch['seed'] == 1


def test_the_base_has_the_other_photos(tmp_path):
    parted = reuse._album(Setting(None, smoke=True), tmp_path)
    few, others = (
        {path.read_bytes() for path in (parted / name).iterdir()} for name in ('few', 'others')
    )
    assert few and others and not few & others
    assert len(image_files.find(parted)) == len(few) + len(others)
