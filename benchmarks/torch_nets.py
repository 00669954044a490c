"""The networks of gan_jax in PyTorch, layer by layer; see `torch_peer`."""

from collections.abc import Callable
import math
from typing import Any

import torch
from torch import nn

Section = dict[str, Any]  # of a config, as JSON has it


class Unsupported(Exception):
    """The config asks for what this program does not do."""


def dcgan_generator(net: Section, config: Section, shape: tuple[int, int, int]) -> nn.Module:
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


def dcgan_discriminator(net: Section, config: Section, shape: tuple[int, int, int]) -> nn.Module:
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


def dcgan_mnist_generator(net: Section, config: Section, shape: tuple[int, int, int]) -> nn.Module:
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


def dcgan_mnist_discriminator(
    net: Section, config: Section, shape: tuple[int, int, int]
) -> nn.Module:
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


def mnist_gan_generator(net: Section, config: Section, shape: tuple[int, int, int]) -> nn.Module:
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


def mnist_gan_discriminator(
    net: Section, config: Section, shape: tuple[int, int, int]
) -> nn.Module:
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


def mlp_generator(net: Section, config: Section, shape: tuple[int, int, int]) -> nn.Module:
    """gan_jax.nets.mlp.Generator."""
    blocks, size = [], config['latent_dim']
    for features in net['hidden']:
        blocks += [nn.Linear(size, features), nn.LeakyReLU(0.2, inplace=True)]
        blocks += [nn.BatchNorm1d(features, eps=1e-3, momentum=0.2)]
        size = features
    return nn.Sequential(
        *blocks, nn.Linear(size, math.prod(shape)), nn.Tanh(), nn.Unflatten(1, _chw(shape))
    )


def mlp_discriminator(net: Section, config: Section, shape: tuple[int, int, int]) -> nn.Module:
    """gan_jax.nets.mlp.Discriminator."""
    blocks, size = [nn.Flatten()], math.prod(shape)
    for features in net['hidden']:
        blocks += [nn.Linear(size, features), nn.LeakyReLU(0.2, inplace=True)]
        size = features
    return nn.Sequential(*blocks, nn.Linear(size, 1), nn.Flatten(0))


def sgan_generator(net: Section, config: Section, shape: tuple[int, int, int]) -> nn.Module:
    """gan_jax.nets.sgan.Generator."""
    width, (height, columns, channels) = net['width'], shape
    first = 4 * width, height // 4, columns // 4
    # 'SAME' of 3x3 and stride 2 begins with the map's first element, as padding 0 and a cut do;
    # padding 1 and an added row at the end is the same work.
    deconv = [
        nn.ConvTranspose2d(4 * width, 2 * width, 3, 2, 1, output_padding=1),
        nn.ConvTranspose2d(2 * width, width, 3, 1, 1),
        nn.ConvTranspose2d(width, channels, 3, 2, 1, output_padding=1),
    ]
    blocks = [nn.Linear(config['latent_dim'], math.prod(first)), nn.Unflatten(1, first)]
    for layer in deconv[:-1]:
        blocks += [layer, nn.BatchNorm2d(layer.out_channels, eps=1e-3, momentum=0.01)]
        blocks += [nn.LeakyReLU(0.01, inplace=True)]
    return nn.Sequential(*blocks, deconv[-1], nn.Tanh())


def sgan_discriminator(net: Section, config: Section, shape: tuple[int, int, int]) -> nn.Module:
    """gan_jax.nets.sgan.Discriminator."""
    blocks, channels = [], shape[2]
    for level in range(3):
        features = net['width'] * 2**level
        blocks += [nn.Conv2d(channels, features, 3, 2, 1)]
        blocks += [nn.BatchNorm2d(features, eps=1e-3, momentum=0.01)] if level else []
        blocks += [nn.LeakyReLU(0.01, inplace=True)]
        channels = features
    return _classifier(blocks, net, channels, shape, levels=3)


