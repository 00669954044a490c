"""Compiles an experiment's step for a TPU slice or a GPU that need not be there.

Prints the memory, the arithmetic and the traffic of a chip, or what a step launches on the GPU
(docs/why/scaling.md). Needs the compiler, the extra `tpu` or `h100`, and Python 3.12.
"""

import json
import os
from typing import Any

from absl import flags

from gan_jax.cli.flags import Invocation, define_overwrite, define_path

DEFAULT_CONFIG = 'quickstart'
REQUIRED = ('topology',)

# The compiler looks for a TPU machine around it, and for others that use it.
_ALONE = {
    'TPU_SKIP_MDS_QUERY': '1',
    'ALLOW_MULTIPLE_LIBTPU_LOAD': '1',
    'TPU_WORKER_HOSTNAMES': 'localhost',
    'TPU_ACCELERATOR_TYPE': 'v5litepod-1',
    'TPU_STDERR_LOG_LEVEL': '3',
    'TPU_MIN_LOG_LEVEL': '3',
}


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    flags.DEFINE_string(
        'topology', None, 'h100, or a slice, GENERATION:SHAPE, e.g. v5e:2x4', flag_values=values
    )
    flags.DEFINE_integer(
        'batch_size', None, "of all chips, in place of the experiment's", flag_values=values
    )
    define_path(values, 'json', 'a .json file to write the figures to')
    define_overwrite(values, 'replace the .json file')


def main(invocation: Invocation) -> None:
    """Compiles, prints, writes."""
    os.environ.update(_ALONE)
    from benchmarks import gpus, slices
    from gan_jax.cli import outputs
    from gan_jax.io import files
    from gan_jax.processes import startup

    values = invocation.flags
    output = None
    if values.json:
        output = outputs.file(values.json, '.json', overwrite=values.overwrite, flag='--json')
    startup.prepare(platform='cpu')
    config = invocation.config
    if values.batch_size is not None:
        config.batch_size = values.batch_size
    kind, table = (
        (gpus, table_of_gpu) if values.topology in gpus.DESCRIPTIONS else (slices, table_of_slice)
    )
    result = kind.compile_step(slices.validated(config), values.topology)
    result = {'config': invocation.source, **result}
    if output:
        files.replace(output, json.dumps(result, indent=2) + '\n')
    print(table(result))


def table_of_slice(result: dict[str, Any]) -> str:
    """The figures, for a person."""
    memory = result['memory_per_chip']
    rows = [
        ('slice', f'{result["topology"]}: {result["chips"]} x {result["device"]}'),
        (
            'work',
            f'batch {result["batch_size"]}, {result["precision"]},'
            f' batch norm {result["batch_norm"]}',
        ),
        ('compile', f'{result["compile_s"]:.1f} s'),
        ('memory', f'{memory["total"] / 1e6:,.1f} MB a chip: ' + _parts(memory)),
        ('arithmetic', f'{result["flops_per_chip"] / 1e9:,.2f} GFLOP a chip and step'),
        ('traffic', f'{result["bytes_per_chip"] / 1e6:,.1f} MB a chip and step'),
        *(
            (sent['kind'], f'{sent["count"]} of {sent["bytes"] / 1e6:,.3f} MB in all')
            for sent in result['collectives']
        ),
    ]
    return _lines(rows)


def table_of_gpu(result: dict[str, Any]) -> str:
    """The figures, for a person."""
    steps, gradients = result['steps_per_call'], result['weight_gradients']
    rows = [
        ('GPU', f'{result["topology"]}: {result["device"]}'),
        ('work', f'batch {result["batch_size"]}, {result["precision"]}, {steps} steps a call'),
        ('compile', f'{result["compile_s"]:.1f} s'),
        ('memory', f'{result["memory"]["total"] / 1e6:,.1f} MB: ' + _parts(result['memory'])),
        ('kernels', f'{sum(result["kernels"].values())} a step: ' + _counts(result['kernels'])),
        ('inner', f'{result["inner"]} more in loops that not every step enters'),
        ('libraries', f'{sum(result["calls"].values())} calls a step: ' + _counts(result['calls'])),
        ('gradients', f'{sum(gradients.values())} of weights a step: ' + _counts(gradients)),
        *(
            (name, f'{result[name]["count"]} a step, {result[name]["bytes"] / 1e6:,.2f} MB')
            for name in ('copies', 'transposes')
        ),
        ('launches', f'{result["host_launches"]} a call by the host, {result["graphs"]} graphs'),
        ('outside', _counts(result['outside']) or 'nothing: all of a call is in a graph'),
    ]
    return _lines(rows)


def _lines(rows: list[tuple[str, str]]) -> str:
    return '\n'.join(f'  {name:11} {text}' for name, text in rows)


def _counts(counts: dict[str, int]) -> str:
    return ', '.join(f'{count} {name}' for name, count in counts.items())


def _parts(memory: dict[str, int]) -> str:
    names = ('arguments', 'temporaries', 'code')
    return ', '.join(f'{name} {memory[name] / 1e6:,.1f}' for name in names)
