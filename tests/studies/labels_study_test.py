"""The study of labels: nobody sees more of them than the budget, and the command makes it."""

import operator
from pathlib import Path

import pytest

from gan_jax import config as config_lib
from gan_jax import fields
from studies import labels, stopping
from studies.study import Setting
from tests.cli.commands_test import fails

REAL = Setting(Path('somewhere'), smoke=False)


@pytest.fixture
def configs(monkeypatch):
    """The configs of every run of every trial: [(trial, stage name, config)]."""
    monkeypatch.setattr(stopping, 'best_step', lambda workdir, config: 700)
    monkeypatch.setattr(labels, '_generated', lambda folder, stage, count: folder / f'{count}.npz')
    return [
        (trial, stage.name, stage.config(Path(trial.name)))
        for trial in labels.trials(REAL)
        for stage in trial.stages
    ]


def parts(trial):
    """(preset, number of labels, draw) of a trial."""
    name, number, draw = trial.name.rsplit('-', 2)
    return name, int(number), int(draw)


def test_every_run_is_valid_and_keeps_to_its_budget(configs):
    for trial, _, config in configs:
        _, number, draw = parts(trial)
        config_lib.validate(config)
        assert config.data.labels.number == number and config.data.labels.seed == draw
        assert config.data.path == 'somewhere/mnist' and config.data.split == 'train'


def test_the_baseline_is_the_best_ones_classifier_on_the_same_labels(configs):
    found = {(trial.name, stage): config for trial, stage, config in configs}
    best = found['best-100-3', 'classifier']
    alone = found['supervised-100-3', 'classifier']
    differs = {
        field: value
        for field, value in alone.disc.optimizer.items()
        if value != best.disc.optimizer[field]
    }
    assert differs == {'schedule': 'constant'}  # it is stopped where validation says
    differs = {
        field: value for field, value in alone.disc.net.items() if value != best.disc.net[field]
    }
    assert differs == {'dropout': 0.4}  # each at its better one
    assert alone.augment == best.augment
    assert alone.data.labels == best.data.labels
    assert not (alone.semisupervised.adversarial or alone.semisupervised.pseudo)
    assert alone.steps == 700  # where validation said
    search = found['supervised-100-3', 'stopping']
    assert search.data.labels.validation == 20 and search.steps == 4_000


def test_best_without_the_gan_differs_in_nothing_else(configs):
    found = {trial.name: config for trial, _, config in configs}
    best, own = found['best-100-0'], found['best_no_gan-100-0']
    values = map(operator.attrgetter, fields.leaves(best))
    assert sum(value(best) != value(own) for value in values) == 2


def test_the_generator_of_augmentation_sees_labelled_images_alone(configs):
    for trial, stage, config in configs:
        if stage == 'gan':
            _, number, _ = parts(trial)
            assert config.data.labels.alone and config.conditional
            kept = config.data.labels.validation
            assert kept == stopping.validation_share(number)
            assert config.batch_size <= number - kept
        elif stage == 'stopping':
            assert config.data.labels.validation == stopping.validation_share(parts(trial)[1])
        else:
            assert config.data.labels.validation == 0


@pytest.mark.parametrize(('number', 'kept'), [(20, 10), (50, 10), (100, 20), (1_000, 200)])
def test_validation_is_a_fifth_of_the_budget_and_has_every_class(number, kept):
    assert stopping.validation_share(number) == kept


def test_as_many_draws_as_were_promised():
    draws = {}
    for trial in labels.trials(REAL):
        name, number, draw = parts(trial)
        draws.setdefault((name, number), []).append(draw)
    for number in labels.NUMBERS:
        assert draws['best', number] == draws['supervised', number] == list(range(5))
        assert draws['brownlee', number] == [0]
    for number in labels.ARM_NUMBERS:
        assert draws['best_no_gan', number] == list(range(5))
    first = [parts(trial) for trial in labels.trials(REAL)[:12]]
    assert {draw for *_, draw in first} == {0} and first[0] == ('best', 100, 0)


def test_of_equal_steps_the_last_is_taken_and_known_without_its_checkpoints(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(stopping, '_accuracies', lambda *_: {4: 0.5, 8: 0.75, 12: 0.75, 16: 0.25})
        assert stopping.best_step(tmp_path, None) == 12
    assert stopping.best_step(tmp_path, None) == 12


MISTAKES = {
    'no name': ([], 'study needs --name'),
    'unknown': (['label'], "no study 'label': did you mean 'labels'?"),
    'two names': (['labels', 'twice'], "unexpected word 'twice'"),
    'no data': (['labels'], 'study needs --data_dir=DIR, with mnist/ in it'),
    'missing data': (['labels', '--data_dir=none'], '--data_dir='),
    'no results': (['labels', '--results=none'], 'has no rows; --data_dir=DIR makes some'),
    'results of missing data': (['labels', '--data_dir=none', '--results=out'], '--data_dir='),
    'unknown row': (['labels', '--smoke', '--only=best-7-0'], '--only=best-7-0: no such row'),
}


@pytest.mark.parametrize('argv, message', MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(argv, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in fails(capsys, 'study', *argv)
    assert not (tmp_path / 'none').exists() and not (tmp_path / 'out').exists()
