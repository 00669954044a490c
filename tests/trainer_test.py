"""Runs as a user makes them: from the start, killed, interrupted, resumed, gone wrong."""

from fractions import Fraction
import gc
import json
import os
from pathlib import Path
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import jax
import numpy as np
import pytest

from gan_jax import evaluation, observers, report, runners, trainer
from gan_jax.config import experiments
from gan_jax.errors import UserError
from gan_jax.records import checkpoints, workdirs
from gan_jax.use import assessing, trained
from tests import disks, gans

ROOT = Path(__file__).parent.parent


def tiny(**changes):
    """Perceptrons on packaged digits, with as little besides as a run can have."""
    return gans.config('mlp', **{**SMALL, **changes})


def conditional(**changes):
    """The same with classes, on 40 digits that are of all ten, and an augmentation."""
    return tiny(conditional=True, **{'augment': 'translation', 'data.subset_seed': 2, **changes})


def mixed(**changes):
    """The same with latents around four means."""
    mixture = {'latent_mixture.components': 0.1, 'latent_mixture.std': 0.5}
    return conditional(**{**mixture, **changes})


def eventful(**changes):
    """The same with every source of randomness, and all that a state remembers."""
    return tiny(**{**EVENTS, **changes})


REPORT = 'report.html'
# A run of fractions of a second, with all that a run leaves.
SHORT = {
    'steps': 4,
    'log_every': 2,
    'sample_every': 4,
    'save_every': 2,
    'devices': 1,
    'tensorboard': False,
}
SMALL = {
    **SHORT,
    'gen.net.hidden': (16,),
    'disc.net.hidden': (16,),
    'gen.ema_decay': 0.9,
    'data.num_examples': 40,
    'least_s': 0.0,
    'keep': 10,
    'evaluate.balance': 0,
}
EVENTS = {
    'steps': 8,
    'evaluate.balance': 1,
    'instance_noise.std': 0.1,
    'augment': 'translation',
    # What the state remembers besides: a probability that moves in each step, and averages.
    'ada.target': 0.05,
    'ada.every': 1,
    'ada.images': 64,
    'lecam.weight': 0.1,
    'lecam.start': 1,
    'penalties.r1': 0.1,
    'penalty_every': 2,
}


def train(config, workdir, *, overwrite=False, draw=lambda workdir: (workdir / REPORT).touch()):
    """Trains; the report is an empty file, unless `report.write` is given to draw it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, 'write', draw)
        trainer.train(config, workdir, overwrite=overwrite, command='train again')


def digest(workdir):
    return checkpoints.digest(trained.load(workdir).state)


def lines(workdir):
    """metrics.jsonl without what depends on the machine's speed."""
    rows = [json.loads(line) for line in (workdir / 'metrics.jsonl').read_text().splitlines()]
    return [{k: v for k, v in r.items() if k not in ('images_per_s', 'input_wait_s')} for r in rows]


@pytest.fixture(scope='module')
def finished(train_once, tmp_path_factory):
    """A run that was never interrupted."""
    return train_once(tiny(), tmp_path_factory.mktemp('run') / 'finished')


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """A run of everything, with its report, that was never interrupted."""
    workdir = tmp_path_factory.mktemp('run') / 'whole'
    train(eventful(tensorboard=True), workdir, draw=report.write)
    return workdir


@pytest.mark.newest
def test_leaves_every_file_of_the_contract(whole):
    found = {path.name for path in whole.iterdir()}
    later = {'evaluation.json', 'neighbours.png', 'translations.png', 'classification.json'}
    assert found == set(workdirs.CONTENT) - later
    assert [path.name for path in sorted((whole / 'checkpoints').iterdir())] == list('2468')
    assert [row['step'] for row in lines(whole)] == [2, 4, 6, 8]
    assert lines(whole)[-1]['images_seen'] == 64
    facts = workdirs.read_facts(whole)
    assert facts['data']['num_examples'] == 40 and facts['seed'] == 0


