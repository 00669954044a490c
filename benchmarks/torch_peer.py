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
import torch_cuda
from torch_nets import Unsupported
import torch_tasks
from torch_tasks import Trainer

ON_GPU = 100  # steps that are launched before they are waited for, as many as a call of ours makes


def turn(trainer: Trainer, calls: int) -> dict[str, Any]:
    """Seconds a step of each of some calls. Each step makes its batch itself: nothing waits."""
    on_gpu = torch.get_default_device().type == 'cuda'
    steps = ON_GPU if on_gpu else 1
    times = []
    for _ in range(calls):
        started = time.perf_counter()
        for _ in range(steps):
            trainer.step()
        if on_gpu:
            torch.cuda.synchronize()
        times.append((time.perf_counter() - started) / steps)
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
            found = {'peak_rss_mb': int(peaks[0]) / 1024}
            if torch.get_default_device().type == 'cuda':
                found['peak_device_mb'] = torch.cuda.max_memory_allocated() / 1e6
            yield found


def main() -> None:
    """Answers orders until there are no more."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # ends with its parent, also while frozen
    torch.set_flush_denormal(True)  # as XLA does
    out = os.fdopen(os.dup(1), 'w', buffering=1)
    os.dup2(2, 1)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    request = json.loads(sys.stdin.readline())
    try:
        make = {'cpu': torch_tasks.make, 'cuda': torch_cuda.make}[request['device']]
        trainer = make(request['config'], np.load(request['images']), request['variant'])
    except Unsupported as error:
        print(json.dumps({'error': f'--peer=torch does not do {error}'}), file=out)
        return
    started = time.perf_counter()
    trainer.step()
    first = time.perf_counter() - started
    ready = {
        'device': request['device'],
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
