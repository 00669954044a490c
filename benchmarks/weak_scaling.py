"""Two processes with a core each against one process with one core, the batch of each the same.

    python benchmarks/weak_scaling.py --batch_size=16 --turns=3

Each side trains the experiment, in turns, pinned to its cores, as `train.py` does; its speed is
the median of the `images_per_s` that it logs. Efficiency is that of two over twice that of one.
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
WARM_UP = 1  # log lines that do not count


def start(options: argparse.Namespace, workdir: Path, core: int, *flags: str) -> subprocess.Popen:
    """One process on one core."""
    fields = {
        'steps': options.steps,
        'log_every': 5,
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


def speed(options: argparse.Namespace, cores: list[int]) -> float:
    """Images a second of as many processes as cores."""
    with tempfile.TemporaryDirectory() as folder:
        workdir = Path(folder) / 'run'
        size = f'--config.batch_size={options.batch_size * len(cores)}'
        places = [[] for _ in cores]
        if len(cores) > 1:
            with socket.socket() as probe:
                probe.bind(('127.0.0.1', 0))
                address = f'--coordinator=127.0.0.1:{probe.getsockname()[1]}'
            count = f'--num_processes={len(cores)}'
            places = [[address, count, f'--process_id={n}'] for n in range(len(cores))]
        processes = [
            start(options, workdir, core, size, *place)
            for core, place in zip(cores, places, strict=True)
        ]
        for process in processes:
            _, errors = process.communicate()
            if process.returncode:
                sys.exit(errors)
        lines = (workdir / 'metrics.jsonl').read_text().splitlines()
    rates = [json.loads(line)['images_per_s'] for line in lines]
    return statistics.median(rates[WARM_UP:])


def main() -> None:
    """Takes turns, and prints every figure as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', default='dcgan64')
    parser.add_argument('--batch_size', type=int, default=16, help='of each process')
    parser.add_argument('--steps', type=int, default=25)
    parser.add_argument('--turns', type=int, default=3)
    options = parser.parse_args()
    ratios = []
    for turn in range(options.turns):
        one = speed(options, [turn % 2])
        two = speed(options, [0, 1])
        ratios.append(two / (2 * one))
        print(json.dumps(dict(one=one, two=two, efficiency=ratios[-1])), flush=True)
    print(json.dumps(dict(efficiency=statistics.median(ratios), batch_size=options.batch_size)))


if __name__ == '__main__':
    main()