@pytest.mark.newest
def test_resumed_equals_uninterrupted(whole, tmp_path):
    """Taken away after step 4, with rubbish after it, the rest is made again to the bit."""
    workdir = tmp_path / 'resumed'
    shutil.copytree(whole, workdir)
    for step in (6, 8):
        shutil.rmtree(workdir / 'checkpoints' / str(step))
    with (workdir / 'metrics.jsonl').open('a') as file:
        file.write('{"step": 7, "lo')
    train(eventful(tensorboard=True), workdir)
    assert digest(workdir) == digest(whole)
    assert lines(workdir) == lines(whole)
    for name in ('epochs.csv', 'evaluations.jsonl'):
        assert (workdir / name).read_text() == (whole / name).read_text()
    for grid in (whole / 'samples').iterdir():
        assert (workdir / 'samples' / grid.name).read_bytes() == grid.read_bytes()


def test_on_an_accelerator_checkpoints_and_grids_have_a_least_time(tmp_path, monkeypatch):
    monkeypatch.setattr(runners, 'loops', lambda platform: True)
    train(tiny(steps=8, least_s=1e5), tmp_path)
    kept = [name for name in os.listdir(tmp_path / 'checkpoints') if name.isdigit()]
    assert sorted(kept) == ['2', '8']  # the first that is due, and the end
    assert len(list((tmp_path / 'samples').iterdir())) == 3  # the start too
    assert [row['step'] for row in lines(tmp_path)] == [2, 4, 6, 8]


def evaluations(workdir):
    text = (workdir / 'evaluations.jsonl').read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_the_balance_is_measured_after_each_epoch_and_at_the_end(whole):
    """Epochs of 40 images in batches of 8; the digits of the package have no test set."""
    rows = evaluations(whole)
    assert [(row['step'], row['epoch']) for row in rows] == [(5, 1.0), (8, 1.6)]
    assert all(set(row) == {'step', 'epoch', 'auc'} and 0 <= row['auc'] <= 1 for row in rows)


FIGURES = dict(zip(range(1, 13), (9, 5, 3, 4, 1, 2, 6, 7, 8, 8, 8, 0), strict=True))


@pytest.fixture
def figure(monkeypatch):
    """A figure of the state, measured at each step, that is lowest at step 5 of the first 11."""

    def measure(state):
        return {'frechet_digits': float(FIGURES[int(state.step)])}

    make = lambda *_, **__: (observers.Observer(Fraction(1), measure, {}),)  # noqa: E731
    monkeypatch.setattr(observers, 'make', make)
    return {'evaluate.best': 'frechet_digits', 'evaluate.every': 1, 'keep': 2}


def steps(workdir):
    return checkpoints.Checkpoints(workdir / 'checkpoints', 1).steps()


