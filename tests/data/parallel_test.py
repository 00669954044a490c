"""Work by threads, in order."""

import itertools

from gan_jax.data import parallel


def test_threads_keep_the_order_and_take_no_more_than_they_need(monkeypatch):
    monkeypatch.setattr(parallel, 'cores', lambda: 3)
    taken = itertools.count()
    results = parallel.ordered_map(lambda number: -number, (next(taken) for _ in range(100)))
    assert [next(results) for _ in range(10)] == [-number for number in range(10)]
    assert next(taken) <= 10 + 3 * 4
    results.close()
