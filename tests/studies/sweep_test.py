"""A study as a whole: stopped anywhere and gone on with, its table is the same."""

import csv
import json
import os
import shutil
import signal
import threading
import time

import pytest

from gan_jax import report
from gan_jax.errors import UserError
from gan_jax.records import workdirs
from gan_jax.use import trained
from studies import kept, outputs, provenance, registry, sweep
from studies.study import Picture, Setting, Stage, Study, Trial
from tests import trainer_test

SETTING = Setting(None, smoke=True)
STEPS = 4


def measure(name):
    """One row for each of two steps of a run, as a study of epochs has."""

    def rows(folder):
        loss = json.loads((folder / 'run' / 'metrics.jsonl').read_text().splitlines()[-1])
        step = int(trained.load(folder / 'run').state.step)
        return [{'name': name, 'step': step // k, 'loss': loss['loss_d']} for k in (2, 1)]

    return rows


def make(steps=STEPS, before=lambda name: None, during=measure, keep=()):
    """A study of three draws of images; `before` is called when a run's config is asked for."""

    def trial(seed):
        name = f'seed-{seed}'

        def config(folder):
            before(name)
            return trainer_test.tiny(steps=steps, **{'data.subset_seed': seed})

        return Trial(name, 1.0, (Stage('run', config),), during(name), kept=keep)

    return Study(
        name='seeds',
        title='Seeds',
        about='Three of them.',
        folders=(),
        columns=('name', 'step', 'loss', 'minutes'),
        trials=lambda setting: [trial(seed) for seed in (1, 0, 2)],
        summary=lambda rows: f'{len(rows)} rows\n',
        pictures={'seeds.png': Picture(lambda rows, workdir: b'PNG' if len(rows) > 2 else None)},
    )


def run(study, workdir, **options):
    """Runs it; reports of trainings are empty files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, 'write', lambda workdir: (workdir / trainer_test.REPORT).touch())
        return sweep.run(study, SETTING, workdir, command='study again', **options)


def table(workdir):
    """table.csv without what depends on the machine's speed."""
    rows = csv.DictReader((workdir / 'table.csv').read_text().splitlines())
    return [(row['name'], row['step'], row['loss']) for row in rows]


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """A study that was never stopped."""
    workdir = tmp_path_factory.mktemp('study') / 'finished'
    assert run(make(), workdir)
    return workdir


def test_rows_are_in_the_order_of_the_study(finished):
    names = [(name, int(step)) for name, step, _ in table(finished)]
    assert names == [(f'seed-{seed}', step) for seed in (1, 0, 2) for step in (2, 4)]
    page = (finished / outputs.PAGE).read_text()
    assert page.startswith('# Seeds\n') and '6 rows\n' in page and '![seeds](seeds.png)' in page
    assert page.count('`gan-jax study seeds --smoke --only=seed-0` |') == 2
    assert (finished / 'seeds.png').read_bytes() == b'PNG'


def test_only_the_last_step_of_a_finished_run_is_kept(finished):
    for seed in range(3):
        kept = (finished / f'seed-{seed}' / 'run' / 'checkpoints').iterdir()
        assert [path.name for path in kept] == [str(STEPS)]


@pytest.mark.slow
def test_a_study_stopped_while_it_measures_goes_on(finished, tmp_path, capsys):
    number = signal.SIGTERM  # SIGINT: tests/trainer_test.py

    def stopped(name):
        rows = measure(name)

        def interrupt(folder):
            if name == 'seed-0':
                signal.raise_signal(number)
            return rows(folder)

        return interrupt

    before = signal.getsignal(number)
    assert not run(make(during=stopped), tmp_path)
    assert signal.getsignal(number) == before
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == f'{number.name}: 1 of 3 rows are finished; go on with: study again'
    assert table(tmp_path) == table(finished)[:2] and not (tmp_path / 'seeds.png').exists()
    assert run(make(), tmp_path)
    assert table(tmp_path) == table(finished)


def test_a_study_stopped_while_it_trains_goes_on_from_a_saved_step(tmp_path, capsys):
    checkpoints = tmp_path / 'seed-1' / 'run' / 'checkpoints'

    def interrupt_after_a_save():
        while not (checkpoints / '2').exists():
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=interrupt_after_a_save)
    thread.start()
    assert not run(make(steps=1_000), tmp_path)
    thread.join()
    step = max(int(path.name) for path in checkpoints.iterdir())
    said = capsys.readouterr().err
    assert f'SIGTERM: saved step {step}; go on with: study again' in said
    assert 'seed-1 was interrupted: 0 of 3 rows are finished' in said


def test_rows_of_other_settings_are_refused(finished):
    with pytest.raises(UserError, match='config.steps=4, and is now to be with 8: delete'):
        run(make(steps=8), finished)


def test_one_row_alone(finished, tmp_path):
    results = tmp_path / 'results'
    results.mkdir()
    assert run(make(), tmp_path / 'own', only=('seed-0',), results=results)
    assert table(tmp_path / 'own') == table(finished)[2:4]
    assert {path.name for path in results.iterdir()} == {'table.csv', outputs.PAGE, 'rows'}
    with pytest.raises(UserError, match="--only=seed-7: no such row; did you mean 'seed-"):
        run(make(), tmp_path / 'own', only=('seed-7',))


def noted(name):
    """Measures, and leaves a file for pictures, and one for nobody."""

    def rows(folder):
        (folder / 'note').write_text(name)
        (folder / 'draft').write_text(name)
        return measure(name)(folder)

    return rows


def joined(rows, workdir):
    """A picture of all the notes there are."""
    names = dict.fromkeys(row['name'] for row in rows)
    notes = [workdir / name / 'note' for name in names]
    return ' '.join(path.read_text() for path in notes if path.exists()).encode() or None


def noting():
    """A study of which such a picture is drawn."""
    pictures = {'notes.png': Picture(joined, needs=lambda trial: trial.kept)}
    return make(during=noted, keep=('note',))._replace(pictures=pictures)


@pytest.fixture(scope='module')
def two_rows(tmp_path_factory):
    """Two of three rows, in a workdir `own` and in `results`."""
    home = tmp_path_factory.mktemp('two')
    (home / 'results').mkdir()
    only = ['seed-1', 'seed-2']
    assert run(noting(), home / 'own', only=only, results=home / 'results')
    return home


@pytest.fixture
def results(two_rows, tmp_path):
    """The latter, beside the former, to do with as one likes."""
    shutil.copytree(two_rows, tmp_path, dirs_exist_ok=True)
    return tmp_path / 'results'


def test_rows_of_several_folders_come_together_in_one_of_results(results, finished, tmp_path):
    assert run(noting(), tmp_path / 'more', only=['seed-0'], results=results)
    assert table(results) == table(finished)
    assert (results / 'notes.png').read_bytes() == b'seed-1 seed-0 seed-2'
    assert '6 rows\n' in (results / outputs.PAGE).read_text()
    for seed in range(3):
        names = {path.name for path in (results / 'rows' / f'seed-{seed}').iterdir()}
        assert names == {'note', 'rows.json', 'measured.json'}


def test_a_picture_is_of_the_rows_that_have_the_files_it_is_made_of(results, capsys):
    (results / 'rows' / 'seed-1' / 'note').unlink()
    sweep.tabulate(noting(), results)
    assert 'notes.png is without seed-1' in capsys.readouterr().err
    assert (results / 'notes.png').read_bytes() == b'seed-2'
    (results / 'rows' / 'seed-2' / 'note').unlink()
    sweep.tabulate(noting(), results)
    assert not (results / 'notes.png').exists()
    assert 'notes.png' not in (results / outputs.PAGE).read_text()


def test_a_page_begins_with_the_finding_and_ends_with_what_is_not_trained(results):
    (results / outputs.FINDING).write_text('All are alike.\n')
    sweep.tabulate(noting(), results)
    page = (results / outputs.PAGE).read_text()
    assert page.startswith('# Seeds\n\nAll are alike.\n\n4 rows\n\n![notes](notes.png)\n\n')
    assert page.endswith('\n\nNot trained yet: `seed-0`.\n')


def test_only_chosen_rows_go_into_results(results, tmp_path):
    path = tmp_path / 'own' / 'seed-2' / kept.ROWS
    path.write_text(path.read_text().replace('seed-2', 'stale'))
    assert run(noting(), tmp_path / 'own', only=['seed-1'], results=results)
    assert 'stale' not in (results / 'table.csv').read_text()


def test_results_of_another_study_or_of_a_smoke_run_are_refused(results, tmp_path):
    other = noting()._replace(name='others')
    with pytest.raises(
        UserError, match='holds rows of the study seeds with --smoke; choose another'
    ):
        run(other, tmp_path / 'other', results=results)
    real = Setting(tmp_path, smoke=False)
    with pytest.raises(UserError, match='holds rows of the study seeds with --smoke'):
        sweep.run(noting(), real, tmp_path / 'other', results=results, command='')
    assert not (tmp_path / 'other' / 'seed-1').exists()  # before anything is trained
    (tmp_path / 'old').mkdir()
    (tmp_path / 'old' / 'table.csv').write_text('of a time before there were rows')
    with pytest.raises(UserError, match='has a table without its rows'):
        run(noting(), tmp_path / 'other', results=tmp_path / 'old')
    with pytest.raises(UserError, match='has no rows; --data_dir=DIR makes some'):
        sweep.tabulate(noting(), tmp_path)


@pytest.mark.parametrize('smoke', [True, False])
def test_a_command_says_of_what_data_its_row_is(smoke, finished, results, tmp_path):
    shutil.copytree(finished, tmp_path / 'whole')
    setting = Setting(None if smoke else tmp_path, smoke)
    assert sweep.run(make(), setting, tmp_path / 'whole', command='')
    (results / 'rows' / kept.OWNER).write_text(json.dumps({'study': 'seeds', 'smoke': smoke}))
    sweep.tabulate(make(), results)
    for folder in (tmp_path / 'whole', results):
        page = (folder / outputs.PAGE).read_text()
        assert page.count('--smoke --only=seed-1` |') == 2 * smoke
        assert page.count('--data_dir=DIR --only=seed-1` |') == 2 * (not smoke)


def test_a_row_that_is_not_of_today_s_table_is_named(results, capsys):
    path = results / 'rows' / 'seed-2' / kept.ROWS
    path.write_text(path.read_text().replace('"loss"', '"cost"'))
    capsys.readouterr()
    sweep.tabulate(noting(), results)
    assert 'seed-2 is not in the table' in capsys.readouterr().err
    assert {name for name, *_ in table(results)} == {'seed-1'}


def test_a_damaged_row_is_one_line(results):
    (results / 'rows' / 'seed-2' / kept.ROWS).write_text('[{"name": "se')
    with pytest.raises(UserError, match='seed-2/rows.json is damaged: delete it'):
        sweep.tabulate(noting(), results)


def test_a_row_stays_finished_without_its_run(results, tmp_path, capsys):
    shutil.rmtree(tmp_path / 'own' / 'seed-1' / 'run')
    capsys.readouterr()
    assert run(noting(), tmp_path / 'own', only=['seed-1'], results=results)
    assert 'row 1' not in capsys.readouterr().err


def without_losses(row):
    path = row / kept.ROWS
    path.write_text(path.read_text().replace('"loss"', '"cost"'))


LACKING = {
    'its rows': lambda row: (row / kept.ROWS).unlink(),
    'a column of today': without_losses,
    'what pictures are made of': lambda row: (row / 'note').unlink(),
}


@pytest.mark.parametrize('what', LACKING)
def test_a_row_that_lacks_something_is_measured_anew_and_not_trained(
    what, results, tmp_path, capsys
):
    before = table(results)
    LACKING[what](tmp_path / 'own' / 'seed-1')
    (results / 'table.csv').unlink()
    capsys.readouterr()
    assert run(noting(), tmp_path / 'own', only=['seed-1'], results=results)
    assert 'seed-1/run is finished' in capsys.readouterr().out
    assert table(results) == before and (tmp_path / 'own' / 'seed-1' / 'note').exists()


def test_the_time_left_is_at_the_pace_of_the_finished_rows(tmp_path):
    study = make()
    trials = study.trials(SETTING)
    assert sweep._time_left(study, trials, tmp_path) == 'about 1:00, 3:00 for all that is left'
    folder = tmp_path / 'seed-1'
    folder.mkdir()
    (folder / sweep.TIME).write_text('30.0')
    kept.write(folder, [dict.fromkeys(study.columns)])
    provenance.keep(trials[0], folder)
    assert sweep._time_left(study, trials, tmp_path) == 'about 0:30, 1:00 for all that is left'


@pytest.mark.parametrize(
    ('value', 'text'), [(None, ''), (float('nan'), ''), (0.123456789, '0.123457'), (3, '3')]
)
def test_cells(value, text):
    assert outputs.cell(value) == text


@pytest.mark.parametrize('name', registry.STUDIES)
def test_a_study_without_its_data_is_refused_before_it_starts(name, tmp_path):
    study = registry.find(name)
    with pytest.raises(UserError, match='study needs --data_dir=DIR, with '):
        Setting(None, smoke=False).check(study.folders)
    with pytest.raises(UserError, match=f'there is no folder {study.folders[0]}/ in it'):
        Setting(tmp_path, smoke=False).check(study.folders)


@pytest.mark.parametrize('name', registry.STUDIES)
@pytest.mark.parametrize('smoke', [True, False])
def test_the_rows_of_a_study_have_names_of_their_own(name, smoke, tmp_path):
    trials = registry.find(name).trials(Setting(None if smoke else tmp_path, smoke))
    assert len({trial.name for trial in trials}) == len(trials)


def test_of_a_finished_run_the_newest_and_the_best_step_are_kept(tmp_path):
    changes = {'evaluate.best': 'frechet_digits', 'evaluate.every': 1}
    workdirs.write_config(tmp_path, trainer_test.tiny(**changes))
    distances = [{'step': step, 'frechet_digits': abs(step - 2)} for step in (1, 2, 3, 4)]
    (tmp_path / 'evaluations.jsonl').write_text('\n'.join(map(json.dumps, distances)) + '\n')
    for name in ('1', '2', '3', '4', '3.corrupt'):
        (tmp_path / 'checkpoints' / name).mkdir(parents=True)
    sweep._prune(tmp_path)
    kept = {path.name for path in (tmp_path / 'checkpoints').iterdir()}
    assert kept == {'2', '4', '3.corrupt'}
