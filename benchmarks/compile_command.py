"""Compiles an experiment's step for a TPU slice that is described, and need not be there.

Prints the memory, the arithmetic and the traffic of a chip (docs/why/scaling.md).
Needs the TPU's compiler: pip install '.[tpu]', Python 3.12.
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
        'topology', None, 'the slice, GENERATION:SHAPE, e.g. v5e:2x4', flag_values=values
    )
    flags.DEFINE_integer(
        'batch_size', None, "of all chips, in place of the experiment's", flag_values=values
    )
    define_path(values, 'json', 'a .json file to write the figures to')
    define_overwrite(values, 'replace the .json file')


def main(invocation: Invocation) -> None:
    """Compiles, prints, writes."""
    os.environ.update(_ALONE)
    from benchmarks import slices
    from gan_jax import files
    from gan_jax.cli import outputs
    from gan_jax.processes import startup

    values = invocation.flags
    output = None
    if values.json:
        output = outputs.file(values.json, '.json', overwrite=values.overwrite, flag='--json')
    startup.prepare(platform='cpu')
    config = invocation.config
    if values.batch_size is not None:
        config.batch_size = values.batch_size
    result = slices.compile_step(slices.validated(config), values.topology)
    result = {'config': invocation.source, **result}
    if output:
        files.replace(output, json.dumps(result, indent=2) + '\n')
    print(table(result))


def table(result: dict[str, Any]) -> str:
    """The figures, for a person."""
    memory, cuda = result['memory_per_chip'], result['cuda']
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
        ('CUDA', f'lowers: {cuda["all_reduces"]} arrays to all-reduce, combined by its compiler'),
    ]
    lines = [f'  {name:11} {text}' for name, text in rows]
    return '\n'.join(lines)


def _parts(memory: dict[str, int]) -> str:
    names = ('arguments', 'temporaries', 'code')
    return ', '.join(f'{name} {memory[name] / 1e6:,.1f}' for name in names)
