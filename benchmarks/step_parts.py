"""How a translator's step splits into products, norm, Adam and a frozen net.

    python benchmarks/step_parts.py --config=pix2pix_canny:paper --sides=64,128 --batches=1,16

One line a setting, in milliseconds of CPU time, over all threads, so that other processes on the
machine count little: the step; what it takes less without its norms and without the frozen net;
both networks' Adam; and its products, if all ran as fast as one large one. Beside them pictures a
minute, if the step had every core to itself.
"""

from collections.abc import Callable
import itertools
import os
import time
from typing import Any

from absl import app, flags
import jax
import jax.numpy as jnp
from ml_collections import ConfigDict
import numpy as np

from benchmarks import arithmetic
from gan_jax import tasks
from gan_jax.config import experiments
from gan_jax.processes import memory
from gan_jax.types import Batch, DataSpec

_CONFIG = flags.DEFINE_string('config', 'pix2pix_canny:128', 'experiment whose nets are measured')
_SIDES = flags.DEFINE_list('sides', ['64', '128', '256'], 'pixels a side')
_BATCHES = flags.DEFINE_list('batches', ['1', '4', '8', '16'], 'pairs in a step')
_WIDTHS = flags.DEFINE_list('widths', ['64', '32', '16'], "of the generator, and the paper's D")
_PRECISION = flags.DEFINE_string('precision', 'float32', 'float32 or bfloat16')
_CALLS = flags.DEFINE_integer('calls', 3, 'of each program, of which the fastest counts')
SQUARE = 2_048  # side of the one large product


def seconds(function: Callable[..., Any], *args: Any) -> float:
    """CPU time of a call, compiled before."""
    call = jax.jit(function).lower(*args).compile()
    jax.block_until_ready(call(*args))
    found = []
    for _ in range(_CALLS.value):
        started = time.process_time()
        jax.block_until_ready(call(*args))
        found.append(time.process_time() - started)
    return min(found)


def config_of(side: int, batch: int, width: int) -> ConfigDict:
    """The experiment with these sizes."""
    config = experiments.load(_CONFIG.value)
    config.data.image_size, config.batch_size = side, batch
    config.precision = _PRECISION.value
    config.gen.net.width = width
    if config.disc.net.name == 'pix2pix':
        config.disc.net.width = width
    return config


def without_norms(config: ConfigDict) -> ConfigDict:
    """The same without any."""
    config = config.copy_and_resolve_references()
    config.gen.net.norm = config.disc.net.norm = 'none'
    return config


def step(config: ConfigDict) -> tuple[float, float, float]:
    """Seconds of a step, seconds of both Adams, and operations of its products."""
    side, batch = config.data.image_size, config.batch_size
    spec = DataSpec((side, 2 * side, 3), num_classes=0, num_examples=batch, panels=2)
    task = tasks.make(config, spec, axis_name=None)
    state = jax.jit(task.init)()
    image = np.random.default_rng(0).integers(0, 256, (1, batch, *spec.image_shape), np.uint8)
    pairs = Batch(jnp.asarray(image), jnp.zeros((1, batch), jnp.int32))
    operations = arithmetic.flops(jax.make_jaxpr(task.step)(state, pairs))
    adam = seconds(lambda nets: [n.apply_gradients(grads=n.params) for n in nets], state.nets)
    return seconds(task.step, state, pairs), adam, operations


def product_speed() -> float:
    """Operations a second of CPU time in one large product."""
    x = jnp.ones((SQUARE, SQUARE), _PRECISION.value)
    return 2 * SQUARE**3 / seconds(jnp.matmul, x, x)


def line(side: int, batch: int, width: int, speed: float) -> str:
    """The row of one setting."""
    config = config_of(side, batch, width)
    whole, adam, operations = step(config)
    norms = whole - step(without_norms(config))[0]
    frozen = ''
    if config.translation.perceptual and config.disc.net.name == 'pix2pix':
        config.translation.perceptual = 0.0
        frozen = f'{1e3 * (whole - step(config)[0]):.0f}'
    cells = [side, batch, width, *(f'{1e3 * x:.0f}' for x in (whole, norms, adam)), frozen]
    minute = 60 * batch * (os.cpu_count() or 1) / whole
    return ' | '.join(map(str, [*cells, f'{1e3 * operations / speed:.0f}', f'{minute:.0f}']))


def main(_: list[str]) -> None:
    """Prints a Markdown table."""
    memory.keep()
    speed = product_speed()
    print(f'{_CONFIG.value}, {_PRECISION.value}; one product: {speed / 1e9:.0f} GFLOP a CPU second')
    print('side | batch | width | step | norms | Adam | frozen net | products | pictures a minute')
    print(' | '.join(['---'] * 9))
    sizes = [map(int, values.value) for values in (_SIDES, _BATCHES, _WIDTHS)]
    for side, batch, width in itertools.product(*sizes):
        print(line(side, batch, width, speed), flush=True)


if __name__ == '__main__':
    app.run(main)