def test_a_run_ends_when_its_figure_improves_no_more(figure, tmp_path, capsys):
    """Best at step 5: three that are no better end it at 8, also when it was killed before."""
    del figure
    stop = {'evaluate.every': 1, 'stop.figure': 'frechet_digits', 'stop.patience': 3, 'keep': 2}
    workdir = tmp_path / 'run'
    train(tiny(**stop, steps=12), workdir, draw=report.write)
    assert steps(workdir) == [5, 6, 8] and evaluations(workdir)[-1]['step'] == 8
    assert int(trained.load(workdir, 'best').state.step) == 5
    page = (workdir / 'report.html').read_text()
    assert 'finished at step 8: frechet digits has not been better since step 5' in page
    shutil.copytree(workdir, tmp_path / 'killed')
    shutil.rmtree(tmp_path / 'killed' / 'checkpoints' / '8')
    train(tiny(**stop, steps=12), tmp_path / 'killed')
    assert digest(tmp_path / 'killed') == digest(workdir)
    capsys.readouterr()
    train(tiny(**stop, steps=12), workdir)
    assert 'is finished: 8 steps' in capsys.readouterr().out
    train(tiny(**{**stop, 'stop.patience': 7}, steps=12), workdir)
    assert steps(workdir)[-1] == 12


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'stop.figure': 'frechet_digits'}, 'config.evaluate.every is 0'),
        ({'stop.patience': 3}, 'config.stop.figure is empty'),
        (
            {'evaluate.every': 1, 'stop.figure': 'frechet_digits', 'stop.patience': 0},
            'config.stop.patience=0: must be a whole number of at least 1',
        ),
        ({'evaluate.every': 1, 'stop.figure': 'loss_g'}, 'figure=loss_g: no metric that ranks'),
        ({'evaluate.every': 1, 'stop.figure': 'frechet_digit'}, "mean 'frechet_digits'"),
        (
            {'evaluate.every': 1, 'stop.figure': 'frechet_a', 'evaluate.best': 'frechet_b'},
            'config.stop.figure=frechet_a: the step that is kept',
        ),
    ],
)
def test_an_end_that_cannot_be_is_refused(changes, message, tmp_path):
    with pytest.raises(UserError, match=message):
        train(tiny(**changes), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


@pytest.mark.slow
def test_samples_are_evaluated_as_by_the_command_and_the_same_when_resumed(tmp_path):
    measured = {'evaluate.every': 1, 'evaluate.best': 'frechet_digits', 'evaluate.num_samples': 32}
    workdir = tmp_path / 'run'
    train(tiny(**measured, steps=8), workdir, draw=report.write)
    rows = evaluations(workdir)
    assert [row['step'] for row in rows] == [5, 8]
    assert all(row['by']['features']['name'] == 'digits' for row in rows)
    assert all(row['by']['samples'] == 32 for row in rows)
    assert 'Distances: Samples: 32; ' in (workdir / 'report.html').read_text()
    run = trained.load(workdir, 'best')
    best = min(rows, key=lambda row: row['frechet_digits'])
    assert int(run.state.step) == best['step']
    real = assessing.real_images(run, workdir, evaluation.load_net('digits'), '')
    found, _ = assessing.assess(run, real, 32)
    assert found['figures']['frechet_digits'] == pytest.approx(best['frechet_digits'], rel=1e-6)
    for step in steps(workdir)[1:]:
        shutil.rmtree(workdir / 'checkpoints' / str(step))
    train(tiny(**measured, steps=8), workdir)
    assert evaluations(workdir) == rows


@pytest.mark.parametrize(
    'step, message',
    [
        ('best', 'kept no best step'),
        ('newest', '--step=newest: must be a number of steps, or best'),
        ('-1', '--step=-1: must be'),
        ('7', 'has no step 7; steps there: 2, 4'),
    ],
)
def test_a_step_that_is_not_there_is_one_line(step, message, finished):
    with pytest.raises(UserError, match=message):
        trained.load(finished, step)


def test_what_adapts_is_in_the_state_and_in_the_metrics(whole):
    memory = trained.load(whole).state.memory
    assert memory['lecam']['real'] != 0
    assert 0 < max(row['augment_p'] for row in lines(whole)) <= 0.8
    assert all(row['penalty'] > 0 and 'lecam' in row for row in lines(whole))


def test_few_images_are_warned_about_in_one_line(tmp_path, capsys):
    train(tiny(steps=2, **{'data.enough': 41}), tmp_path / 'few')
    text = capsys.readouterr().err
    assert text.count('warning') == text.count('warning: 40 images are fewer than 41: ') == 1


def test_a_finished_run_is_left_alone(finished, capsys):
    before = (finished / 'report.html').stat().st_mtime_ns
    train(tiny(), finished)
    assert 'is finished: 4 steps' in capsys.readouterr().out
    assert (finished / 'report.html').stat().st_mtime_ns == before


def test_more_steps_go_on_where_it_ended(finished, tmp_path):
    longer, whole = tmp_path / 'longer', tmp_path / 'whole'
    shutil.copytree(finished, longer)
    train(tiny(steps=8, save_every=4), longer)
    train(tiny(steps=8, save_every=8), whole)
    assert digest(longer) == digest(whole) != digest(finished)


@pytest.mark.slow
def test_a_signal_saves_and_leaves_and_the_run_goes_on(tmp_path, capsys):
    number = signal.SIGINT  # SIGTERM: tests/studies/sweep_test.py

    def interrupt_after_a_save():
        while not (tmp_path / 'checkpoints' / '2').exists():
            time.sleep(0.005)
        os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    thread = threading.Thread(target=interrupt_after_a_save)
    thread.start()
    train(tiny(steps=1000, save_every=2, keep=2), tmp_path)
    thread.join()
    step = int(trained.load(tmp_path).state.step)
    assert 2 <= step < 1000
    assert f'saved step {step}; go on with: train again' in capsys.readouterr().err
    assert signal.getsignal(number) == before
    whole = tmp_path / 'whole'
    train(tiny(steps=step + 4), tmp_path)
    train(tiny(steps=step + 4), whole)
    assert digest(tmp_path) == digest(whole)


KILLS = int(os.environ.get('KILLS', '1'))  # kills after a resume
KILL_STEPS = 400 * (KILLS + 1)
COMMAND = [sys.executable, 'train.py', '--config=tests/tiny_config.py']


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_digest(tmp_path):
    """KILLS=10 in the environment for the full number; the moments differ each time."""
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    quiet = {'cwd': ROOT, 'stderr': subprocess.DEVNULL}
    train(experiments.load(f'{ROOT}/tests/tiny_config.py'), whole)
    for _ in range(KILLS):
        with subprocess.Popen([*COMMAND, f'--workdir={killed}'], **quiet) as process:
            seen = newest(killed)
            while newest(killed) == seen and process.poll() is None:
                time.sleep(0.01)
            time.sleep(random.random() * 0.2)
            process.kill()
        assert newest(killed) < KILL_STEPS, 'finished before it could be killed'
    subprocess.run([*COMMAND, f'--workdir={killed}'], check=True, **quiet)
    assert digest(killed) == digest(whole)
    assert lines(killed) == lines(whole)


def newest(workdir):
    return max(checkpoints.Checkpoints(workdir / 'checkpoints', 1).steps(), default=0)


DIVERGING = {
    f'{role}.optimizer.{field}': value
    for role in ('gen', 'disc')
    for field, value in (('name', 'sgd'), ('b1', 0.0), ('learning_rate', 100.0))
}


def test_a_nan_stops_names_its_step_and_keeps_the_last_finite_state(tmp_path):
    with pytest.raises(UserError, match=r'not finite at step \d+; .*learning_rate'):
        train(tiny(**DIVERGING, steps=8), tmp_path)
    for leaf in jax.tree.leaves(trained.load(tmp_path).state):
        assert np.all(np.isfinite(leaf))


def test_a_nan_with_rollback_goes_back_and_draws_other_numbers(figure, tmp_path, monkeypatch):
    """One NaN after the best step, whose measurement is taken back: the run ends all the same."""
    record = trainer.Recorder.record
    failed = []

    def fail_once(self, step, metrics, **kwargs):
        if step == 7 and not failed:
            failed.append(step)
            raise trainer.NonFiniteError(step + 1, 'loss_d')
        return record(self, step, metrics, **kwargs)

    monkeypatch.setattr(trainer.Recorder, 'record', fail_once)
    train(tiny(**figure, steps=8, on_nan='rollback'), tmp_path)
    state = trained.load(tmp_path).state
    assert failed == [7] and int(state.step) == 8 and int(state.rollbacks) == 1
    assert [row['step'] for row in lines(tmp_path)] == [2, 4, 6, 8]
    assert [row['step'] for row in evaluations(tmp_path)] == list(range(1, 9))
    assert steps(tmp_path) == [5, 6, 8]


def test_a_nan_that_comes_back_stops_in_the_end(tmp_path):
    with pytest.raises(UserError, match='not finite at step'):
        train(tiny(**DIVERGING, steps=8, on_nan='rollback'), tmp_path)


REFUSED = {
    'batch_size': ({'batch_size': 16}, 'config.batch_size=8, not 16'),
    'learning rate': (
        {'disc.optimizer.learning_rate': 1e-3},
        'disc.optimizer.learning_rate=0.0002',
    ),
    'net': ({'gen.net.hidden': (32,)}, r'config.gen.net.hidden=\[16\], not \[32\]'),
}


@pytest.mark.parametrize('changes, message', REFUSED.values(), ids=REFUSED)
def test_another_config_is_refused_by_field(changes, message, finished, tmp_path):
    workdir = tmp_path / 'run'
    shutil.copytree(finished, workdir)
    with pytest.raises(UserError, match=message):
        train(tiny(**changes), workdir)
    assert digest(workdir) == digest(finished)


def test_another_config_may_overwrite_a_run_and_nothing_else(finished, tmp_path):
    workdir = tmp_path / 'run'
    shutil.copytree(finished, workdir)
    (workdir / 'notes.txt').write_text('mine')
    train(tiny(steps=2, **{'disc.optimizer.learning_rate': 1e-3}), workdir, overwrite=True)
    assert int(trained.load(workdir).state.step) == 2
    assert (workdir / 'notes.txt').exists()


_OTHER_NET = {
    'evaluate.every': 1.0,
    'evaluate.metrics': ('classes',),
    'evaluate.best': 'cat_share',  # of another net than these images have
}


@pytest.mark.parametrize(
    'changes', [{'gen.net.hidden': (0,)}, {'data.num_examples': 9_999}, _OTHER_NET]
)
def test_overwriting_with_what_cannot_run_deletes_nothing(changes, finished, tmp_path):
    workdir = tmp_path / 'run'
    shutil.copytree(finished, workdir)
    with pytest.raises(UserError):
        train(tiny(**changes), workdir, overwrite=True)
    assert digest(workdir) == digest(finished)


def test_two_processes_never_train_in_one_folder(tmp_path):
    with workdirs.exclusive(tmp_path):
        with pytest.raises(UserError, match='another process is training there'):
            train(tiny(), tmp_path)
        assert not list(tmp_path.iterdir())
    train(tiny(steps=2), tmp_path)


@pytest.mark.parametrize('name', ['checkpoints', 'samples', 'metrics.jsonl'])
def test_files_of_nobody_s_run_are_left_alone(name, tmp_path):
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=f'holds {name} but no config.json'):
        train(tiny(), tmp_path)
    assert (tmp_path / name).exists() and len(list(tmp_path.iterdir())) == 1


