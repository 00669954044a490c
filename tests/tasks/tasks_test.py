"""Properties that all tasks have in common."""

import re

import jax
import pytest

from gan_jax import tasks
from tests import gans


@pytest.mark.parametrize('precision', ['default', 'float32'])
def test_products_of_a_step_are_rounded_as_the_config_says(precision):
    config = gans.config('dcgan_mnist', matmul_precision=precision)
    task = tasks.make(config, gans.MNIST_SPEC, axis_name=None)
    batch = gans.batch(gans.MNIST_SPEC, 1, config.batch_size)
    trace = jax.jit(task.step).trace(jax.eval_shape(task.init), batch)
    text = trace.lower(lowering_platforms=('cuda',)).as_text()
    products = [line for line in text.splitlines() if re.search('convolution|dot_general', line)]
    found = {word for line in products for word in re.findall('DEFAULT|HIGHEST', line)}
    assert len(products) > 20
    assert ('DEFAULT' in found) == (precision == 'default')  # norms of gradients never are
