"""Trains pix2pix in PyTorch for some minutes, then translates: a recipe of the study `one_pair`.

Nets, losses, batches and rates of a gan_jax config, as `torch_tasks` makes them. The rate falls to
0 in the second half of the time. Out of training an image has its own moments, and dropout, as
github.com/junyanz/pytorch-CycleGAN-and-pix2pix does unless told otherwise.

Started as `torch_pix2pix.py FOLDER`, a folder that holds

- `request.json`: `config`, resolved, and `seconds` of training from the start of the process;
- `pairs.npy`, the training pairs as stored, uint8 [N, H, 2 W, 3], and `inputs.npy`, images to
  translate, uint8 [M, h, w, 3].

Writes `translated.npy`, uint8 [M, h, w, 3], and `trained.json`: `steps`, `seconds`. Started again
after it was stopped, it goes on with what it saved last.
"""

import ctypes
import json
import os
from pathlib import Path
import signal
import sys
import time

STARTED = time.monotonic()

import numpy as np  # noqa: E402 - a peer's imports are a part of its time, as ours are
import torch  # noqa: E402
from torch_tasks import Translation  # noqa: E402

SAVE_EVERY = 120  # seconds


def train(trainer: Translation, folder: Path, seconds: float) -> None:
    """Trains for the rest of the time, and notes how far it came."""
    state, noted = folder / 'state.pt', folder / 'trained.json'
    steps, before = 0, 0.0
    if state.exists():
        found = torch.load(state)
        trainer.load_state(found['trainer'])
        steps, before = found['steps'], found['seconds']
    saved = time.monotonic()
    while (spent := before + time.monotonic() - STARTED) < seconds:
        trainer.scale_rates(min(1.0, 2 * (1 - spent / seconds)))
        trainer.step()
        steps += 1
        if time.monotonic() - saved > SAVE_EVERY:
            saved = time.monotonic()
            found = {'trainer': trainer.state(), 'steps': steps, 'seconds': spent}
            torch.save(found, state.with_suffix('.part'))
            state.with_suffix('.part').replace(state)
            print(f'torch: step {steps:,}, {spent / 60:.0f} minutes', file=sys.stderr, flush=True)
    noted.write_text(json.dumps({'steps': steps, 'seconds': spent}), encoding='utf-8')


def main() -> None:
    """Does what the folder asks for."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # ends with its parent
    torch.set_flush_denormal(True)  # as XLA does
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    folder = Path(sys.argv[1])
    request = json.loads((folder / 'request.json').read_bytes())
    trainer = Translation(request['config'], np.load(folder / 'pairs.npy'), 'eager')
    train(trainer, folder, request['seconds'])
    made = [trainer.translate(image) for image in np.load(folder / 'inputs.npy')]
    np.save(folder / 'translated.npy', np.stack(made))


if __name__ == '__main__':
    main()
