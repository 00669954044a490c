"""The other side of a comparison: programs in `benchmarks/`, never imported here."""

from collections.abc import Mapping
import contextlib
import importlib.util
from pathlib import Path
import statistics
import sys
import tempfile
from typing import Any, NamedTuple

import jax
from ml_collections import ConfigDict
import numpy as np

from benchmarks.workers import Worker, WorkerError
from gan_jax import data
from gan_jax.errors import UserError, nearest
from gan_jax.io import files

PROBES = 3  # turns that choose among a peer's variants
DEVICES = {'cpu': 'cpu', 'gpu': 'cuda'}  # PyTorch's names of JAX's platforms


class Plan(NamedTuple):
    """Which steps are timed, and how often."""

    config: ConfigDict  # complete and valid
    turns: int  # of each side
    calls: int  # of the step in a turn
    peer: str = ''  # a key of `PEERS`, '' for none
    # random pixels in place of the config's images, also where those are at hand
    generated: bool = False


class Peer(NamedTuple):
    """Something to compare with."""

    module: str  # what must be installed
    remedy: str  # how to install it
    program: str  # file name in `benchmarks/`
    # the ways of running it that compete, by JAX's platform
    variants: Mapping[str, tuple[str, ...]]

    @property
    def path(self) -> Path:
        """Where the program is."""
        return files.carried('benchmarks') / self.program


PEERS: Mapping[str, Peer] = {
    'torch': Peer(
        'torch',
        files.install('bench'),
        'torch_peer.py',
        {
            'cpu': ('eager', 'channels_last', 'compile', 'compile_channels_last'),
            'gpu': (
                'channels_last',
                'compile_channels_last',
                'graph_eager',
                'graph_channels_last',
                'graph_compile_channels_last',
            ),
        },
    ),
    'plain': Peer('jax', 'pip install gan-jax', 'plain_peer.py', {'cpu': ("XLA's convolutions",)}),
}


class Rival(NamedTuple):
    """The fastest variant, ready to go on, and what was found out about the others."""

    worker: Worker
    facts: dict[str, Any]


def find(name: str) -> Peer:
    """A peer by its name.

    Raises:
      UserError: there is no such peer, or it is not installed.
    """
    if name not in PEERS:
        raise UserError(f'--peer={name}: {nearest(name, PEERS)}')
    peer = PEERS[name]
    if jax.default_backend() not in peer.variants:
        able = ' or '.join(peer.variants)
        raise UserError(f'--peer={name}: it is compared on a {able} only; set JAX_PLATFORMS=cpu')
    if importlib.util.find_spec(peer.module) is None:
        raise UserError(f'--peer={name}: it is not installed; {peer.remedy}')
    return peer


def fastest(
    peer: Peer,
    plan: Plan,
    images: np.ndarray | None,
    env: Mapping[str, str],
    stack: contextlib.ExitStack,
) -> Rival:
    """Tries each variant of a peer alone, and keeps the fastest one.

    Args:
      images: uint8 [N, H, W, C] to train on; None: random pixels.
      stack: ends what is started here.

    Raises:
      UserError: the peer has no such nets or losses, or none of its variants runs.
    """
    scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    np.save(scratch / 'images.npy', _generated(plan) if images is None else images)
    command = [sys.executable, str(peer.path)]
    request = {
        'config': plan.config.to_dict(),
        'generated': images is None,
        'images': str(scratch / 'images.npy'),
        'device': DEVICES[jax.default_backend()],
    }
    outcomes, workers = {}, {}
    for variant in peer.variants[jax.default_backend()]:
        try:
            worker = stack.enter_context(Worker(command, {**request, 'variant': variant}, env))
            turns = [worker.order('turn', calls=plan.calls) for _ in range(PROBES)]
        except WorkerError as error:
            outcomes[variant] = str(error)
            continue
        outcomes[variant] = min(1e3 * statistics.median(turn['step_s']) for turn in turns[1:])
        workers[variant] = worker
        best = min(workers, key=outcomes.__getitem__)
        for other in workers.keys() - {best}:
            workers.pop(other).close()
    if not workers:
        raise UserError(f'--peer={plan.peer}: no variant of it runs this: {outcomes}')
    return Rival(workers[best], {'variant': best, 'variants': outcomes})


def _generated(plan: Plan) -> np.ndarray:
    return data.generated(plan.config.data).arrays().image
