"""A few rounds of the campaign; the full one is `python -m tests.faults`."""

import random

import pytest

from tests.faults.campaign import Campaign, summary


@pytest.fixture(scope='module')
def campaign(tmp_path_factory):
    """One whose run is short."""
    folder = tmp_path_factory.mktemp('faults')
    result = Campaign(folder, seed=0, steps=120, has_disk=False)
    yield result
    result.trial.kill()


@pytest.mark.slow
@pytest.mark.parametrize('injury', ['kill_one', 'stop_twice_of_two'])
def test_a_round_ends_as_promised(injury, campaign):
    result = campaign.round(injury, random.Random(injury))
    assert result['verdict'] == 'ok', result
    assert result['reached'] > result['resumed_from']


def test_the_summary_counts_what_failed():
    rounds = [
        {'round': n, 'injury': 'kill', 'verdict': v, 'seconds': 1.0 + n}
        for n, v in enumerate(['ok', 'hangs'])
    ]
    text = summary(rounds, seed=3)
    assert '2 rounds' in text and ': 1 as promised' in text
    assert '| kill | 1 | 2 | 1 | 1.5 |' in text and '- round 1, kill: hangs' in text
