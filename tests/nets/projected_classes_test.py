"""The classifier on a frozen net, with a tiny one in its place."""

from functools import partial

import jax
import numpy as np

from gan_jax import nets
from gan_jax.tasks import semisupervised
from gan_jax.types import DataSpec
from tests import gans

SHAPE = (32, 32, 3)
FIELDS = {'name': 'projected_classes', 'frozen': 'tiny'}


def images(seed=0, count=4):
    return np.tanh(gans.normal(seed, count, *SHAPE))


def test_nothing_is_trained_but_the_head_and_images_have_classes_of_their_own():
    net = nets.build('disc', FIELDS, image_shape=SHAPE, num_classes=3)
    variables = gans.variables(net, images(), train=False)
    assert jax.tree.map(np.shape, variables) == {
        'params': {'Dense_0': {'kernel': (5 + 6, 3), 'bias': (3,)}}
    }
    apply = jax.jit(partial(net.apply, train=False, return_features=True))
    logits, features = jax.device_get(apply(variables, images()))
    assert logits.shape == (4, 3) and features.shape == (4, 11)
    np.testing.assert_allclose(features[:, :5].mean(axis=1), 0, atol=1e-5)
    alone, _ = apply(variables, images()[1:2])
    np.testing.assert_allclose(alone[0], logits[1], rtol=1e-4, atol=1e-5)


def test_a_step_trains_the_head_by_every_term_and_the_generator_through_the_net():
    own = {'semisupervised.pseudo': 1.0, 'semisupervised.matching': 1.0, 'batch_size': 4}
    config = gans.config('dcgan', 'projected_classes', task='semisupervised', **own)
    config.disc.net.frozen = 'tiny'
    spec = DataSpec(SHAPE, 3, 8)
    task = semisupervised.make(config, spec, axis_name=None)
    before = jax.jit(task.init)()
    after, metrics = jax.jit(task.step)(before, gans.batch(spec, 2, 4))
    assert all(np.isfinite(value) for value in metrics.values())
    for role in range(2):
        moved = jax.tree.map(
            lambda a, b: np.abs(a - b).max(), before.nets[role].params, after.nets[role].params
        )
        assert max(jax.tree.leaves(moved)) > 0
