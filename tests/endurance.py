"""Whether a long run keeps its memory and its files: ten thousand steps of a small net.

    python -m tests.endurance --steps=10000

Prints the resident memory and the open files of the process every thousand steps, and by how much
they grew after the first thousand.
"""

import argparse
import json
import os
from pathlib import Path
import re
import subprocess
import sys
import tempfile
import time

from tests import fleets


def facts(process: int) -> tuple[float, int]:
    """Resident memory in MB, and the number of open files."""
    status = Path(f'/proc/{process}/status').read_text(encoding='utf-8')
    return (
        int(re.search(r'VmRSS:\s+(\d+)', status)[1]) / 1024,
        len(os.listdir(f'/proc/{process}/fd')),
    )


def watch(process: subprocess.Popen, metrics: Path, every: int) -> list[tuple[int, float, int]]:
    """(step, memory, files) at each multiple of `every` steps, while the process runs."""
    seen: list[tuple[int, float, int]] = []
    while process.poll() is None:
        time.sleep(0.05)
        lines = metrics.read_text(encoding='utf-8').splitlines() if metrics.exists() else []
        step = json.loads(lines[-1])['step'] if lines and lines[-1].endswith('}') else 0
        if step // every > (seen[-1][0] if seen else 0) // every:
            seen.append((step, *facts(process.pid)))
            print('step {:6}: {:8.1f} MB, {} files'.format(*seen[-1]), flush=True)
    return seen


def main() -> int:
    """Trains, watches, and judges; 1 if memory grew by more than 2 % or a file was left open."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--steps', type=int, default=10_000)
    options = parser.parse_args()
    every = options.steps // 20
    with tempfile.TemporaryDirectory() as folder:
        fields = {'steps': options.steps, 'log_every': 50, 'save_every': 100, 'keep': 3}
        fields |= {'sample_every': 100, 'tensorboard': True}
        command = [sys.executable, 'train.py', '--config=tests/tiny_config.py']
        command += [f'--config.{name}={value}' for name, value in fields.items()]
        with subprocess.Popen([*command, f'--workdir={folder}'], cwd=fleets.ROOT) as process:
            seen = watch(process, Path(folder) / 'metrics.jsonl', every)
    settled = [point for point in seen if point[0] >= options.steps // 10]
    low, high = (pick(point[1] for point in settled) for pick in (min, max))
    middle = (low + high) / 2
    files = [point[2] for point in settled]
    print(f'memory {low:.1f} to {high:.1f} MB: {middle:.1f} MB +- {(high / middle - 1):.2%}')
    print(f'open files {min(files)} to {max(files)}, {files[0]} at first and {files[-1]} at last')
    return int(process.returncode != 0 or high / middle > 1.02)


if __name__ == '__main__':
    sys.exit(main())
