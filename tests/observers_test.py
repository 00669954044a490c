"""When a run is measured, and which of its steps was best."""

from fractions import Fraction
from types import SimpleNamespace

import pytest

from gan_jax import observers
from gan_jax.types import DataSpec
from tests import gans


@pytest.mark.parametrize('stride', [1, 3, 7])
def test_a_period_that_is_not_whole_is_met_once_each(stride):
    observer = observers.Observer(Fraction(50, 8), lambda state: {}, {})
    due = [step for step in range(stride, 400, stride) if observer.is_due(step, stride)]
    ends = [-(-50 * n // 8) for n in range(1, 64)]  # the steps at which epoch n is over
    expected = [-(-end // stride) * stride for end in ends]
    assert due == [step for step in dict.fromkeys(expected) if step < 400]


@pytest.mark.parametrize(
    'num_examples, every, period', [(6400, 1, 800), (6400, 3, 2400), (64, 1, 50), (64, 10, 80)]
)
def test_epochs_that_are_shorter_than_a_log_line_are_measured_line_by_line(
    num_examples, every, period, monkeypatch
):
    monkeypatch.setattr(observers.balance, 'observer', lambda *_: None)
    config = gans.config('mlp', **{'evaluate.balance': every, 'log_every': 50})
    task = SimpleNamespace(contest=True)
    dataset = SimpleNamespace(spec=DataSpec((28, 28, 1), 10, num_examples), splits=('train',))
    [found] = observers.make(config, task, dataset, images_per_step=8, place=None)
    assert found.period == period


@pytest.mark.parametrize('better, best', [(1, 20), (-1, 40)])
def test_the_best_step_is_the_first_at_its_best(better, best, monkeypatch):
    monkeypatch.setattr(observers.figures, 'ranked', lambda name: ('', better))
    values = {10: 2.0, 20: 1.0, 30: None, 40: 3.0, 50: 1.0, 60: 3.0}
    rows = [{'step': step, 'figure': value} for step, value in values.items()] + [{'step': 70}]
    assert observers.best_step(rows, 'figure') == best
    assert observers.best_step([{'step': 1, 'other': 1.0}], 'figure') is None
