"""The same step under pmap, shard_map or vmap.

A runner turns `step(state, batch)`, written for one device with collectives over the
axis 'data', into one compiled call on all devices. The state stays replicated and
unstacked; a global batch [batches, B, ...] is split along B. All three compute the same
numbers up to rounding; `vmap` puts D simulated devices on one real device, and is the
one that notices a leaf of the state that was not averaged. With several processes the devices are
those of all of them, and the runner is `shard_map`.

A call makes several steps, of items that are placed together. On a CPU it makes all of them; on an
accelerator as many as it is told, in a loop whose length is an argument: XLA makes one CUDA graph
of it, convolutions and all, which costs the host a single launch, and of a loop of fixed length
one graph a step.
"""

from collections.abc import Callable
import functools
from typing import Any, NamedTuple

import jax
from jax import lax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
import numpy as np

from gan_jax.errors import UserError
from gan_jax.fields import Config
from gan_jax.ops import target
from gan_jax.processes import cluster, memory
from gan_jax.states import GanState, Metrics, Rows
from gan_jax.types import Batch

AXIS = 'data'
_BATCH_AXIS = 2  # of items [steps, batches, B, ...]

Step = Callable[[GanState, Batch[jax.Array]], tuple[GanState, Metrics]]
Gather = Callable[[Any, Any], Batch[jax.Array]]
Call = Callable[[GanState, Any, Any, Any], tuple[GanState, Rows]]

_CAPTURED = (
    'FUSION,CUBLAS,CUBLASLT,CUDNN,CUSTOM_CALL,CONDITIONAL,DYNAMIC_SLICE_FUSION,CONVOLUTION,WHILE'
)


class Runner(NamedTuple):
    """How a step reaches the devices."""

    num_devices: int  # over how many (real or simulated) devices a batch is split
    replicate: Callable[[Any], Any]  # puts a host pytree on every device
    # gives a pytree of shapes the sharding that `replicate` would give it
    abstract: Callable[[Any], Any]
    # puts items, leaves [steps, batches, B, ...] of which each process has its own share,
    # where the call wants them
    place: Callable[[Any], Any]
    span: Callable[[int, int], Any]  # (first, count) -> which of the items a call takes
    # (step, gather) -> call. `call(state, data, items, span)` makes `count` steps of the items from
    # `first` on, donates the state, and returns the new state and the metrics of each step, in as
    # many rows as there are items, the first `count` of which count. On a CPU it takes all items.
    compile: Callable[[Step, Gather], jax.stages.Wrapped]
    platform: str  # of the devices


def loops(platform: str) -> bool:
    """Whether a call on devices of this platform makes as many steps as it is told."""
    return platform != 'cpu'


def _steps(step: Step, gather: Gather, platform: str) -> Call:
    """Several steps in one program."""

    def one(state: GanState, data: Any, item: Any) -> tuple[GanState, Rows]:
        with target.platform(platform):
            state, metrics = step(state, gather(data, item))
        return state, Rows.of(metrics)

    def run(state: GanState, data: Any, items: Any, span: Any) -> tuple[GanState, Rows]:
        if loops(platform) and len(jax.tree.leaves(items)[0]) > 1:
            return _loop(jax.jit(one, inline=True), state, data, items, span)
        # XLA's CPU compiler repairs the layouts of convolutions in the entry computation only, so
        # that inside a loop their gradients are over ten times slower.
        return lax.scan(lambda state, item: one(state, data, item), state, items, unroll=True)

    return run


def _loop(
    one: Callable[..., tuple[GanState, Rows]], state: GanState, data: Any, items: Any, span: Any
) -> tuple[GanState, Rows]:
    """The items of the span."""
    first, count = span

    def item(k: Any) -> Any:
        return jax.tree.map(lambda leaf: lax.dynamic_index_in_dim(leaf, k, keepdims=False), items)

    def body(k: Any, carry: tuple[GanState, Rows]) -> tuple[GanState, Rows]:
        state, rows = carry
        state, row = one(state, data, item(first + k))
        put = functools.partial(lax.dynamic_update_index_in_dim, index=k, axis=0)
        return state, jax.tree.map(put, rows, row)

    size = len(jax.tree.leaves(items)[0])
    _, row = jax.eval_shape(one, state, data, item(0))  # as it is a jit, it is traced only once
    rows = jax.tree.map(lambda leaf: jnp.zeros((size, *leaf.shape), leaf.dtype), row)
    return lax.fori_loop(0, count, body, (state, rows))


