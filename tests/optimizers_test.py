"""Learning rates over a run."""

import numpy as np
import pytest

from gan_jax import optimizers
from gan_jax.config import optimizer


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('constant', [1, 1, 1, 1]),
        ('linear', [1, 1, 0.55, 0.1]),
        ('cosine', [1, 1, 0.55, 0.1]),
    ],
)
def test_schedules_at_start_hold_middle_and_end(name, expected):
    config = optimizer(1.0, 0.5)
    config.update(dict(schedule=name, constant_steps=20, final_fraction=0.1))
    rate = optimizers.schedule(config, 120)
    np.testing.assert_allclose([float(rate(n)) for n in (0, 20, 70, 120)], expected, rtol=1e-5)


@pytest.mark.parametrize('name', optimizers.OPTIMIZERS)
def test_every_optimizer_goes_downhill(name):
    config = optimizer(0.1, 0.0)
    config.name = name
    tx = optimizers.make(config, 10)
    params = {'w': np.float32(1.0)}
    updates, _ = tx.update({'w': np.float32(2.0)}, tx.init(params), params)
    assert updates['w'] < 0
