"""Collectives are counted as the compiler wrote them, and there are as few as promised."""

import functools

import jax
import pytest

from benchmarks import collectives
from benchmarks.collectives import Sent
from gan_jax import runners
from gan_jax.tasks import adversarial
from tests import gans

PROGRAM = """
  %ar.1 = (f32[2,3]{1,0:T(8,128)S(1)}, bf16[4]{0}, /*index=2*/f32[]) all-reduce(%a, %b, %c)
  %ar.2 = f32[10]{0} all-reduce-start(%d), channel_id=3
  %ar.3 = f32[10]{0} all-reduce-done(%ar.2)
  %ag = u8[2,5]{1,0} all-gather(%e), dimensions={0}
  %p = (pred[7]{0}, pred[7]{0}) collective-permute-start(%f)
  %fusion = f32[9]{0} fusion(%all-reduce.9), calls=%all-reduce-like
"""


def test_each_is_found_once_with_its_bytes():
    found = collectives.find(PROGRAM)
    assert found == [
        Sent('all-reduce', 1, 4 * 6 + 2 * 4 + 4),
        Sent('all-reduce', 1, 40),
        Sent('all-gather', 1, 10),
        Sent('collective-permute', 1, 14),
    ]
    assert collectives.count(found)[0] == Sent('all-reduce', 2, 76)


@functools.cache
def all_reduces(batch_norm: str) -> int:
    """All-reduces of a step of two updates on four devices, as the CPU's compiler combines them."""
    config = gans.config('dcgan_mnist', batch_norm=batch_norm, **{'gen.ema_decay': 0.9})
    task = adversarial.make(config, gans.MNIST_SPEC, axis_name=runners.AXIS)
    runner = runners.make('shard_map', 4)
    state = runner.abstract(jax.eval_shape(task.init))
    items = jax.tree.map(lambda leaf: leaf[None], gans.batch(gans.MNIST_SPEC, 1, 8))
    call = runner.compile(task.step, gans.identity_gather)
    options = {'xla_backend_optimization_level': 0, 'xla_llvm_disable_expensive_passes': True}
    text = call.lower(state, (), items, runner.span(0, 1)).compile(options).as_text()
    (found,) = collectives.count(collectives.find(text))
    assert found.kind == 'all-reduce'
    return found.count


@pytest.fixture
def optimized():
    with gans.optimized():
        yield


@pytest.mark.slow
@pytest.mark.newest
def test_all_of_an_update_travels_in_one_all_reduce(optimized):
    assert all_reduces('per_device') == 2  # updates


@pytest.mark.slow
@pytest.mark.newest
def test_batch_norm_over_all_devices_adds_two_each_pass(optimized):
    """The generator's three, forwards and backwards; its discriminator has none."""
    added = all_reduces('global') - all_reduces('per_device')
    assert 0 < added <= 2 * 3 * 2
