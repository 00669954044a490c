"""Two processes with a core each against one process with one core, the batch of each the same.

    python benchmarks/weak_scaling.py --batch_size=64 --batch_norm=per_device --turns=3

Each side trains the experiment, in turns, pinned to its cores, as `train.py` does; its speed is
the median of the `images_per_s` that it logs. Efficiency is that of two over twice that of one;
the ceiling is that of two that know nothing of each other, and share only the machine.
"""

import argparse
import json
import os
from pathlib import Path
import socket
import statistics
import subprocess
import sys
import tempfile

ROOT = Path(__file__).parent.parent
LOG_EVERY = 5  # steps
WARM_UP = 1  # log lines that do not count


def start(
    options: argparse.Namespace, workdir: Path, core: int, *flags: str
) -> subprocess.Popen[str]:
    """One process on one core."""
    fields = {
        'batch_norm': options.batch_norm,
        'steps': options.steps,
        'log_every': LOG_EVERY,
        'sample_every': options.steps,
        'save_every': options.steps,
        'num_samples': 4,
    }
    command = [sys.executable, 'train.py', f'--config={options.config}', f'--workdir={workdir}']
    command += [f'--config.{name}={value}' for name, value in fields.items()]
    return subprocess.Popen(
        [*command, *flags],
        cwd=ROOT,
        env=os.environ | {'JAX_NUM_CPU_DEVICES': '1', 'JAX_PLATFORMS': 'cpu'},
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def apart(options: argparse.Namespace, cores: list[int]) -> float:
    """Images a second of a process on each core, all together, none of which knows another."""
    with tempfile.TemporaryDirectory() as folder:
        workdirs = [Path(folder) / str(core) for core in cores]
        size = f'--config.batch_size={options.batch_size}'
        finish([start(options, *place, size) for place in zip(workdirs, cores, strict=True)])
        return sum(map(rate, workdirs))


def together(options: argparse.Namespace, cores: list[int]) -> float:
    """Images a second of one run that has a process on each core."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        address = f'--coordinator=127.0.0.1:{probe.getsockname()[1]}'
    flags = [
        f'--config.batch_size={options.batch_size * len(cores)}',
        address,
        f'--num_processes={len(cores)}',
    ]
    with tempfile.TemporaryDirectory() as folder:
        workdir = Path(folder) / 'run'
        processes = [
            start(options, workdir, core, *flags, f'--process_id={number}')
            for number, core in enumerate(cores)
        ]
        finish(processes)
        return rate(workdir)


def finish(processes: list[subprocess.Popen[str]]) -> None:
    """Waits for all; ends this program with what went wrong, if anything did."""
    for process in processes:
        _, errors = process.communicate()
        if process.returncode:
            sys.exit(errors)


def rate(workdir: Path) -> float:
    """Images a second of a run that is over."""
    lines = (workdir / 'metrics.jsonl').read_text().splitlines()
    return statistics.median([json.loads(line)['images_per_s'] for line in lines][WARM_UP:])


def main() -> None:
    """Takes turns, and prints every figure as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', default='dcgan64')
    parser.add_argument('--batch_size', type=int, default=64, help='of each process')
    parser.add_argument('--batch_norm', default='per_device')
    parser.add_argument('--steps', type=int, default=25)
    parser.add_argument('--turns', type=int, default=3)
    options = parser.parse_args()
    if options.steps < (WARM_UP + 1) * LOG_EVERY:
        parser.error(
            f'--steps={options.steps}: the first {WARM_UP * LOG_EVERY} do not count, and'
            f' a figure takes {LOG_EVERY} more'
        )
    turns = []
    for number in range(options.turns):
        one = apart(options, [number % 2])
        ceiling = apart(options, [0, 1]) / (2 * one)
        efficiency = together(options, [0, 1]) / (2 * one)
        turns.append(dict(one=one, ceiling=ceiling, efficiency=efficiency))
        print(json.dumps(turns[-1]), flush=True)
    names = 'ceiling', 'efficiency'
    medians = {name: statistics.median(turn[name] for turn in turns) for name in names}
    print(json.dumps(vars(options) | medians))


if __name__ == '__main__':
    main()
