import numpy as np
import pytest

from gan_jax.data.order import DataOrder
from gan_jax.errors import UserError


@pytest.mark.parametrize('num_examples', [10, 70_000])
def test_every_epoch_visits_every_example_once(num_examples):
    size = 10
    order = DataOrder(num_examples, size, seed=3, batches=1)
    steps = -(-2 * num_examples // size)
    chunk = DataOrder(num_examples, num_examples, seed=3, batches=1)
    for epoch in range(2):
        visited = np.sort(chunk.indices(epoch).ravel())
        np.testing.assert_array_equal(visited, np.arange(num_examples))
    tail = order.indices(steps - 1).ravel()
    whole = np.concatenate([chunk.indices(epoch).ravel() for epoch in range(3)])
    np.testing.assert_array_equal(tail, whole[(steps - 1) * size : steps * size])


def test_epochs_and_seeds_have_orders_of_their_own():
    one, other = (DataOrder(100, 100, seed, 1) for seed in (0, 1))
    orders = [one.indices(0), one.indices(1), other.indices(0), other.indices(1)]
    for i, left in enumerate(orders):
        for right in orders[:i]:
            assert (left != right).mean() > 0.9


def test_draws_are_consecutive_batches():
    single, double = DataOrder(70, 16, 0, 1), DataOrder(70, 16, 0, 2)
    for step in range(10):
        pair = np.stack([single.indices(2 * step)[0], single.indices(2 * step + 1)[0]])
        np.testing.assert_array_equal(double.indices(step), pair)


def test_fewer_images_than_a_batch_is_an_error():
    with pytest.raises(UserError, match='config.batch_size=65, and the data set has 64 images'):
        DataOrder(64, 65, 0, 1)


def test_a_negative_seed_is_an_error():
    with pytest.raises(UserError, match='config.seed=-1'):
        DataOrder(64, 8, -1, 1)
