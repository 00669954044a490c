"""The same networks, losses and updates in PyTorch: a worker of `gan-jax benchmark --peer=torch`.

It takes a gan_jax config and does the work of its step: the same layers on the same batch, D
updates with Adam on real and fake batches passed separately, one G update on the fakes of the
last one, and real uint8 batches copied in, cropped, flipped and normalised each step. D's weights
are frozen while G trains. Reads and writes as `benchmarks.workers` describes.

Needs PyTorch and NumPy only. What a config asks for and this program cannot do is an error, so
that unequal work is never compared.
"""

from collections.abc import Iterator
import ctypes
import json
import os
from pathlib import Path
import re
import signal
import sys
import time
from typing import Any

import numpy as np
import torch
from torch_nets import Unsupported
from torch_tasks import Trainer, make


def turn(trainer: Trainer, calls: int) -> dict[str, Any]:
    """Seconds of each of some steps. Each makes its batch itself, so nothing waits."""
    times = []
    for _ in range(calls):
        started = time.perf_counter()
        trainer.step()
        times.append(time.perf_counter() - started)
    return {'step_s': times, 'wait_s': 0.0}


def answers(trainer: Trainer, orders: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Yields the answer to each order."""
    for line in orders:
        order = json.loads(line)
        if order['do'] == 'turn':
            yield turn(trainer, order['calls'])
        else:
            status = Path('/proc/self/status').read_text(encoding='utf-8')
            peaks = re.findall(r'VmHWM:\s+(\d+)', status)
            yield {'peak_rss_mb': int(peaks[0]) / 1024}


def main() -> None:
    """Answers orders until there are no more."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # ends with its parent, also while frozen
    torch.set_flush_denormal(True)  # as XLA does
    out = os.fdopen(os.dup(1), 'w', buffering=1)
    os.dup2(2, 1)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    request = json.loads(sys.stdin.readline())
    try:
        trainer = make(request['config'], np.load(request['images']), request['variant'])
    except Unsupported as error:
        print(json.dumps({'error': f'--peer=torch does not do {error}'}), file=out)
        return
    started = time.perf_counter()
    trainer.step()
    first = time.perf_counter() - started
    ready = {
        'device': 'cpu',
        'device_count': 1,
        'compile_s': max(0.0, first - turn(trainer, 1)['step_s'][0]),
        'version': torch.__version__,
        'parameters': trainer.parameters,
    }
    print(json.dumps(ready), file=out)
    for answer in answers(trainer, sys.stdin):
        print(json.dumps(answer), file=out)


if __name__ == '__main__':
    main()