def _split(items: Any, num_devices: int) -> Any:
    """[S, batches, B, ...] -> [S, batches, D, B / D, ...]."""

    def split(leaf: np.ndarray) -> np.ndarray:
        calls, batches, batch, *rest = leaf.shape
        return leaf.reshape(calls, batches, num_devices, batch // num_devices, *rest)

    return jax.tree.map(split, items)


def _placer(mesh: Mesh, spec: P) -> Callable[[Any], Any]:
    sharding = NamedSharding(mesh, spec)
    return lambda tree: jax.tree.map(lambda leaf: cluster.place(leaf, sharding), tree)


def _platform(mesh: Mesh) -> str:
    return mesh.devices.flat[0].platform


def _runner(
    mesh: Mesh,
    num_devices: int,
    place: Callable[[Any], Any],
    compile_: Callable[[Step, Gather], jax.stages.Wrapped],
) -> Runner:
    """A runner whose state lies whole on every device of the mesh."""
    replicate, sharding = _placer(mesh, P()), NamedSharding(mesh, P())

    @functools.lru_cache(maxsize=1024)
    def span(first: int, count: int) -> Any:  # each is placed only once
        return replicate(np.array([first, count], np.int32))

    def abstract(leaf: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

    return Runner(
        num_devices,
        replicate=replicate,
        abstract=functools.partial(jax.tree.map, abstract),
        place=place,
        span=span,
        compile=compile_,
        platform=_platform(mesh),
    )


def _pmap(mesh: Mesh, num_devices: int) -> Runner:
    devices = list(mesh.devices.flat)
    place = _placer(mesh, P(None, None, AXIS))

    def compile_(step: Step, gather: Gather) -> jax.stages.Wrapped:
        return jax.pmap(
            _steps(step, gather, _platform(mesh)),
            AXIS,
            in_axes=(None, None, _BATCH_AXIS, None),
            out_axes=None,
            devices=devices,
            donate_argnums=0,
        )

    return _runner(mesh, num_devices, lambda items: place(_split(items, num_devices)), compile_)


def _shard_map(mesh: Mesh, num_devices: int) -> Runner:
    split = P(None, None, AXIS)

    def compile_(step: Step, gather: Gather) -> jax.stages.Wrapped:
        # check_vma must stay off: it would differentiate the replicated parameters into a
        # sum over devices, and the step's own pmean of the gradients would then be D times
        # too large.
        body = jax.shard_map(
            _steps(step, gather, _platform(mesh)),
            mesh=mesh,
            in_specs=(P(), P(), split, P()),
            out_specs=P(),
            check_vma=False,
        )
        return jax.jit(body, donate_argnums=0)

    return _runner(mesh, num_devices, _placer(mesh, split), compile_)


def _vmap(mesh: Mesh, num_devices: int) -> Runner:
    place = _placer(mesh, P())

    def compile_(step: Step, gather: Gather) -> jax.stages.Wrapped:
        body = jax.vmap(
            _steps(step, gather, _platform(mesh)),
            in_axes=(None, None, _BATCH_AXIS, None),
            # One device averages nothing, so that its outputs are still mapped.
            out_axes=None if num_devices > 1 else 0,
            axis_name=AXIS,
            axis_size=num_devices,
        )

        def run(state: GanState, data: Any, items: Any, span: Any) -> tuple[GanState, Rows]:
            out = body(state, data, items, span)
            return out if num_devices > 1 else jax.tree.map(lambda leaf: leaf[0], out)

        return jax.jit(run, donate_argnums=0)

    return _runner(mesh, num_devices, lambda items: place(_split(items, num_devices)), compile_)


RUNNERS: dict[str, Callable[[Mesh, int], Runner]] = {
    'pmap': _pmap,
    'shard_map': _shard_map,
    'vmap': _vmap,
}


def compiler_options(platform: str, deterministic: bool) -> dict[str, Any]:
    """Options of XLA: all that it can put into a CUDA graph is to be put into one.

    By default it leaves out convolutions and loops. And without `deterministic` it sums by atomics,
    and its algorithms are those that win a race at each compilation.
    """
    if platform != 'gpu':
        return {}
    graphs = {'xla_gpu_enable_command_buffer': _CAPTURED, 'xla_gpu_graph_min_graph_size': 1}
    # Without a race XLA has no tiles for products of its own: they are all cuBLAS's.
    repeats = {'xla_gpu_deterministic_ops': True, 'xla_gpu_enable_triton_gemm': False}
    return graphs | repeats if deterministic else graphs


def arithmetic(config: Config, platform: str) -> str:
    """Says what a config makes of float32 and of repetition on a platform; '' on a CPU."""
    exact = config.matmul_precision == 'float32'
    rounded = {'gpu': 'TF32, where the GPU has it', 'tpu': 'bfloat16'}.get(platform)
    if rounded is None:
        return ''
    products = 'products of float32 are ' + ('float32' if exact else rounded)
    if platform != 'gpu':
        return products
    varies = 'repeats to the bit' if config.deterministic else 'does not repeat to the bit'
    return f'{products}; a step {varies} (config.matmul_precision, config.deterministic)'


def compiled(
    runner: Runner, call: jax.stages.Wrapped, *arguments: Any, deterministic: bool
) -> jax.stages.Compiled:
    """The program of a runner's call for arguments of these shapes and places.

    The memory that its compilation took is given back before it runs for the first time.
    """
    options = compiler_options(runner.platform, deterministic)
    program = call.lower(*arguments).compile(compiler_options=options or None)
    memory.give_back()
    return program


def has_ended(outputs: Any) -> bool:
    """Whether a call's outputs are computed; on a CPU that runs synchronously, always."""
    return all(leaf.is_ready() for leaf in jax.tree.leaves(outputs))


def local(tree: Any) -> Any:
    """One replica of a replicated tree, on a device of this process."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def share(batch_size: int) -> slice:
    """The examples of a global batch that this process places."""
    size = batch_size // jax.process_count()
    return slice(jax.process_index() * size, (jax.process_index() + 1) * size)


def resolve(name: str) -> str:
    """The runner that `config.runner` stands for.

    Raises:
      UserError: it is not for several processes.
    """
    if name == 'auto':
        return 'shard_map' if cluster.is_many() or loops(jax.default_backend()) else 'pmap'
    if cluster.is_many() and name != 'shard_map':
        raise UserError(
            f'config.runner={name} is for one process: its state would be that of a process, not'
            ' of the run; use auto or shard_map'
        )
    return name


def count_devices(name: str, asked: int) -> int:
    """How many devices the runner `name` will use, those of all processes together.

    Args:
      asked: of each process; 0 takes all (one, for vmap).

    Raises:
      UserError: there are fewer than asked for.
    """
    if resolve(name) == 'vmap':
        return asked or 1
    available = jax.local_devices()
    if asked > len(available):
        raise UserError(
            f'config.devices={asked}: there are {len(available)} ({available[0].platform});'
            ' use at most that, or 0 for all of them'
        )
    return (asked or len(available)) * jax.process_count()


def make(name: str, num_devices: int) -> Runner:
    """The runner `name` over `num_devices` devices, as counted by `count_devices`."""
    name = resolve(name)
    real = 1 if name == 'vmap' else num_devices
    return RUNNERS[name](Mesh(np.array(_devices(real)), (AXIS,)), num_devices)


def _devices(count: int) -> list[jax.Device]:
    """Takes as many devices of each process, those of a process side by side, as in `share`."""
    each = count // jax.process_count()
    found: dict[int, list[jax.Device]] = {}
    for device in sorted(jax.devices(), key=lambda device: device.id):
        found.setdefault(device.process_index, []).append(device)
    return [device for process in sorted(found) for device in found[process][:each]]