def test_a_run_killed_before_its_report_gets_it(finished, tmp_path):
    workdir = tmp_path / 'run'
    shutil.copytree(finished, workdir)
    for name in ('report.html', 'run.json'):
        (workdir / name).unlink()
    train(tiny(), workdir)
    assert (workdir / 'report.html').exists() and workdirs.read_facts(workdir)['seed'] == 0
    assert digest(workdir) == digest(finished)


def test_drawing_the_report_leaves_no_figure_in_memory(finished):
    reports = trainer.Reports(finished)
    gc.disable()  # Python's own search for garbage comes rarely, late in a long run
    try:
        reports.finish()
        left = [one for one in gc.get_objects() if type(one).__name__ == 'Figure']
    finally:
        gc.enable()
    assert not left


def test_a_run_from_before_a_field_existed_goes_on(finished, tmp_path):
    workdir = tmp_path / 'run'
    shutil.copytree(finished, workdir)
    config = json.loads((workdir / 'config.json').read_text())
    del config['share_latent'], config['penalties']['r2'], config['disc']['net']['spectral_norm']
    (workdir / 'config.json').write_text(json.dumps(config))
    assert digest(workdir) == digest(finished)
    train(tiny(steps=6), workdir)
    assert int(trained.load(workdir).state.step) == 6


