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
from gan_jax import data, files, runners, tasks
from gan_jax.data import feeds
from gan_jax.errors import UserError
from gan_jax.fields import Config

_FLAT_SIDE = 16  # of v5e and v6e, which have no third side: beyond it the compiler aborts
_REMEDY = f'{files.install("tpu")}, which needs Python 3.12 or newer'


def describe(name: str) -> list[jax.Device]:
    """The devices of a slice that need not be there.

    Args:
      name: GENERATION:SHAPE, e.g. 'v5e:2x4'.

    Raises:
      UserError: there is no such slice, its chips are two devices each, or no TPU compiler is
        installed.
    """
    try:
        import libtpu  # noqa: F401 - what JAX needs to compile for a TPU
    except ImportError:
        raise UserError(f'--topology={name}: no TPU compiler here; {_REMEDY}') from None
    wrong = f'--topology={name}: give GENERATION:SHAPE, e.g. v5e:2x4 or v5p:2x2x1'
    if not re.fullmatch(r'\w+:[1-9]\d*(x[1-9]\d*){1,2}', name):  # the compiler ends at a 0
        raise UserError(wrong)
    try:
        found = topologies.get_topology_desc(platform='tpu', topology_name=name)
    except Exception as error:  # JAX raises several kinds
        reason = str(error).strip().splitlines()[0]
        raise UserError(f'{wrong} ({reason[:200]})') from error
    devices: list[Any] = found.devices  # JAX's type says nothing of a TPU's coordinates
    if len({tuple(device.coords) for device in devices}) < len(devices):
        raise UserError(
            f'--topology={name}: has two devices a chip, where the figures are of a chip: give a'
            ' slice of v5e, v5p or v6e'
        )
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

    Args:
      config: complete and valid; its runner and number of devices do not matter.
      topology: see `describe`.

    Returns:
      fit for JSON: topology, device, chips, batch_size, precision, batch_norm, compile_s,
      memory_per_chip {arguments, outputs, aliased, temporaries, code, total}, in bytes,
      hbm_per_chip, flops_per_chip and bytes_per_chip (of a step, by XLA's own count), collectives
      [{kind, count, bytes}], and cuda {all_reduces, bytes} of the program lowered for CUDA.

    Raises:
      UserError: the batch does not divide among the chips, or the step does not fit into them.
    """
    devices = describe(topology)
    _refuse_uneven(config, len(devices))
    call, arguments = _step(config, devices)
    started = time.perf_counter()
    try:
        program = call.lower(*arguments).compile()
    except jax.errors.JaxRuntimeError as error:
        raise _too_large(error, topology) from error
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
        'memory_per_chip': _memory(program.memory_analysis()),
        'flops_per_chip': cost['flops'],
        'bytes_per_chip': cost['bytes accessed'],
        'collectives': [dataclasses.asdict(kind) for kind in sent],
        'cuda': _for_cuda(call, arguments),
    }


def _refuse_uneven(config: Config, chips: int) -> None:
    if config.batch_size % chips:
        fits = max(chips, config.batch_size // chips * chips)
        raise UserError(
            f'--batch_size={config.batch_size} does not divide among {chips} chips: use {fits}'
        )


def _step(config: Config, devices: list[jax.Device]) -> tuple[Any, tuple[Any, ...]]:
    """The call of one step as the trainer compiles it, and its arguments as shapes."""
    mesh = Mesh(np.array(devices), (runners.AXIS,))
    runner = runners.RUNNERS['shard_map'](mesh, len(devices))
    spec = data.entry(config.data).spec(config.data)
    task = tasks.make(config, spec, axis_name=runners.AXIS)
    stored, gather, item = feeds.describe(spec, config, tasks.pools(config))
    split = NamedSharding(mesh, P(None, None, runners.AXIS))
    items = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape), leaf.dtype, sharding=split), item
    )
    state = runner.abstract(jax.eval_shape(task.init))
    return runner.compile(task.step, gather), (state, runner.abstract(stored), items)


def _memory(stats: Any) -> dict[str, int]:
    """Bytes on one chip. Outputs that take the place of an argument count once."""
    sizes = {
        'arguments': stats.argument_size_in_bytes,
        'outputs': stats.output_size_in_bytes,
        'aliased': stats.alias_size_in_bytes,
        'temporaries': stats.temp_size_in_bytes,
        'code': stats.generated_code_size_in_bytes,
    }
    return sizes | {'total': sum(sizes.values()) - 2 * sizes['aliased']}


def _too_large(error: Exception, topology: str) -> Exception:
    """The user's error if the step does not fit into the chips, else the error itself."""
    text = ' '.join(str(error).split())
    if 'RESOURCE_EXHAUSTED' not in text:
        return error
    return UserError(
        f'--topology={topology}: the step does not fit into its memory ({text[:160]}): use a'
        ' smaller --batch_size, config.precision=bfloat16 or a larger slice'
    )


def _for_cuda(call: Any, arguments: tuple[Any, ...]) -> dict[str, int]:
    """The same step lowered for CUDA, where there is no compiler to ask: what it sends."""
    text = call.trace(*arguments).lower(lowering_platforms=('cuda',)).as_text()
    return {'all_reduces': text.count('stablehlo.all_reduce'), 'bytes': len(text)}


def validated(config: ConfigDict) -> Config:
    """The config with what a slice decides set aside, checked.

    Raises:
      UserError: as `config.validate`.
    """
    config = config.copy_and_resolve_references().unlock()
    config.steps_per_call, config.runner, config.devices = 1, 'shard_map', 1
    config_lib.validate(config)
    return config
