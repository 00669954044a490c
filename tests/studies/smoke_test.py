"""Every study from its command to its pictures, on a row of it with everything tiny."""

import pytest

from gan_jax import cli, report
from studies import kept, registry
from studies.study import Setting
from tests import trainer_test

ROWS = {
    'data_size': 'small_data-200-0',
    'architectures': 'dcgan_mnist-0',
    'cleaning': 'whole-0',
    'balance': 'plain-64-0',
    'few_images': 'today-all-0',
    'few_labels': 'frozen-0',
    'labels': 'augmented-20-0',  # a GAN, a classifier that is stopped, and the one that is tested
    'one_pair': 'cats-grey-128-fast_20',
    'reuse': 'scratch-0',
}


def test_no_study_is_left_out():
    assert registry.STUDIES.keys() == ROWS.keys()


@pytest.mark.slow
@pytest.mark.parametrize('name', ROWS)
def test_a_row_leaves_all_that_its_pictures_need(name, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(report, 'write', lambda workdir: (workdir / trainer_test.REPORT).touch())
    study, row = registry.find(name), ROWS[name]
    results = tmp_path / 'results'
    flags = [f'--workdir={tmp_path / "own"}', f'--results={results}', f'--only={row}']
    assert cli.main(['study', name, '--smoke', *flags]) == 0
    [trial] = [t for t in study.trials(Setting(None, smoke=True)) if t.name == row]
    assert kept.complete(study, trial, tmp_path / 'own')
    found = {path.name for path in (results / 'rows' / row).iterdir()}
    assert found == {'rows.json', 'measured.json', *trial.kept}
    rows = kept.read(study, results / 'rows' / row)
    drawn = {path.name for path in results.iterdir() if path.suffix in ('.png', '.jpg')}
    for picture, how in study.pictures.items():
        shown = [own for own in rows if how.of(own)]
        assert picture in drawn or not shown or how.draw(shown, results / 'rows') is None
    (tmp_path / 'own' / row / kept.ROWS).unlink()  # whatever was deleted of its runs
    assert cli.main(['study', name, '--smoke', *flags]) == 0
    again = kept.read(study, tmp_path / 'own' / row)
    assert [without(own) for own in again] == [without(own) for own in rows]
    if trial.stages:  # it was measured, not trained
        assert 'is finished' in capsys.readouterr().out


def without(row):
    """A row without what depends on the machine's speed."""
    return {name: value for name, value in row.items() if name != 'minutes'}
