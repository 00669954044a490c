"""How fast a config trains: compiling, waiting for images and stepping, each for itself.

`measure` steps the config in a process of its own and, if asked, the same nets and losses in
PyTorch in another one, the two in turns.
"""

import contextlib
import statistics
from typing import Any

import jax
import numpy as np

from benchmarks import peers, workers
from benchmarks.peers import Plan
from benchmarks.workers import Worker
from gan_jax import data, runners, tasks
from gan_jax.data import order
from gan_jax.errors import UserError
from gan_jax.fields import Config


def measure(plan: Plan) -> dict[str, Any]:
    """Runs the plan.

    Returns:
      fit for JSON: device, device_count, runner, precision, data ('real' or 'synthetic'),
      batch_size, compile_s, step_ms {median, p25, p75}, images_per_s, input_wait_fraction,
      flops_per_step, product_gflops (what this machine makes of a square matrix product, in
      the same run), peak_rss_mb, peak_device_mb (of a GPU), version; and with a peer `peer` {the
      same of it, variant, variants}, `ratio` (images/s, ours over the peer's: the median over
      turns) and `ratios` (of each turn).

    Raises:
      UserError: what the config asks for cannot be done, or the peer is not installed.
    """
    config = plan.config
    peer = peers.find(plan.peer) if plan.peer else None
    _refuse_what_cannot_run(config)
    images = None if plan.generated else _images(config)
    env = workers.environment()
    if config.devices and jax.default_backend() == 'cpu':
        env['JAX_NUM_CPU_DEVICES'] = str(config.devices)
    with contextlib.ExitStack() as stack:
        rival = peers.fastest(peer, plan, images, env, stack) if peer else None
        own = stack.enter_context(workers.ours(config.to_dict(), images is None, env))
        turns = _take_turns([own] + ([rival.worker] if rival else []), plan)
        result = {
            'runner': runners.resolve(config.runner),
            'data': 'synthetic' if images is None else 'real',
            **_summary(own, turns[0], config),
        }
        products = own.order('product', precision=config.precision)
        result['product_gflops'] = products['flops_per_s'] / 1e9
        if rival:
            result['peer'] = _summary(rival.worker, turns[1], config) | rival.facts
            result['ratios'] = [
                statistics.mean(theirs['step_s']) / statistics.mean(mine['step_s'])
                for mine, theirs in zip(*turns, strict=True)
            ]
            result['ratio'] = statistics.median(result['ratios'])
    return result


def _refuse_what_cannot_run(config: Config) -> None:
    spec = data.entry(config.data).spec(config.data)
    jax.eval_shape(tasks.make(config, spec, axis_name=None).init)
    labels = data.generated(config.data).source.labels()
    order.make(tasks.pools(config), labels, config.batch_size, config.seed)


def _images(config: Config) -> np.ndarray | None:
    """The images of the config's data, uint8 [N, H, W, C]; None where they are not at hand."""
    if config.data.name == 'synthetic':
        return None
    try:
        return data.load(config.data).arrays().image
    except UserError:
        if config.data.path:  # whoever names a place wants what is there
            raise
        return None


def _take_turns(workers: list[Worker], plan: Plan) -> list[list[dict[str, Any]]]:
    """The answers of each worker; the first turn of each warms it up and is dropped."""
    answers: list[list[dict[str, Any]]] = [[] for _ in workers]
    for _ in range(plan.turns + 1):
        for worker, list_ in zip(workers, answers, strict=True):
            list_.append(worker.order('turn', calls=plan.calls))
    return [list_[1:] for list_ in answers]


def _summary(worker: Worker, turns: list[dict[str, Any]], config: Config) -> dict[str, Any]:
    seconds = [second for turn in turns for second in turn['step_s']]
    quarter, median, three_quarters = (1e3 * np.quantile(seconds, q) for q in (0.25, 0.5, 0.75))
    # Over whole turns: a median of steps would hide those that wait for something now and then.
    means = [statistics.mean(turn['step_s']) for turn in turns]
    step_s = statistics.median(means)
    return {
        'precision': config.precision,
        'batch_size': config.batch_size,
        **worker.ready,
        'step_ms': {'median': float(median), 'p25': float(quarter), 'p75': float(three_quarters)},
        'images_per_s': config.batch_size * len(tasks.pools(config)) / step_s,
        'input_wait_fraction': sum(turn['wait_s'] for turn in turns) / sum(means),
        **worker.order('memory'),
    }
