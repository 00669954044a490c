"""The words at the top of a report follow from its figures."""

from pathlib import Path

import pytest

from gan_jax.evaluation import balance
from gan_jax.report import run, verdict

NONE = run.Run(Path('x'), {}, {}, [], [], [], [], {}, {}, [], False)


def said(figures=(), real=(), frechet=()):
    evaluations = [{'step': 10 * i, 'frechet_digits': v} for i, v in enumerate(frechet, 1)]
    evaluation = {'figures': dict(figures), 'real': dict(real)} if figures else {}
    made = NONE._replace(rows=[{'step': 9}], evaluations=evaluations, evaluation=evaluation)
    return '; '.join(verdict.sentences(made))


@pytest.mark.parametrize(
    'figures, real, words',
    [
        ({'collapsed': True, 'cat_share': 0.9}, {'cat_share': 1.0}, 'collapsed'),
        ({'cat_share': 0.5}, {'cat_share': 0.9}, '50% of the samples look like cats'),
        (
            {'cat_share': 0.5, 'precision': 0.25},
            {'cat_share': 0.1},
            '25% of the samples look like real',
        ),
        ({'readable_share': 0.75}, {'readable_share': 1.0}, '75% of the samples look like digits'),
        ({'precision': 0.5, 'copies': 0.06}, {}, '6% of the samples are copies'),
        ((), {}, 'not measured yet'),
    ],
)
def test_what_the_samples_are_like(figures, real, words):
    assert words in said(figures, real)
    assert ('copies' in said(figures, real)) == ('copies' in words)


@pytest.mark.parametrize(
    'frechet, words',
    [
        ([9, 8, 7, 6], 'still improving'),
        ([9, 8, 8, 8.1], 'no longer improving'),
        ([9, 4, 4, 6], 'better at step 20 than'),
        ([9, 8, 7], ''),
        ([9, None, 8, 7], ''),
    ],
)
def test_how_training_went_on(frechet, words):
    text = said({'precision': 0.5}, frechet=frechet)
    assert words in text and ('ended' in text) == bool(words)


def test_a_balance_that_was_lost_is_said():
    epochs = range(1, 1 + balance.LOST_EPOCHS)
    rows = [{'step': i, 'epoch': i, 'auc': 1.0} for i in epochs]
    made = NONE._replace(evaluations=rows, evaluation={'figures': {'precision': 0.5}, 'real': {}})
    assert any('from epoch 1 on' in line for line in verdict.sentences(made))
