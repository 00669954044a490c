"""The process that steps gan_jax's own side of a benchmark.

It reads orders, one JSON object a line, and answers each with one line; see `workers`.
"""

from collections.abc import Callable
import ctypes
import json
import os
from pathlib import Path
import re
import signal
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from benchmarks import arithmetic
from gan_jax import data, runners, tasks
from gan_jax.calls import Calls
from gan_jax.data import feeds
from gan_jax.errors import UserError
from gan_jax.fields import Config
from gan_jax.processes import memory
from gan_jax.states import Rows
from gan_jax.types import Batch, DataSpec

GEMM_SIDE = {'cpu': 2048}  # elsewhere a product so small would end before it was launched
LARGE_SIDE = 8192
_PR_SET_PDEATHSIG = 1  # of prctl(2): the signal that comes when the parent ends


class Stepper:
    """A compiled training step that can be called for a while, as the trainer calls it."""

    def __init__(self, config: Config, dataset: data.Dataset):
        """Compiles the step, in `compile_s` with tracing, and makes the first one."""
        self._flops = flops_per_step(config, dataset.spec)
        task = tasks.make(config, dataset.spec, axis_name=runners.AXIS)
        feed = feeds.make_feed(dataset, config, tasks.pools(config))
        runner = runners.make(config.runner, runners.count_devices(config.runner, config.devices))
        self._num_devices = runner.num_devices
        self._data = runner.replicate(feed.data)
        self._calls = Calls(feed, runner, config.steps_per_call, lambda step: False)
        self._parts = self._calls.parts(0)
        self._state = runner.replicate(jax.jit(task.init)())
        part = next(self._parts)
        started = time.perf_counter()
        call = runner.compile(task.step, feed.gather)
        arguments = self._state, self._data, part.items, part.span
        self._call = runners.compiled(runner, call, *arguments, deterministic=config.deterministic)
        self._compile_s = time.perf_counter() - started
        self._state, _ = self._call(*arguments)

    def ready(self) -> dict[str, Any]:
        """Facts that are known before anything is timed."""
        return {
            'device': jax.devices()[0].device_kind,
            'device_count': self._num_devices,
            'compile_s': self._compile_s,
            'flops_per_step': self._flops,
            'version': jax.__version__,
        }

    def turn(self, calls: int) -> dict[str, Any]:
        """Some calls in a row, each dispatched before the last one's metrics are read.

        Returns:
          step_s: seconds a step of each call, from one call's end to the next; wait_s: seconds a
          step that they waited for their images.
        """
        ends, parts, pending = [time.perf_counter()], [], None
        for _ in range(calls):
            parts.append(next(self._parts))
            self._state, rows = self._calls.make(self._call, self._state, self._data, parts[-1])
            if pending is not None:
                ends.append(_end(pending))
            pending = rows
            if runners.has_ended(rows):
                ends.append(_end(pending))
                pending = None
        if pending is not None:
            ends.append(_end(pending))
        seconds = (b - a for a, b in zip(ends, ends[1:], strict=False))
        return {
            'step_s': [s / part.steps for s, part in zip(seconds, parts, strict=True)],
            'wait_s': sum(part.wait_s for part in parts) / sum(part.steps for part in parts),
        }

    def close(self) -> None:
        """Ends the thread that reads ahead."""
        self._parts.close()


def _end(rows: Rows) -> float:
    jax.device_get(rows)
    return time.perf_counter()


def flops_per_step(config: Config, spec: DataSpec) -> int:
    """Operations of one step on the global batch."""
    task = tasks.make(config, spec, axis_name=None)
    lead = (len(tasks.pools(config)), config.batch_size)
    batch = Batch(
        jax.ShapeDtypeStruct((*lead, *spec.image_shape), jnp.uint8),
        jax.ShapeDtypeStruct(lead, jnp.int32),
    )
    return arithmetic.flops(jax.make_jaxpr(task.step)(jax.eval_shape(task.init), batch))


def product_flops(precision: str) -> float:
    """Operations a second of a product of large square matrices: what the step could reach."""
    side = GEMM_SIDE.get(jax.default_backend(), LARGE_SIDE)
    a = jax.random.normal(jax.random.key(0), (side, side), precision)
    product = jax.jit(lambda a: jnp.matmul(a, a, preferred_element_type=jnp.float32))
    product(a).block_until_ready()
    best = float('inf')
    for _ in range(3):
        started = time.perf_counter()
        product(a).block_until_ready()
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best


def answer(stepper: Stepper, order: dict[str, Any]) -> dict[str, Any]:
    """The answer to one order."""
    orders: dict[str, Callable[[], dict[str, Any]]] = {
        'turn': lambda: stepper.turn(order['calls']),
        'product': lambda: {'flops_per_s': product_flops(order['precision'])},
        'memory': lambda: {'peak_rss_mb': peak_rss_mb(), **peak_device_mb()},
    }
    return orders[order['do']]()


def peak_rss_mb() -> float:
    """The most memory that this process had at once; `ru_maxrss` would count its parent's."""
    status = Path('/proc/self/status').read_text(encoding='utf-8')
    (peak,) = re.findall(r'VmHWM:\s+(\d+)', status)
    return int(peak) / 1024


def peak_device_mb() -> dict[str, float]:
    """The most memory that this process had at once on a device with one of its own."""
    stats = jax.local_devices()[0].memory_stats()
    return {'peak_device_mb': stats['peak_bytes_in_use'] / 1e6} if stats else {}


def main() -> None:
    """Answers orders until there are no more."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # frozen, it would stay forever
    # Only answers go where they are read: whatever a library prints goes to stderr.
    answers = os.fdopen(os.dup(1), 'w', buffering=1)
    os.dup2(2, 1)
    memory.keep()
    jax.config.update('jax_enable_compilation_cache', False)
    request = json.loads(sys.stdin.readline())
    config = ConfigDict(request['config'])
    try:
        load = data.generated if request['generated'] else data.load
        stepper = Stepper(config, load(config.data))
    except UserError as error:
        print(json.dumps({'error': str(error)}), file=answers)
        return
    print(json.dumps(stepper.ready()), file=answers)
    for line in sys.stdin:
        print(json.dumps(answer(stepper, json.loads(line))), file=answers)
    stepper.close()


if __name__ == '__main__':
    main()
