"""The forecast is the arithmetic that it says it is."""

import pytest

from benchmarks import forecast
from benchmarks.collectives import Sent

CHIP = forecast.CHIP['TPU v5 lite']
FACTS = {
    'device': 'TPU v5 lite',
    'chips': 8,
    'batch_size': 64,
    'images_per_step': 128,
    'flops_per_chip': 197e9,  # a millisecond
    'bytes_per_chip': 2 * 819e6,  # two
    'memory_per_chip': {'total': 4e9},
}


def test_a_chip_alone_is_bound_by_memory_or_arithmetic():
    found = forecast.forecast(FACTS, [])
    assert found['compute_ms'] == pytest.approx(1) and found['memory_ms'] == pytest.approx(2)
    assert found['hbm_share'] == pytest.approx(0.25) and found['batch_per_chip'] == 8
    for point in found['scaling']:  # nothing is sent
        assert point['efficiency'] == 1
        assert point['images_per_s'] == pytest.approx(16 * point['chips'] / 2e-3)


@pytest.mark.parametrize(('chips', 'hops'), [(1, 0), (2, 1), (4, 2), (8, 4), (64, 14), (256, 30)])
def test_an_all_reduce_costs_its_bytes_and_its_hops(chips, hops):
    seconds = forecast.all_reduce_s(10**9, chips, CHIP)
    assert seconds == pytest.approx(2 * (chips - 1) / chips * 1e9 / 100e9 + 2e-6 * hops)


def test_efficiency_falls_with_chips_and_with_bytes():
    few, many = (forecast.forecast(FACTS, [Sent('all-reduce', 1, n)]) for n in (10**6, 10**8))
    for found in (few, many):
        efficiencies = [point['efficiency'] for point in found['scaling']]
        assert efficiencies[0] == 1 and efficiencies == sorted(efficiencies, reverse=True)
    assert many['scaling'][-1]['efficiency'] < few['scaling'][-1]['efficiency']


def test_a_program_of_one_chip_says_nothing_of_more():
    found = forecast.forecast({**FACTS, 'chips': 1}, [])
    assert [point['chips'] for point in found['scaling']] == [1]


def test_an_unknown_chip_has_no_forecast():
    assert forecast.forecast({**FACTS, 'device': 'TPU v99'}, []) is None
