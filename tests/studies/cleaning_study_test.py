"""The study of cleaning: each album has the same settings, and its measured steps outlast stops."""

import json

import pytest

from gan_jax import config as config_lib
from studies import cat_albums, cleaning
from studies.study import Setting
from tests import trainer_test
from tests.cli import evaluate_test
from tests.data import photos

STOPS = 50  # each of which saves a step


@pytest.fixture(scope='module')
def configs(tmp_path_factory):
    """The config of each trial, by its name, on albums of ten images."""
    home = tmp_path_factory.mktemp('albums')
    albums = cat_albums.Albums(*(home / name for name in cat_albums.Albums._fields))
    for path in (albums.whole, albums.cleaned):
        photos.album(path, 10, (64, 64))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cat_albums, 'prepare', lambda setting, folder: albums)
        trials = cleaning.trials(Setting(home, smoke=False))
        return {trial.name: trial.stages[0].config(home / trial.name) for trial in trials}


def test_albums_differ_in_nothing_but_their_images(configs):
    whole, cleaned = configs['whole-0'].copy_and_resolve_references(), configs['cleaned-0']
    with whole.unlocked():
        whole.data.path = cleaned.data.path
    assert whole == cleaned


def test_every_measured_step_is_saved_and_kept(configs):
    for config in configs.values():
        config_lib.validate(config)
        assert config.steps == len(cleaning.EPOCHS) * config.save_every
        assert config.keep >= len(cleaning.EPOCHS) + STOPS


def test_what_the_figures_were_measured_by_is_left_in_the_run(train_once, tmp_path, monkeypatch):
    digits = evaluate_test.write_digits(tmp_path / 'albums' / 'reference')
    albums = cat_albums.Albums(*[digits] * len(cat_albums.Albums._fields))
    monkeypatch.setattr(cat_albums, 'prepare', lambda setting, folder: albums)
    folder = tmp_path / 'whole-0'
    train_once(trainer_test.tiny(), folder / 'run')
    key = {'album': 'whole', 'seed': 0}
    rows = cleaning._measure(Setting(None, smoke=True), key, folder)
    found = json.loads((folder / 'run' / 'evaluation.json').read_text())
    assert (found['step'], found['seed'], found['samples']) == (4, cleaning.LATENTS, 20)
    assert found['figures']['frechet_digits'] == rows[-1]['frechet_efflite0']
    assert rows[0]['frechet_efflite0'] != rows[-1]['frechet_efflite0']
