"""Compiles a training step for a GPU that is not there, by XLA's own CUDA compiler.

It knows the GPU from a description. Nothing runs: it says what is launched, but no times, and not
which of its algorithms cuDNN would choose.
"""

import importlib.util
import os
from pathlib import Path
import tempfile
import time
from typing import Any

import jax
from jax.experimental import topologies

from benchmarks import kernels, slices
from gan_jax import runners, tasks
from gan_jax.errors import UserError
from gan_jax.fields import Config
from gan_jax.io import files

# Files of this folder, by the name of a topology: what XLA asks a GPU for.
DESCRIPTIONS = {'h100': 'h100.txtpb'}
PLUGINS = 'jax_cuda13_plugin', 'jax_cuda12_plugin'  # either has the compiler


def describe(name: str) -> list[jax.Device]:
    """The device that `name`, a key of DESCRIPTIONS, describes.

    Raises:
      UserError: no CUDA compiler is installed.
    """
    if not any(map(importlib.util.find_spec, PLUGINS)):
        remedy = f'{files.install("h100")}, which needs Python 3.12 or newer'
        raise UserError(f'--topology={name}: no CUDA compiler here; {remedy}')
    os.environ['JAX_SKIP_CUDA_CONSTRAINTS_CHECK'] = '1'  # of a GPU's libraries, which are not there
    description = Path(__file__).with_name(DESCRIPTIONS[name]).read_text(encoding='utf-8')
    found = topologies.get_topology_desc(
        platform='cuda', topology_name=name, topology='1x1x1', target_config=description
    )
    return found.devices[:1]


def compile_step(config: Config, topology: str) -> dict[str, Any]:
    """Compiles the steps of one call of `config`, as the trainer would make them there.

    Returns:
      fit for JSON: topology, device, batch_size, images_per_step, precision, steps_per_call (at
      most), compile_s, memory {arguments, outputs, aliased, temporaries, code, total} in bytes,
      and what `kernels.launches` and `kernels.work` say.

    Raises:
      UserError: there is no such compiler, or the step does not fit into the memory.
    """
    devices = describe(topology)
    call, arguments = slices.step(config, devices, config.steps_per_call)
    _, _, items, _ = arguments
    steps = jax.tree.leaves(items)[0].shape[0]
    # A program that comes from a cache leaves no dump.
    jax.config.update('jax_enable_compilation_cache', False)
    with tempfile.TemporaryDirectory() as dump:
        options = runners.compiler_options('gpu', config.deterministic) | {'xla_dump_to': dump}
        started = time.perf_counter()
        try:
            program = call.lower(*arguments).compile(compiler_options=options)
        except jax.errors.JaxRuntimeError as error:
            raise slices.too_large(error, topology) from error
        seconds = time.perf_counter() - started
        sequence = _sequence(Path(dump))
    return {
        'topology': topology,
        'device': devices[0].device_kind,
        'batch_size': config.batch_size,
        'images_per_step': config.batch_size * len(tasks.pools(config)),
        'precision': config.precision,
        'steps_per_call': steps,
        'compile_s': seconds,
        'memory': slices.memory(program.memory_analysis()),
        **kernels.launches(kernels.thunks(sequence), steps),
        **kernels.work(program.as_text()),
    }


def _sequence(dump: Path) -> str:
    """Reads what is launched: with its graphs, if there are any."""
    for ending in ('thunk_sequence_after_thunk_passes', 'thunk_sequence'):
        if found := sorted(dump.glob(f'*.{ending}.txt')):
            return found[-1].read_text(encoding='utf-8')
    raise FileNotFoundError(f'XLA wrote no sequence of thunks to {dump}')
