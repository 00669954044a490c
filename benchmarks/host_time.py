"""Measures what the host does for a training step, in milliseconds: of one that computes nothing.

    python benchmarks/host_time.py [--config=dcgan64] [--steps=5000] [--platform=gpu]

It trains as `gan-jax train` does: feeds, calls, fetches metrics, records them and writes lines.
A call makes 100 steps, as on a fast accelerator, or with --platform=cpu one. Time is that of the
processor, of the main thread and of all threads together, from the third call to the last. It
holds what the empty calls themselves take.
"""

import argparse
import json
from pathlib import Path
import tempfile
import time
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax import calls, data, report, runners, tasks, trainer
from gan_jax.config import experiments
from gan_jax.processes import memory
from gan_jax.states import GanState, Metrics
from gan_jax.types import Batch

METRICS = 'loss_g', 'loss_d', 'd_real', 'd_fake', 'grad_norm_g', 'grad_norm_d'


def empty(state: GanState, batch: Batch[jax.Array]) -> tuple[GanState, Metrics]:
    """A step that counts itself."""
    del batch
    metrics = {name: state.step.astype(jnp.float32) for name in METRICS}
    return state.replace(step=state.step + 1), metrics


def main() -> None:
    """Trains, and prints the times."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--config', default='dcgan64')
    parser.add_argument('--steps', type=int, default=5_000)
    parser.add_argument('--platform', choices=('gpu', 'cpu'), default='gpu')
    args = parser.parse_args()
    memory.keep()
    config = experiments.load(args.config)
    config.steps = config.sample_every = config.save_every = args.steps
    config.evaluate.balance, config.runner = 0, 'shard_map'
    runners.loops = lambda platform: args.platform == 'gpu'
    calls.CALL_S = float('inf')
    make, compiled, stamps, steps = tasks.make, runners.compiled, [], [0]

    def timed(*arguments: Any, **options: Any) -> Any:
        program = compiled(*arguments, **options)

        def call(*arguments: Any) -> Any:
            stamps.append((steps[0], 1e3 * time.thread_time(), 1e3 * time.process_time()))
            steps[0] += int(jax.device_get(arguments[3])[1]) if args.platform == 'gpu' else 1
            return program(*arguments)

        return call

    tasks.make = lambda *a, **k: make(*a, **k)._replace(step=empty)
    runners.compiled = timed
    report.write = lambda workdir: None
    with tempfile.TemporaryDirectory() as folder:
        trainer.train(config, Path(folder) / 'run', overwrite=False, command='')
    made, main_ms, all_ms = (b - a for a, b in zip(stamps[2], stamps[-1], strict=True))
    spec = data.entry(config.data).spec(config.data)
    state = jax.eval_shape(tasks.make(config, spec, axis_name=None).init)
    found = {
        'steps_a_call': made / (len(stamps) - 3),
        'main_ms_a_step': main_ms / made,
        'all_threads_ms_a_step': all_ms / made,
        'leaves': len(jax.tree.leaves(state)),
    }
    print(json.dumps(found, indent=2))


if __name__ == '__main__':
    main()
