"""The study of few labels: no head and no run gets a label that the draw does not have."""

from pathlib import Path

import numpy as np
import pytest

from gan_jax import config as config_lib
from gan_jax.data import image_files
from studies import few_labels, frozen_heads
from studies.study import Setting

REAL, SMOKE = Setting(Path('somewhere'), smoke=False), Setting(None, smoke=True)


@pytest.fixture
def album(tmp_path):
    return few_labels.read_album(SMOKE, tmp_path)


def test_a_draw_has_so_many_of_each_class_and_none_that_is_held_out(album):
    known = album.chosen(5, 1)
    assert np.bincount(album.label[known]).tolist() == [5, 5, 5]
    assert not (known & album.test).any()
    assert (album.chosen(3, 1) <= known).all() and (album.chosen(5, 2) != known).any()
    whole = album.chosen(1_000, 1)
    np.testing.assert_array_equal(whole, ~album.test)


def test_every_run_is_valid_on_an_album_that_shows_its_labels_alone(album, tmp_path, monkeypatch):
    label = ['abc'[kind] for kind in album.label]
    names = [f'{kind}/{name}' for kind, name in zip(label, album.names, strict=True)]
    own = album._replace(names=names)
    monkeypatch.setattr(few_labels, 'read_album', lambda setting, workdir: own)
    trials = [trial for trial in few_labels.trials(REAL) if trial.stages]
    assert {trial.name.split('-')[0] for trial in trials} == few_labels.RUNS.keys()
    for trial in trials[::5]:
        folder = tmp_path / trial.name
        [stage] = trial.stages
        config_lib.validate(stage.config(folder))
        assert stage.config(folder).data.path == str(folder / 'album')
        links = [path.relative_to(folder / 'album').as_posix() for path in
                 (folder / 'album').rglob('*.png')]  # fmt: skip
        classes, found = image_files.classes(sorted(links), few_labels.UNLABELLED)
        assert classes == album.class_names and len(links) == (~album.test).sum()
        assert np.bincount(found[found >= 0]).tolist() == [5, 5, 5]


@pytest.mark.parametrize('arm', few_labels.HEADS)
def test_a_head_depends_on_no_label_but_those_it_gets(arm, album, monkeypatch):
    monkeypatch.setattr(frozen_heads, 'STEPS', 20)
    frozen_heads._train.clear_cache()
    label = np.where(album.chosen(3, 0), album.label, -1)
    shares = few_labels.HEADS[arm](album, label, 0)
    other = album._replace(label=np.where(label < 0, 0, album.label))
    np.testing.assert_array_equal(few_labels.HEADS[arm](other, label, 0), shares)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    assert (shares.argmax(axis=1) == album.label)[album.test].mean() > 0.7


@pytest.mark.parametrize('arm', few_labels.NEXT)
def test_next_labels_are_as_many_as_the_others_have(arm, album, monkeypatch):
    monkeypatch.setattr(frozen_heads, 'STEPS', 20)
    frozen_heads._train.clear_cache()
    label = few_labels._labels(album, arm, 5, 0)
    known = label >= 0
    assert known.sum() == 15 and not (known & album.test).any()
    np.testing.assert_array_equal(label[known], album.label[known])