def test_steps_may_not_change_under_a_schedule(tmp_path):
    decaying = {'gen.optimizer.schedule': 'linear'}
    train(tiny(**decaying, steps=2), tmp_path)
    with pytest.raises(UserError, match='config.steps=2, .*schedule.* 4 '):
        train(tiny(**decaying, steps=4), tmp_path)


def test_other_images_are_refused(finished, tmp_path):
    workdir = tmp_path / 'run'
    shutil.copytree(finished, workdir)
    facts = workdirs.read_facts(workdir)
    facts['data']['fingerprint'] = 'f' * 64
    (workdir / 'run.json').write_text(json.dumps(facts))
    with pytest.raises(UserError, match=r'config.data.path=.*fingerprint .* not ffffffffffff'):
        train(tiny(steps=6), workdir)


def test_an_unwritable_workdir_is_refused(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(UserError, match='--workdir=.*cannot write there'):
        train(tiny(), tmp_path / 'file' / 'run')


# Orbax leaves coroutines of its own unfinished when a write fails.
@pytest.mark.slow
@pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning')
@pytest.mark.parametrize('megabytes', [1, 3])
def test_a_full_disk_stops_in_one_line_and_the_run_goes_on_with_space(megabytes, tmp_path):
    """Sooner or later a file of the run does not fit: what was saved is whole."""
    config = tiny(steps=400, save_every=2, sample_every=2, keep=1000, tensorboard=True)
    with disks.tmpfs(tmp_path / 'disk', f'size={megabytes}m') as disk:
        with pytest.raises(UserError, match='(?i)no space left'):
            train(config, disk / 'run', draw=report.write)
        saved = newest(disk / 'run')
        shutil.copytree(disk / 'run', tmp_path / 'run')
    if saved:
        assert int(trained.load(tmp_path / 'run').state.step) == saved
    train(tiny(steps=saved + 2, save_every=2), tmp_path / 'run')
    assert int(trained.load(tmp_path / 'run').state.step) == saved + 2
