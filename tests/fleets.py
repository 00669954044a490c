"""Two real processes of one run, as tests start them."""

from collections.abc import Sequence
import os
from pathlib import Path
import socket
import subprocess
import sys

ROOT = Path(__file__).parent.parent
SLOW = 900  # seconds until a test gives up, on a machine however busy


def free_port() -> int:
    """One that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def start(
    command: Sequence[str], count: int = 2, devices: int = 1, **env: str
) -> list[subprocess.Popen[str]]:
    """Processes that find each other: `command` with the flags that say so.

    Args:
      command: the program and its arguments.
      count: of processes.
      devices: of each.
      **env: on top of this process's environment.
    """
    port = free_port()
    own = {'JAX_NUM_CPU_DEVICES': str(devices), 'GAN_JAX_HEARTBEAT_S': '600'}
    env = os.environ | own | env
    flags = [f'--coordinator=127.0.0.1:{port}', f'--num_processes={count}']
    return [
        subprocess.Popen(
            [sys.executable, *command, *flags, f'--process_id={number}'],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]


def finish(processes: Sequence[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """The exit code, stdout and stderr of each, once all have ended."""
    try:
        ends = [process.communicate(timeout=SLOW) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return [(p.returncode, *texts) for p, texts in zip(processes, ends, strict=True)]
