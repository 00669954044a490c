"""How the steps of a run are cut into calls."""

import itertools
import time

import numpy as np
import pytest

from gan_jax import calls, runners
from gan_jax.data import feeds

ITEM = np.zeros((2, 4), np.int32)


def runner(platform):
    return runners.Runner(
        num_devices=1,
        replicate=lambda tree: tree,
        abstract=lambda tree: tree,
        place=lambda items: items,
        span=lambda first, count: (first, count),
        compile=lambda step, gather: None,
        platform=platform,
    )


def feed():
    """Items that tell their step."""
    return feeds.Feed(
        'resident',
        (),
        lambda data, item: item,
        lambda step: np.full_like(ITEM, step),
    )


def made(platform, steps_per_call=0, *, due=(), count=6, first=0, seconds=0.0):
    """The steps of each of some calls, from those that a program was given."""
    cut = calls.Calls(feed(), runner(platform), steps_per_call, lambda step: step in due)
    found = []

    def program(state, data, items, span):
        time.sleep(seconds)
        begin, length = span
        found.append(items[begin : begin + length, 0, 0].tolist())
        return state, {}

    parts = cut.parts(first)
    for part in itertools.islice(parts, count):
        if found:
            cut.make(program, None, (), part)
        else:  # the call that compiles
            program(None, (), part.items, part.span)
    parts.close()
    return found


def test_a_cpu_makes_one_step_a_call_or_what_the_config_says():
    assert made('cpu') == [[0], [1], [2], [3], [4], [5]]
    assert made('cpu', 2, due={3}, count=3) == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize('platform', ['gpu', 'tpu'])
def test_an_accelerator_makes_many_and_stops_where_something_is_due(platform):
    found = made(platform, due={1, 2, 50, 130}, count=7, first=0)
    assert list(itertools.chain(*found)) == list(range(len(list(itertools.chain(*found)))))
    ends = [part[-1] + 1 for part in found]
    assert ends == [1, 2, 50, 100, 130, 200, 300]  # 100: as many as are placed together


def test_on_an_accelerator_the_config_is_heeded():
    assert [len(part) for part in made('gpu', 3, due={7})] == [3, 3, 1, 2, 3, 3]
    assert [len(part) for part in made('gpu', 1)] == [1] * 6


def test_no_call_takes_much_more_than_a_second(monkeypatch):
    monkeypatch.setattr(calls, 'CALL_S', 0.1)
    lengths = [len(part) for part in made('gpu', seconds=0.02, count=4)]
    assert lengths[:2] == [1, 1] and 1 <= lengths[2] <= 5


def test_a_run_goes_on_at_any_step():
    assert made('gpu', first=41, due={43}, count=3)[:2] == [[41], [42]]


def test_few_whole_images_are_placed_together_and_many_indices():
    image = np.zeros((1, 64, 64, 64, 3), np.uint8)
    assert feeds.fitting(image) == 2**26 // image.nbytes
    assert feeds.fitting(ITEM) == feeds.MOST_STEPS
    assert feeds.fitting(np.broadcast_to(np.uint8(0), (1, 2**14, 2**14, 3))) == 1
