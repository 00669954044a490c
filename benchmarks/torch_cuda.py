"""The trainers of `torch_tasks` on a GPU, as PyTorch is fastest there.

Images lie on the GPU, and batches are made of them there. cuDNN's algorithms are chosen by timing
them, and a step is launched by Python, with compiled nets, or as one CUDA graph.
"""

import contextlib
from typing import Any

import numpy as np
import torch
from torch_nets import Section
import torch_tasks
from torch_tasks import Trainer

WARMUP = 4  # steps before a capture


def make(config: Section, images: np.ndarray, variant: str) -> Trainer:
    """The trainer on PyTorch's GPU; `variant`: graph, or one of `Trainer`'s, or graph_ and that."""
    torch.set_default_device('cuda')
    torch.backends.cudnn.benchmark = True
    # As our side has them.
    rounds = config['matmul_precision'] == 'default'
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = rounds
    trainer = on_gpu(torch_tasks.TRAINERS[config['task']])(
        config, images, variant.removeprefix('graph_')
    )
    if variant.startswith('graph'):
        _capture(trainer)
    return trainer


def _capture(trainer: Trainer) -> None:
    """Makes the trainer's step the replay of a CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARMUP):
            trainer.step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        trainer.step()
    trainer.step = graph.replay  # type: ignore[method-assign]


def on_gpu(kind: type[Trainer]) -> type[Trainer]:
    """A kind of trainer whose images lie on PyTorch's default device."""

    class OnGpu(kind):  # type: ignore[misc, valid-type]
        def _build(self) -> None:
            super()._build()
            stored = torch.as_tensor(self._images, device=torch.get_default_device())
            self._stored = stored.unflatten(2, (self.panels, -1))  # [N, H, panels, W, C]

        def _batch(self) -> torch.Tensor:
            count, (height, width) = self._config['batch_size'], self._side
            data = self._config['data']
            chosen = torch.randint(len(self._stored), (count, 1, 1))
            top, left = torch.randint(data['jitter'] + 1, (2, count, 1)).unbind()
            rows, cols = top + torch.arange(height), left + torch.arange(width)
            if data['flip']:
                cols = torch.where(torch.rand(count, 1) < 0.5, cols.flip(1), cols)
            batch = self._stored[chosen, rows[:, :, None], :, cols[:, None, :]]
            batch = batch.permute(0, 3, 4, 1, 2).flatten(1, 2)  # of [N, H, W, panels, C]
            batch = batch.float() * ((1 - self._low) / 255) + self._low
            return batch.contiguous(memory_format=self._layout)

        def _precision(self) -> contextlib.AbstractContextManager[Any]:
            if not self._autocast:
                return contextlib.nullcontext()
            # In a graph what is cast once would be kept from the capture on.
            return torch.autocast('cuda', torch.bfloat16, cache_enabled=False)

    return OnGpu
