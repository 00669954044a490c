"""Compiles a training step for a TPU slice that is not there, by the TPU's own compiler."""

import dataclasses
import re
import time
from typing import Any

import jax
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from ml_collections import ConfigDict
import numpy as np

from benchmarks import collectives
from gan_jax import config as config_lib
from gan_jax import data, runners, tasks
from gan_jax.data import feeds
from gan_jax.errors import UserError
from gan_jax.fields import Config
from gan_jax.io import files

GENERATIONS = 'v5e', 'v5p', 'v6e'  # of one device a chip
_FLAT_SIDE = 16  # of v5e and v6e, which have no third side: beyond it the compiler aborts
_REMEDY = f'{files.install("tpu")}, which needs Python 3.12 or newer'


def describe(name: str) -> list[jax.Device]:
    """The devices of a slice that need not be there: GENERATION:SHAPE, e.g. 'v5e:2x4'.

    Raises:
      UserError: there is no such slice, or no TPU compiler is installed.
    """
    wrong = (
        f'--topology={name}: known are h100, and slices of {", ".join(GENERATIONS)}: e.g. v5e:2x4'
    )
    # The compiler ends at a 0.
    if not re.fullmatch(rf'({"|".join(GENERATIONS)}):[1-9]\d*(x[1-9]\d*){{1,2}}', name):
        raise UserError(wrong)
    try:
        import libtpu  # noqa: F401 - what JAX needs to compile for a TPU
    except ImportError:
        raise UserError(f'--topology={name}: no TPU compiler here; {_REMEDY}') from None
    try:
        found = topologies.get_topology_desc(platform='tpu', topology_name=name)
    except Exception as error:  # JAX raises several kinds
        reason = str(error).strip().splitlines()[0]
        raise UserError(f'{wrong} ({reason[:200]})') from error
    devices: list[Any] = found.devices  # JAX's type says nothing of a TPU's coordinates
    x, y, z = (1 + max(device.coords[axis] for device in devices) for axis in range(3))
    if z > 1 and devices[0].device_kind.endswith('lite'):
        raise UserError(
            f'--topology={name}: chips of that generation have two sides: leave out x{z}'
        )
    if z == 1 and max(x, y) > _FLAT_SIDE:
        raise UserError(
            f'--topology={name}: the compiler takes at most {_FLAT_SIDE}x{_FLAT_SIDE} chips of that'
            f' generation, a pod: give --topology={name.split(":")[0]}:{_FLAT_SIDE}x{_FLAT_SIDE}'
        )
    return sorted(devices, key=lambda device: device.id)


def compile_step(config: Config, topology: str) -> dict[str, Any]:
    """Compiles one step of `config` for a slice, its batch divided among all chips.

    Returns:
      fit for JSON: topology, device, chips, batch_size, precision, batch_norm, compile_s,
      memory_per_chip {arguments, outputs, aliased, temporaries, code, total}, in bytes,
      hbm_per_chip, flops_per_chip and bytes_per_chip (of a step, by XLA's own count), collectives
      [{kind, count, bytes}].

    Raises:
      UserError: the batch does not divide among the chips, or the step does not fit into them.
    """
    devices = describe(topology)
    _refuse_uneven(config, len(devices))
    call, arguments = step(config, devices, 1)
    started = time.perf_counter()
    try:
        program = call.lower(*arguments).compile()
    except jax.errors.JaxRuntimeError as error:
        raise too_large(error, topology) from error
    seconds = time.perf_counter() - started
    cost = program.cost_analysis()
    sent = collectives.count(collectives.find(program.as_text()))
    return {
        'topology': topology,
        'device': devices[0].device_kind,
        'chips': len(devices),
        'batch_size': config.batch_size,
        'images_per_step': config.batch_size * len(tasks.pools(config)),
        'precision': config.precision,
        'batch_norm': config.batch_norm,
        'compile_s': seconds,
        'memory_per_chip': memory(program.memory_analysis()),
        'flops_per_chip': cost['flops'],
        'bytes_per_chip': cost['bytes accessed'],
        'collectives': [dataclasses.asdict(kind) for kind in sent],
    }


def _refuse_uneven(config: Config, chips: int) -> None:
    if config.batch_size % chips:
        fits = max(chips, config.batch_size // chips * chips)
        raise UserError(
            f'--batch_size={config.batch_size} does not divide among {chips} chips: use {fits}'
        )


def step(
    config: Config, devices: list[jax.Device], steps_per_call: int
) -> tuple[Any, tuple[Any, ...]]:
    """The call as the trainer compiles it, and its arguments as shapes."""
    mesh = Mesh(np.array(devices), (runners.AXIS,))
    runner = runners.RUNNERS['shard_map'](mesh, len(devices))
    spec = data.entry(config.data).spec(config.data)
    task = tasks.make(config, spec, axis_name=runners.AXIS)
    stored, gather, item = feeds.describe(spec, config, tasks.pools(config))
    split = NamedSharding(mesh, P(None, None, runners.AXIS))
    lead = steps_per_call or feeds.fitting(item)
    items = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((lead, *leaf.shape), leaf.dtype, sharding=split), item
    )
    state = runner.abstract(jax.eval_shape(task.init))
    span = runner.abstract(jax.ShapeDtypeStruct((2,), np.int32))
    return runner.compile(task.step, gather), (state, runner.abstract(stored), items, span)


def memory(stats: Any) -> dict[str, int]:
    """Bytes on one chip. Outputs that take the place of an argument count once."""
    sizes = {
        'arguments': stats.argument_size_in_bytes,
        'outputs': stats.output_size_in_bytes,
        'aliased': stats.alias_size_in_bytes,
        'temporaries': stats.temp_size_in_bytes,
        'code': stats.generated_code_size_in_bytes,
    }
    return sizes | {'total': sum(sizes.values()) - 2 * sizes['aliased']}


def too_large(error: Exception, topology: str) -> Exception:
    """The user's error if the step does not fit into the chips, else the error itself."""
    text = ' '.join(str(error).split())
    if 'RESOURCE_EXHAUSTED' not in text:
        return error
    return UserError(
        f'--topology={topology}: the step does not fit into its memory ({text[:160]}): use a'
        ' smaller --batch_size, config.precision=bfloat16 or a larger slice'
    )


def validated(config: ConfigDict) -> Config:
    """The config with what a topology decides set aside, checked by `config.validate`."""
    config = config.copy_and_resolve_references().unlock()
    config.runner, config.devices = 'shard_map', 1
    config_lib.validate(config)
    return config
