"""The study of one pair: its runs are valid, and what they are measured on is what it says."""

import io

import jax
import numpy as np
from PIL import Image
import pytest

from gan_jax import config as config_lib
from gan_jax import data, evaluation, tasks
from gan_jax.states import Task, Translator
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
    shapes = set()
    for trial in one_pair.trials(setting):
        assert bool(trial.stages) != trial.name.endswith(one_pair.TORCH)
        for stage in trial.stages:
            config = stage.config(setting.data_dir)
            config_lib.validate(config)
            spec = data.entry(config.data).spec(config.data)
            assert spec.panels == 2
            nets = str(config.gen.net), str(config.disc.net), spec.image_shape
            if nets not in shapes:  # many runs differ in their data alone
                jax.eval_shape(tasks.make(config, spec, axis_name=None).init)
            shapes.add(nets)


def measured(setting, case, folder, monkeypatch):
    """The rows of a run whose generator returns its input."""
    folder.mkdir(exist_ok=True)
    config = one_pair._config(setting, case)
    with config.unlocked():
        config.data.image_size, config.data.jitter = SIDE, 0
        config.data.held_out = config.data.held_out and 0.4
    translator = Translator(lambda state: None, None, lambda _, image: image, (SIDE, SIDE, 3))
    task = Task(init=None, step=None, preview=None, sampler=None, translator=translator)
    step = type('State', (), {'step': np.int32(7)})
    run = Trained(config, task, step, (SIDE, 2 * SIDE, 3), ())
    monkeypatch.setattr(one_pair.trained, 'load', lambda folder: run)
    net = evaluation.load_net('digits')._replace(measure=lambda outputs: {'cat_share': 0.5})
    monkeypatch.setattr(one_pair.evaluation, 'load_net', lambda name: net)
    rows = one_pair._measure_run(setting, case._replace(side=SIDE), folder)
    assert {path.name for path in folder.iterdir()} == set(one_pair._kept(setting, case))
    assert all(set(one_pair.STUDY.columns) == set(row) | {'minutes'} for row in rows)
    return rows


def case_of(experiment, kind, recipe=one_pair.PAPER):
    """The first such case."""
    wanted = experiment, kind, recipe
    return next(c for c in one_pair.cases() if (c.experiment, c.input, c.recipe) == wanted)


def test_one_pair_is_measured_on_itself_mirrored_and_on_another_of_its_subject(
    setting, tmp_path, monkeypatch
):
    case = case_of('one_pair', 'grey')
    train, mirrored, other = measured(setting, case, tmp_path, monkeypatch)
    assert [row['split'] for row in (train, mirrored, other)] == [
        'train', 'mirrored', 'same_subject',
    ]  # fmt: skip
    assert train['l1'] == train['l1_input'] == pytest.approx(mirrored['l1']) != other['l1']
    assert train['l1_mean_photo'] == 0 < mirrored['l1_mean_photo']  # it is the mean of one
    assert train['steps'] == 7 and train['pairs'] == 1
    assert train['cat_share'] is None
    rows = [train, mirrored, other]
    assert one_pair.chart(rows, tmp_path).startswith(b'\x89PNG')
    assert one_pair.summary(rows).count('\n| one_pair, paper, 32 | grey |') == 3


def test_an_album_is_measured_on_what_it_never_saw(setting, tmp_path, monkeypatch):
    case = case_of('cats', 'grey', one_pair.SHORT)
    rows = measured(setting, case, tmp_path, monkeypatch)
    found = {(row['experiment'], row['split']): row['pairs'] for row in rows}
    assert found.pop(('cats', 'train')) + found.pop(('cats', 'held_out')) == 24
    assert found == {
        ('cats_to_facades', 'other_domain'): 8,
        ('cats_to_portraits', 'other_domain'): 12,
    }
    by_split = {row['split']: (row['cat_share'], row['frechet_squeezenet']) for row in rows}
    assert by_split['other_domain'] == (None, None)
    assert by_split['train'][0] == 0.5 and by_split['train'][1] > 0
    names = {path.name for path in tmp_path.iterdir()}
    assert 'cats_to_portraits-other_domain.png' in names
    assert not [name for name in names if 'facades' in name]


def test_no_facade_is_shown(setting, tmp_path, monkeypatch):
    rows = measured(setting, case_of('facades', 'labels', one_pair.SHORT), tmp_path, monkeypatch)
    assert [row['input'] for row in rows] == ['labels', 'labels']
    assert not list(tmp_path.iterdir())


def test_all_translations_of_the_edges_of_cats_lie_beside_their_photos(
    setting, tmp_path, monkeypatch
):
    case = case_of('cats', 'canny', one_pair.FAST)
    rows = measured(setting, case, tmp_path / case.name, monkeypatch)
    for split, count in [(row['split'], row['pairs']) for row in rows[:2]]:
        picture = one_pair.STUDY.pictures[f'cats_canny_{split}_fast.jpg']
        content = picture.draw([row for row in rows if picture.of(row)], tmp_path)
        with Image.open(io.BytesIO(content)) as shown:
            assert shown.format == 'JPEG'
            assert shown.size == (12 * SIDE, -(-count // 6) * SIDE)
