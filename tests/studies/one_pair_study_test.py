"""The study of one pair: its runs are valid, and what they are measured on is what it says."""

import jax
import numpy as np
import pytest

from gan_jax import config as config_lib
from gan_jax import data, tasks
from gan_jax.types import Task, Translator
from gan_jax.use.trained import Trained
from studies import one_pair
from studies.study import Setting
from tests.data import photos

SIDE = 32


@pytest.fixture(scope='module')
def setting(tmp_path_factory):
    """Generated photos where the study looks for cats, facades and faces."""
    home = tmp_path_factory.mktemp('sets')
    for number, name in enumerate(('cats/personal/other', 'faces/a', 'cats/personal/zelena')):
        photos.album(home / name, 12, (40, 48), first=20 * number)
    photos.album(home / 'facades' / 'train', 8, (80, 40), first=90)
    return Setting(home, smoke=False)


def test_every_run_is_valid(setting):
    for trial in one_pair.trials(setting):
        [stage] = trial.stages
        config = stage.config(setting.data_dir)
        config_lib.validate(config)
        spec = data.entry(config.data).spec(config.data)
        assert spec.panels == 2
        jax.eval_shape(tasks.make(config, spec, axis_name=None).init)


def measured(setting, case, folder, monkeypatch):
    """The rows of a run whose generator returns its input."""
    config = one_pair._config(setting, case)
    with config.unlocked():
        config.data.image_size, config.data.jitter = SIDE, 0
        config.data.held_out = config.data.held_out and 0.4
    translator = Translator(lambda state: None, None, lambda _, image: image, (SIDE, SIDE, 3))
    task = Task(init=None, step=None, preview=None, sampler=None, translator=translator)
    step = type('State', (), {'step': np.int32(7)})
    run = Trained(config, task, step, (SIDE, 2 * SIDE, 3), ())
    monkeypatch.setattr(one_pair.trained, 'load', lambda folder: run)
    rows = one_pair._measure(setting, case._replace(side=SIDE), folder)
    assert {path.name for path in folder.glob('*.png')} == set(one_pair._kept(setting, case))
    return rows


def test_one_pair_is_measured_on_itself_mirrored_and_on_another_of_its_subject(
    setting, tmp_path, monkeypatch
):
    case = one_pair.cases()[0]
    train, mirrored, other = measured(setting, case, tmp_path, monkeypatch)
    assert [row['split'] for row in (train, mirrored, other)] == [
        'train', 'mirrored', 'same_subject',
    ]  # fmt: skip
    assert train['l1'] == train['l1_input'] == pytest.approx(mirrored['l1']) != other['l1']
    assert train['l1_mean_photo'] == 0 < mirrored['l1_mean_photo']  # it is the mean of one
    assert train['steps'] == 7 and train['pairs'] == 1
    assert set(one_pair.STUDY.columns) == set(train) | {'minutes'}
    rows = [train, mirrored, other]
    assert one_pair.chart(rows, tmp_path).startswith(b'\x89PNG')
    assert one_pair.summary(rows).count('\n| one_pair, 32 | grey |') == 3


def test_an_album_is_measured_on_what_it_never_saw(setting, tmp_path, monkeypatch):
    [case] = [
        case for case in one_pair.cases() if (case.experiment, case.input) == ('cats', 'grey')
    ]
    rows = measured(setting, case, tmp_path, monkeypatch)
    found = {(row['experiment'], row['split']): row['pairs'] for row in rows}
    assert found.pop(('cats', 'train')) + found.pop(('cats', 'held_out')) == 24
    assert found == {
        ('cats_to_facades', 'other_domain'): 8,
        ('cats_to_portraits', 'other_domain'): 12,
    }
    names = {path.name for path in tmp_path.glob('*.png')}
    assert 'cats_to_portraits-other_domain.png' in names
    assert not [name for name in names if 'facades' in name]


def test_no_facade_is_shown(setting, tmp_path, monkeypatch):
    [case] = [case for case in one_pair.cases() if case.experiment == 'facades']
    rows = measured(setting, case, tmp_path, monkeypatch)
    assert [row['input'] for row in rows] == ['labels', 'labels']
    assert not list(tmp_path.glob('*.png'))
