"""The same networks, losses and updates in PyTorch: a worker of `gan-jax benchmark --peer=torch`.

It takes a gan_jax config and does the work of its step: the same layers on the same batch, D
updates with Adam on real and fake batches passed separately, one G update on the fakes of the
last one, and real uint8 batches copied in and normalised each step. D's weights are frozen
while G trains. Reads and writes as `gan_jax.benchmarking.processes` describes.

Needs PyTorch and NumPy only. What a config asks for and this program cannot do is an error, so
that unequal work is never compared.
"""

from collections.abc import Callable, Iterator
import contextlib
import ctypes
import json
import math
import os
from pathlib import Path
import re
import signal
import sys
import time
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Unsupported(Exception):
    """The config asks for what this program does not do."""


def dcgan_generator(net: dict, config: dict, shape: tuple[int, int, int]) -> nn.Module:
    """gan_jax.nets.dcgan.Generator."""
    widths = [net['width'] * 2**level for level in range(int(math.log2(shape[0] // 4)))]
    first, *others = reversed(widths)
    blocks = [nn.Unflatten(1, (-1, 1, 1))]
    blocks += [nn.ConvTranspose2d(config['latent_dim'], first, 4, 1, 0, bias=False)]
    channels = first
    for features in (*others, shape[2]):
        blocks += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        blocks += [nn.ConvTranspose2d(channels, features, 4, 2, 1, bias=False)]
        channels = features
    return nn.Sequential(*blocks, nn.Tanh())


def dcgan_discriminator(net: dict, config: dict, shape: tuple[int, int, int]) -> nn.Module:
    """gan_jax.nets.dcgan.Discriminator."""
    widths = [net['width'] * 2**level for level in range(int(math.log2(shape[0] // 4)))]
    first, *others = widths
    blocks = [nn.Conv2d(shape[2], first, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
    channels = first
    for features in others:
        blocks += [nn.Conv2d(channels, features, 4, 2, 1, bias=net['norm'] == 'none')]
        blocks += [nn.BatchNorm2d(features)] if net['norm'] == 'batch' else []
        blocks += [nn.LeakyReLU(0.2, inplace=True)]
        channels = features
    return nn.Sequential(*blocks, nn.Conv2d(channels, 1, 4, 1, 0, bias=False), nn.Flatten(0))


def dcgan_mnist_generator(net: dict, config: dict, shape: tuple[int, int, int]) -> nn.Module:
    """gan_jax.nets.dcgan_mnist.Generator."""
    width, (height, columns, channels) = net['width'], shape
    hidden, first = 16 * width, (2 * width, height // 4, columns // 4)
    return nn.Sequential(
        *_normed_linear(config['latent_dim'], hidden, eps=1e-3, momentum=0.01),
        *_normed_linear(hidden, math.prod(first), eps=1e-3, momentum=0.01),
        nn.Unflatten(1, first),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(2 * width, width, 5, padding=2),
        nn.BatchNorm2d(width, eps=1e-3, momentum=0.01),
        nn.ReLU(inplace=True),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(width, channels, 5, padding=2),
        nn.Tanh(),
    )


def dcgan_mnist_discriminator(net: dict, config: dict, shape: tuple[int, int, int]) -> nn.Module:
    """gan_jax.nets.dcgan_mnist.Discriminator."""
    width, (height, columns, channels) = net['width'], shape
    rows, cols = ((side // 2 - 5) // 2 + 1 for side in (height, columns))
    return nn.Sequential(
        # 'SAME' pads one side by 1; 2 on both is the same work without a padded copy.
        nn.Conv2d(channels, width, 5, 2, 2),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(width, 2 * width, 5, 2),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Flatten(),
        nn.Linear(2 * width * rows * cols, 4 * width),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Dropout(net['dropout']),
        nn.Linear(4 * width, 1),
        nn.Flatten(0),
    )


def mnist_gan_generator(net: dict, config: dict, shape: tuple[int, int, int]) -> nn.Module:
    """gan_jax.nets.mnist_gan.Generator."""
    width, (height, columns, channels) = net['width'], shape
    hidden, first = 16 * width, (2 * width, height // 4, columns // 4)
    return nn.Sequential(
        *_normed_linear(config['latent_dim'], hidden),
        *_normed_linear(hidden, math.prod(first)),
        nn.Unflatten(1, first),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(width, channels, 4, 2, 1),
        nn.Sigmoid(),
    )


def mnist_gan_discriminator(net: dict, config: dict, shape: tuple[int, int, int]) -> nn.Module:
    """gan_jax.nets.mnist_gan.Discriminator."""
    width, (height, columns, channels) = net['width'], shape
    normed = net['norm'] == 'batch'
    return nn.Sequential(
        nn.Conv2d(channels, width, 4, 2, 1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(width, 2 * width, 4, 2, 1),
        *([nn.BatchNorm2d(2 * width)] if normed else []),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Flatten(),
        nn.Linear(2 * width * (height // 4) * (columns // 4), 16 * width),
        *([nn.BatchNorm1d(16 * width)] if normed else []),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Linear(16 * width, 1),
        nn.Flatten(0),
    )


def mlp_generator(net: dict, config: dict, shape: tuple[int, int, int]) -> nn.Module:
    """gan_jax.nets.mlp.Generator."""
    blocks, size = [], config['latent_dim']
    for features in net['hidden']:
        blocks += [nn.Linear(size, features), nn.LeakyReLU(0.2, inplace=True)]
        blocks += [nn.BatchNorm1d(features, eps=1e-3, momentum=0.2)]
        size = features
    return nn.Sequential(
        *blocks, nn.Linear(size, math.prod(shape)), nn.Tanh(), nn.Unflatten(1, _chw(shape))
    )


def mlp_discriminator(net: dict, config: dict, shape: tuple[int, int, int]) -> nn.Module:
    """gan_jax.nets.mlp.Discriminator."""
    blocks, size = [nn.Flatten()], math.prod(shape)
    for features in net['hidden']:
        blocks += [nn.Linear(size, features), nn.LeakyReLU(0.2, inplace=True)]
        size = features
    return nn.Sequential(*blocks, nn.Linear(size, 1), nn.Flatten(0))


NETS: dict[str, tuple[Callable[..., nn.Module], Callable[..., nn.Module]]] = {
    'dcgan': (dcgan_generator, dcgan_discriminator),
    'dcgan_mnist': (dcgan_mnist_generator, dcgan_mnist_discriminator),
    'mnist_gan': (mnist_gan_generator, mnist_gan_discriminator),
    'mlp': (mlp_generator, mlp_discriminator),
}


def _normed_linear(inputs: int, outputs: int, **norm: float) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs, **norm), nn.ReLU(inplace=True)]


def _chw(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    return shape[2], shape[0], shape[1]


def nets(config: dict, shape: tuple[int, int, int]) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator of a config, for images (H, W, C)."""
    made = []
    for index, role in enumerate(('gen', 'disc')):
        net = config[role]['net']
        if net['name'] not in NETS:
            raise Unsupported(f'config.{role}.net.name={net["name"]}')
        if net.get('spectral_norm'):
            raise Unsupported(f'config.{role}.net.spectral_norm=True')
        made.append(NETS[net['name']][index](net, config, shape))
    return made[0], made[1]


def non_saturating(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """-log D(x) - log(1 - D(G(z)))."""
    return (F.softplus(-real) + F.softplus(fake)).mean()


# name: (of the discriminator, of the generator)
LOSSES = {
    'non_saturating': (non_saturating, lambda fake: F.softplus(-fake).mean()),
    'wasserstein': (lambda real, fake: (fake - real).mean(), lambda fake: -fake.mean()),
}


def gradient_penalty(disc: nn.Module, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """(||grad D(x)|| - 1)^2 on lines from real to fake."""
    along = torch.rand(len(real), 1, 1, 1)
    between = torch.lerp(real, fake, along).requires_grad_(True)
    (gradient,) = torch.autograd.grad(disc(between).sum(), between, create_graph=True)
    norm = torch.sqrt(gradient.square().sum((1, 2, 3)) + 1e-12)
    return (norm - 1).square().mean()


def check(config: dict) -> None:
    """Raises Unsupported for what would make the work unequal."""
    penalties = {name for name, weight in config['penalties'].items() if weight}
    wrong = {
        'loss': config['loss'] not in LOSSES,
        'penalties': bool(penalties - {'gradient_penalty'}),
        'augment': bool(config['augment']),
        'instance_noise.std': bool(config['instance_noise']['std']),
        'gen.ema_decay': bool(config['gen']['ema_decay']),
        'data.flip': config['data']['flip'],
        'data.jitter': bool(config['data']['jitter']),
        'conditional': config['conditional'],
        'label_smoothing': bool(config['label_smoothing']),
        'gen.optimizer.name': config['gen']['optimizer']['name'] != 'adam',
        'disc.optimizer.name': config['disc']['optimizer']['name'] != 'adam',
    }
    for field, unsupported in wrong.items():
        if unsupported:
            raise Unsupported(f'config.{field} as it is set')


class Trainer:
    """Two networks and the step that trains them."""

    def __init__(self, config: dict, images: np.ndarray, variant: str):
        """Builds what the config describes.

        Args:
          config: a gan_jax config, resolved.
          images: uint8 [N, H, W, C].
          variant: eager, channels_last, compile or compile_channels_last.
        """
        check(config)
        torch.manual_seed(0)
        self._config = config
        self._images = images
        self._random = np.random.default_rng(0)
        layout = torch.channels_last if 'channels_last' in variant else torch.contiguous_format
        self._layout = layout
        gen, disc = (net.to(memory_format=layout) for net in nets(config, images.shape[1:]))
        self.parameters = [sum(p.numel() for p in net.parameters()) for net in (gen, disc)]
        self._disc_weights = list(disc.parameters())
        self._optimizers = [_adam(gen, config['gen']), _adam(disc, config['disc'])]
        if variant.startswith('compile'):
            gen, disc = torch.compile(gen), torch.compile(disc)
        self._gen, self._disc = gen, disc
        self._low = 0.0 if config['gen']['net']['name'] == 'mnist_gan' else -1.0
        self._losses = LOSSES[config['loss']]
        self._penalty = config['penalties']['gradient_penalty']
        self._autocast = config['precision'] == 'bfloat16'

    def step(self) -> None:
        """`disc_steps` updates of the discriminator and one of the generator."""
        for _ in range(self._config['disc_steps']):
            fake = self._update_disc(self._batch())
        if not self._config['share_latent']:
            with self._precision():
                fake = self._generate()
        self._update_gen(fake)

    def _update_disc(self, real: torch.Tensor) -> torch.Tensor:
        gen_optimizer, disc_optimizer = self._optimizers
        disc_optimizer.zero_grad(set_to_none=True)
        with self._precision():
            if self._config['share_latent']:
                fake = self._generate()
            else:
                with torch.no_grad():
                    fake = self._generate()
            shown = fake.detach()
            loss = self._losses[0](self._disc(real).float(), self._disc(shown).float())
            if self._penalty:
                loss = loss + self._penalty * gradient_penalty(self._disc, real, shown)
        loss.backward()
        disc_optimizer.step()
        return fake

    def _update_gen(self, fake: torch.Tensor) -> None:
        gen_optimizer, _ = self._optimizers
        gen_optimizer.zero_grad(set_to_none=True)
        for weight in self._disc_weights:
            weight.requires_grad_(False)
        with self._precision():
            loss = self._losses[1](self._disc(fake).float())
        loss.backward()
        for weight in self._disc_weights:
            weight.requires_grad_(True)
        gen_optimizer.step()

    def _generate(self) -> torch.Tensor:
        shape = self._config['batch_size'], self._config['latent_dim']
        uniform = self._config['latent'] == 'uniform'
        z = torch.rand(shape) * 2 - 1 if uniform else torch.randn(shape)
        return self._gen(z).float()

    def _batch(self) -> torch.Tensor:
        """A random batch of real images, float32 [N, C, H, W]."""
        chosen = self._random.integers(0, len(self._images), self._config['batch_size'])
        batch = torch.from_numpy(self._images[chosen]).permute(0, 3, 1, 2)
        scale = (1 - self._low) / 255
        return (batch.float() * scale + self._low).contiguous(memory_format=self._layout)

    def _precision(self) -> contextlib.AbstractContextManager:
        if not self._autocast:
            return contextlib.nullcontext()
        return torch.autocast('cpu', torch.bfloat16)


def _adam(net: nn.Module, player: dict) -> torch.optim.Optimizer:
    values = player['optimizer']
    betas = values['b1'], values['b2']
    rate = values['learning_rate']
    return torch.optim.Adam(net.parameters(), rate, betas, values['eps'], fused=True)


def turn(trainer: Trainer, calls: int) -> dict[str, Any]:
    """Seconds of each of some steps. The batches are made in between, so nothing waits."""
    times = []
    for _ in range(calls):
        started = time.perf_counter()
        trainer.step()
        times.append(time.perf_counter() - started)
    return {'step_s': times, 'wait_s': 0.0}


def answers(trainer: Trainer, orders: Iterator[str]) -> Iterator[dict[str, Any]]:
    """What each order gives."""
    for line in orders:
        order = json.loads(line)
        if order['do'] == 'turn':
            yield turn(trainer, order['calls'])
        else:
            status = Path('/proc/self/status').read_text()
            yield {'peak_rss_mb': int(re.search(r'VmHWM:\s+(\d+)', status)[1]) / 1024}


def main() -> None:
    """Answers orders until there are no more."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # ends with its parent, also while frozen
    torch.set_flush_denormal(True)  # as XLA does
    out = os.fdopen(os.dup(1), 'w', buffering=1)
    os.dup2(2, 1)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    request = json.loads(sys.stdin.readline())
    try:
        trainer = Trainer(request['config'], np.load(request['images']), request['variant'])
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
