"""Measures how fast an experiment trains: compiling, waiting for images and stepping apart.

Uses the experiment's data where they are at hand, else random pixels of their shape. With
--peer=torch the same work is done in PyTorch, in turns.
"""

import json
import os
from pathlib import Path
import platform
import signal
import sys
from typing import Any

from absl import flags

from gan_jax.cli.flags import Invocation, define_overwrite, define_path
from gan_jax.errors import UserError

DEFAULT_CONFIG = 'quickstart'
IDLE = 0.1  # load of each core up to which a machine counts as idle


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    for name, default, text in (
        ('batch_size', None, "in place of the experiment's"),
        ('steps', 5, 'calls of the step in a turn'),
        ('turns', 7, 'turns of each side'),
    ):
        flags.DEFINE_integer(name, default, text, flag_values=values)
    for name, text in (
        ('runner', "pmap, shard_map or vmap, in place of the experiment's"),
        ('precision', "float32 or bfloat16, in place of the experiment's"),
        ('peer', 'torch: also PyTorch, as fast as it gets; plain: also our step on plain lax'),
        (
            'sweep',
            'batch_size,image_size,devices or some of them: how cost grows; a .png by --json',
        ),
    ):
        flags.DEFINE_string(name, '', text, flag_values=values)
    define_path(values, 'json', 'a .json file to write the figures to')
    define_overwrite(values, 'replace the files of --json')


def main(invocation: Invocation) -> None:
    """Measures, prints, writes."""
    from benchmarks import sweep
    from benchmarks.measure import measure
    from benchmarks.peers import Plan
    from gan_jax import config as config_lib
    from gan_jax.cli import outputs
    from gan_jax.io import files
    from gan_jax.processes import startup

    values = invocation.flags
    output = None
    if values.json:
        output = outputs.file(values.json, '.json', overwrite=values.overwrite, flag='--json')
    for name in ('steps', 'turns'):
        if (value := getattr(values, name)) < 1:
            raise UserError(f'--{name}={value}: must be at least 1')
    names = sweep.fields(values.sweep)
    if output and names and not values.overwrite:
        outputs.absent(output.with_suffix('.png'), flag='--json')
    startup.prepare()
    config = _changed(invocation)
    config_lib.validate(config)
    plan = Plan(config, values.turns, values.steps, values.peer)
    if warning := busy():
        print(warning, file=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # else frozen workers would be left
    results: dict[str, Any] = {'config': invocation.source, 'cpu': cpu_name()}
    if names:
        results['sweep'] = []
        for result in sweep.run(plan, names):
            results['sweep'].append(result)
            if output:  # each as it is there: a later one may fail
                files.replace(output, _text(results))
                files.replace(output.with_suffix('.png'), sweep.plot(results['sweep']))
            print(f'{result["field"]}={result["value"]}\n{table(result)}', flush=True)
        return
    results |= measure(plan)
    if output:
        files.replace(output, _text(results))
    print(table(results))


def _text(results: dict[str, Any]) -> str:
    return json.dumps(results, indent=2) + '\n'


def _changed(invocation: Invocation) -> Any:
    config = invocation.config
    for field in ('batch_size', 'runner', 'precision'):
        value = invocation.flags[field].value
        if value not in (None, ''):
            config[field] = value
    return config


def busy() -> str:
    """A warning where other programs take part of the machine; '' where it is idle."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load < IDLE * cores:
        return ''
    return (
        f'warning: the machine is not idle (load {load:.1f} on {cores} cores): figures will be'
        ' lower than they are, and vary'
    )


def cpu_name() -> str:
    """The processor's model and the number of its cores, as far as the system tells."""
    info = Path('/proc/cpuinfo')
    lines = info.read_text(encoding='utf-8').splitlines() if info.exists() else []
    models = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return f'{(models or [platform.processor()])[0]}, {os.cpu_count()} cores'


def table(result: dict[str, Any]) -> str:
    """The figures of one measurement, for a person."""
    step = result['step_ms']
    images = 'random pixels' if result['data'] == 'synthetic' else 'real images'
    gflops = result['flops_per_step'] / step['median'] / 1e6
    lines = [
        ('work', f'batch {result["batch_size"]}, {result["precision"]}, {images}'),
        ('device', f'{result["device_count"]} x {result["device"]}, {result["runner"]}'),
        ('compile', f'{result["compile_s"]:.1f} s'),
        ('step', f'{step["median"]:,.2f} ms ({step["p25"]:,.2f} to {step["p75"]:,.2f})'),
        ('speed', f'{result["images_per_s"]:,.1f} images/s'),
        ('input wait', f'{result["input_wait_fraction"]:.2%} of the step'),
        ('arithmetic', f'{gflops:,.0f} GFLOP/s of {result["product_gflops"]:,.0f} in one product'),
        ('memory', f'{_memory(result)} at most'),
    ]
    if peer := result.get('peer'):
        low, high = min(result['ratios']), max(result['ratios'])
        lines += [
            ('peer', f'{peer["version"]} {peer["variant"]}: {peer["step_ms"]["median"]:,.2f} ms'),
            ('', f'{peer["images_per_s"]:,.1f} images/s, {_memory(peer)}'),
            ('ratio', f'{result["ratio"]:.2f} ({low:.2f} to {high:.2f}) times as fast'),
        ]
    return '\n'.join(f'  {name:11} {text}' for name, text in lines)


def _memory(side: dict[str, Any]) -> str:
    on_device = side.get('peak_device_mb')
    text = f'{side["peak_rss_mb"]:,.0f} MB'
    return f'{text}, and {on_device:,.0f} MB on the device' if on_device else text