def brownlee_generator(net: Section, config: Section, shape: tuple[int, int, int]) -> nn.Module:
    """gan_jax.nets.sgan.BrownleeGenerator."""
    width, (height, columns, channels) = net['width'], shape
    first = width, height // 4, columns // 4
    blocks = [nn.Linear(config['latent_dim'], math.prod(first)), nn.LeakyReLU(0.2, inplace=True)]
    blocks += [nn.Unflatten(1, first)]
    for _ in range(2):
        blocks += [nn.ConvTranspose2d(width, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    return nn.Sequential(*blocks, nn.Conv2d(width, channels, 7, padding=3), nn.Tanh())


def brownlee_discriminator(net: Section, config: Section, shape: tuple[int, int, int]) -> nn.Module:
    """gan_jax.nets.sgan.BrownleeDiscriminator."""
    blocks, channels = [], shape[2]
    for _ in range(net['levels']):
        blocks += [nn.Conv2d(channels, net['width'], 3, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        channels = net['width']
    return _classifier(blocks, net, channels, shape, levels=net['levels'])


class Classifier(nn.Module):
    """Features and, after dropout, a logit for each class."""

    def __init__(self, blocks: list[nn.Module], features: int, dropout: float):
        super().__init__()
        self.body = nn.Sequential(*blocks, nn.Flatten())
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(features, NUM_CLASSES))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Images to logits [N, K] and features [N, F]."""
        features = self.body(x)
        return self.head(features), features


NUM_CLASSES = 10  # of digits: the only labelled set that this program is given


def _classifier(
    blocks: list[nn.Module], net: Section, channels: int, shape: tuple[int, int, int], levels: int
) -> Classifier:
    rows, cols = (math.ceil(side / 2**levels) for side in shape[:2])
    return Classifier(blocks, channels * rows * cols, net['dropout'])


class UNet(nn.Module):
    """gan_jax.nets.unet.Generator: each block halves the map, has the next one made, and doubles.

    The activations work in place, as in the authors' PyTorch code: a skip is then what the
    encoder's activation left of it, of which the decoder's ReLU makes the same.
    """

    def __init__(self, net: Section, shape: tuple[int, int, int]):
        super().__init__()
        levels = int(math.log2(shape[0]))
        widths = [net['width'] * min(2**level, 8) for level in range(levels)]
        bias = net['norm'] == 'instance'
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            inputs = widths[level - 1] if level else shape[2]
            block = [nn.LeakyReLU(0.2, inplace=True)] if level else []
            block += [nn.Conv2d(inputs, width, 4, 2, 1, bias=bias)]
            block += norm(net, width) if 0 < level < levels - 1 else []
            self.down.append(nn.Sequential(*block))
        for number, width in enumerate(reversed(widths[:-1])):
            inputs = widths[-1] if not number else 2 * widths[levels - 1 - number]
            block = [nn.ReLU(inplace=True), nn.ConvTranspose2d(inputs, width, 4, 2, 1, bias=bias)]
            block += norm(net, width)
            block += [nn.Dropout(net['dropout'])] if number < levels - 5 else []
            self.up.append(nn.Sequential(*block))
        last = nn.ConvTranspose2d(2 * widths[0], shape[2], 4, 2, 1)
        self.last = nn.Sequential(nn.ReLU(inplace=True), last, nn.Tanh())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images [N, C, H, W] to images."""
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
        x = skips.pop()
        for block, skip in zip(self.up, reversed(skips), strict=True):
            x = torch.cat([skip, block(x)], 1)
        return self.last(x)


def unet(net: Section, config: Section, shape: tuple[int, int, int]) -> nn.Module:
    """gan_jax.nets.unet.Generator."""
    return UNet(net, shape)


def patch(net: Section, config: Section, shape: tuple[int, int, int]) -> nn.Module:
    """gan_jax.nets.patch.Discriminator, on input and image as channels of one."""
    bias, width, layers = net['norm'] == 'instance', net['width'], net['n_layers']
    if not layers:
        raise Unsupported('config.disc.net.n_layers=0')
    blocks = [nn.Conv2d(2 * shape[2], width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    channels = width
    for level in range(1, layers + 1):
        features = width * min(2**level, 8)
        stride = 2 if level < layers else 1
        blocks += [nn.Conv2d(channels, features, 4, stride, 1, bias=bias), *norm(net, features)]
        blocks += [nn.LeakyReLU(0.2, inplace=True)]
        channels = features
    return nn.Sequential(*blocks, nn.Conv2d(channels, 1, 4, 1, 1))


def norm(net: Section, width: int) -> list[nn.Module]:
    """gan_jax.layers.norm."""
    kinds = {'batch': nn.BatchNorm2d, 'instance': nn.InstanceNorm2d}
    return [kinds[net['norm']](width)] if net['norm'] in kinds else []


NETS: dict[str, tuple[Callable[..., nn.Module], Callable[..., nn.Module]]] = {
    'dcgan': (dcgan_generator, dcgan_discriminator),
    'dcgan_mnist': (dcgan_mnist_generator, dcgan_mnist_discriminator),
    'mnist_gan': (mnist_gan_generator, mnist_gan_discriminator),
    'mlp': (mlp_generator, mlp_discriminator),
    'sgan': (sgan_generator, sgan_discriminator),
    'sgan_brownlee': (brownlee_generator, brownlee_discriminator),
    'pix2pix': (unet, patch),
}


def _normed_linear(inputs: int, outputs: int, **norm: float) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs, **norm), nn.ReLU(inplace=True)]


def _chw(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    return shape[2], shape[0], shape[1]


def nets(config: Section, shape: tuple[int, int, int]) -> tuple[nn.Module, nn.Module]:
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
