"""The training steps of gan_jax in PyTorch; see `torch_peer`."""

from collections.abc import Callable, Sequence
import contextlib
import copy
import math
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch_nets import NUM_CLASSES, Section, Unsupported, nets


def non_saturating(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """-log D(x) - log(1 - D(G(z)))."""
    return (F.softplus(-real) + F.softplus(fake)).mean()


def least_squares(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """((D(x) - 1)^2 + D(G(z))^2) / 2."""
    return ((real - 1).square() + fake.square()).mean() / 2


# name: (of the discriminator, of the generator)
LOSSES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    'non_saturating': (non_saturating, lambda fake: F.softplus(-fake).mean()),
    'least_squares': (least_squares, lambda fake: (fake - 1).square().mean() / 2),
    'wasserstein': (lambda real, fake: (fake - real).mean(), lambda fake: -fake.mean()),
}


def gradient_penalty(disc: nn.Module, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """(||grad D(x)|| - 1)^2 on lines from real to fake."""
    along = torch.rand(len(real), 1, 1, 1)
    between = torch.lerp(real, fake, along).requires_grad_(True)
    (gradient,) = torch.autograd.grad(disc(between).sum(), between, create_graph=True)
    norm = torch.sqrt(gradient.square().sum((1, 2, 3)) + 1e-12)
    return (norm - 1).square().mean()


class Trainer:
    """Two networks and the step that trains them."""

    panels = 1  # images side by side in each stored one
    penalties: frozenset[str] = frozenset()
    augmentations: tuple[str, ...] = ('',)
    averages = False  # whether it keeps moving averages of the parameters

    def __init__(self, config: Section, images: np.ndarray, variant: str):
        """Builds what the config describes.

        Args:
          images: uint8 [N, H, W, C], as stored.
          variant: eager, channels_last, compile or compile_channels_last.
        """
        self._check(config)
        torch.manual_seed(0)
        self._config = config
        self._images = images
        self._random = np.random.default_rng(0)
        layout = torch.channels_last if 'channels_last' in variant else torch.contiguous_format
        self._layout = layout
        jitter = config['data']['jitter']
        height, width = images.shape[1] - jitter, images.shape[2] // self.panels - jitter
        shape = height, width, images.shape[3]
        gen, disc = (net.to(memory_format=layout) for net in nets(config, shape))
        self.parameters = [sum(p.numel() for p in net.parameters()) for net in (gen, disc)]
        self._side, self._gen, self._disc = (height, width), gen, disc
        self._disc_weights = list(disc.parameters())
        self._build()
        if variant.startswith('compile'):
            self._compile()
        self._varies = jitter or config['data']['flip']
        self._low = 0.0 if config['gen']['net']['name'] == 'mnist_gan' else -1.0
        self._autocast = config['precision'] == 'bfloat16'

    def step(self) -> None:
        """One training step."""
        raise NotImplementedError

    def scale_rates(self, share: float) -> None:
        """Sets both learning rates to a share of the config's."""
        for optimizer, role in zip(self._optimizers, ('gen', 'disc'), strict=True):
            for group in optimizer.param_groups:
                group['lr'] = share * self._config[role]['optimizer']['learning_rate']

    def state(self) -> list[dict]:
        """The state that `load_state` goes on with."""
        return [part.state_dict() for part in (self._gen, self._disc, *self._optimizers)]

    def load_state(self, state: list[dict]) -> None:
        """Goes on from a state."""
        parts = (self._gen, self._disc, *self._optimizers)
        for part, values in zip(parts, state, strict=True):
            part.load_state_dict(values)

    def _build(self) -> None:
        """Optimizers, and whatever else the step needs of the networks."""
        config = self._config
        self._losses = LOSSES[config['loss']]
        self._optimizers = adam(self._gen, config['gen']), adam(self._disc, config['disc'])

    def _compile(self) -> None:
        self._gen, self._disc = torch.compile(self._gen), torch.compile(self._disc)

    def _check(self, config: Section) -> None:
        """Raises Unsupported for what would make the work unequal."""
        penalties = {name for name, weight in config['penalties'].items() if weight}
        averages = [config[role]['ema_decay'] for role in ('gen', 'disc')]
        wrong = {
            'loss': config['loss'] not in LOSSES,
            'penalties': bool(penalties - self.penalties),
            'augment': config['augment'] not in self.augmentations,
            'instance_noise.std': bool(config['instance_noise']['std']),
            'gen.ema_decay': any(averages) and not (self.averages and all(averages)),
            'conditional': config['conditional'],
            'label_smoothing': bool(config['label_smoothing']),
            'gen.optimizer.name': config['gen']['optimizer']['name'] != 'adam',
            'disc.optimizer.name': config['disc']['optimizer']['name'] != 'adam',
            'data.warp': bool(config['data'].get('warp')),
            'data.zoom': bool(config['data'].get('zoom')),
        }
        for field, unsupported in wrong.items():
            if unsupported:
                raise Unsupported(f'config.{field} as it is set')

    def _generate(self) -> torch.Tensor:
        shape = self._config['batch_size'], self._config['latent_dim']
        uniform = self._config['latent'] == 'uniform'
        z = torch.rand(shape) * 2 - 1 if uniform else torch.randn(shape)
        return self._gen(z).float()

    def _batch(self) -> torch.Tensor:
        """A random batch of real images, float32 [N, panels * C, H, W], cropped and flipped."""
        chosen = self._random.integers(0, len(self._images), self._config['batch_size'])
        batch = np.concatenate(np.split(self._images[chosen], self.panels, axis=2), axis=3)
        if self._varies:
            batch = np.stack([self._view(image) for image in batch])
        batch = torch.from_numpy(batch)
        scale = (1 - self._low) / 255
        batch = batch.permute(0, 3, 1, 2).float() * scale + self._low
        return batch.contiguous(memory_format=self._layout)

    def _view(self, image: np.ndarray) -> np.ndarray:
        data, (height, width) = self._config['data'], self._side
        top, left = self._random.integers(0, data['jitter'] + 1, 2)
        image = image[top : top + height, left : left + width]
        return image[:, ::-1] if data['flip'] and self._random.integers(2) else image

    @contextlib.contextmanager
    def _frozen(self) -> Any:
        """The discriminator's weights without gradients."""
        for weight in self._disc_weights:
            weight.requires_grad_(False)
        yield
        for weight in self._disc_weights:
            weight.requires_grad_(True)

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        if not self._autocast:
            return contextlib.nullcontext()
        return torch.autocast('cpu', torch.bfloat16)


class Adversarial(Trainer):
    """gan_jax.tasks.adversarial."""

    penalties = frozenset(('gradient_penalty',))

    def step(self) -> None:
        """`disc_steps` updates of the discriminator and one of the generator."""
        for _ in range(self._config['disc_steps']):
            fake = self._update_disc(self._batch())
        if not self._config['share_latent']:
            with self._precision():
                fake = self._generate()
        self._update_gen(fake)

    def _update_disc(self, real: torch.Tensor) -> torch.Tensor:
        _, optimizer = self._optimizers
        optimizer.zero_grad(set_to_none=True)
        penalty = self._config['penalties']['gradient_penalty']
        with self._precision():
            if self._config['share_latent']:
                fake = self._generate()
            else:
                with torch.no_grad():
                    fake = self._generate()
            shown = fake.detach()
            loss = self._losses[0](self._disc(real).float(), self._disc(shown).float())
            if penalty:
                loss = loss + penalty * gradient_penalty(self._disc, real, shown)
        loss.backward()
        optimizer.step()
        return fake

    def _update_gen(self, fake: torch.Tensor) -> None:
        optimizer, _ = self._optimizers
        optimizer.zero_grad(set_to_none=True)
        with self._frozen():
            with self._precision():
                loss = self._losses[1](self._disc(fake).float())
            loss.backward()
        optimizer.step()


class Translation(Trainer):
    """gan_jax.tasks.translation."""

    panels = 2

    def step(self) -> None:
        """One update of the discriminator, then one of the generator, on the same pairs."""
        own = self._config['translation']
        gen_optimizer, disc_optimizer = self._optimizers
        given, photo = (x.contiguous(memory_format=self._layout) for x in self._batch().chunk(2, 1))
        with self._precision():
            fake = self._gen(given).float()
        disc_optimizer.zero_grad(set_to_none=True)
        with self._precision():
            loss = self._losses[0](self._judge(given, photo), self._judge(given, fake.detach()))
        (own['disc_weight'] * loss).backward()
        disc_optimizer.step()
        gen_optimizer.zero_grad(set_to_none=True)
        with self._frozen():
            with self._precision():
                loss = self._losses[1](self._judge(given, fake))
            (loss + own['l1'] * F.l1_loss(fake, photo)).backward()
        gen_optimizer.step()

    @torch.no_grad()
    def translate(self, image: np.ndarray) -> np.ndarray:
        """An image uint8 [H, W, 3] to one, in the mode of training, by the moments of its own."""
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1
        made = self._gen(pixels)[0].permute(1, 2, 0).numpy()
        return np.rint((made + 1) * 127.5).astype(np.uint8)

    def _judge(self, given: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        return self._disc(torch.cat([given, image], 1)).float()


class Semisupervised(Trainer):
    """gan_jax.tasks.semisupervised."""

    augmentations = '', 'affine'
    averages = True

    def _build(self) -> None:
        config, own = self._config, self._config['semisupervised']
        self._weights = {name: own[name] for name in TERMS if own[name]}
        names = [batch for term in self._weights for batch in BATCHES.get(term, ())]
        batches = list(dict.fromkeys(names))
        turns = [[batch] for batch in batches] if own['separate'] else [batches]
        # Of separate updates those of the game share an optimizer.
        adams = {labelled: adam(self._disc, config['disc']) for labelled in (True, False)}
        self._turns = [(turn, adams['labelled' in turn]) for turn in turns]
        self._gen_optimizer = adam(self._gen, config['gen'])
        self._averages, self._classifier = [], self._disc
        if config['gen']['ema_decay']:
            roles = (('gen', self._gen), ('disc', self._disc))
            self._averages = [
                (copy.deepcopy(net).requires_grad_(False), net, config[role]['ema_decay'])
                for role, net in roles
            ]
            self._classifier = self._averages[1][0].eval()

    def _compile(self) -> None:
        super()._compile()
        self._classifier = torch.compile(self._classifier)

    def step(self) -> None:
        """The discriminator's updates on labelled, unlabelled and generated images; the other's."""
        labelled, unlabelled = self._batch(), self._batch()
        label = torch.randint(NUM_CLASSES, (len(labelled),))
        shares = self._config['share_latent']
        with self._precision():
            with contextlib.nullcontext() if shares else torch.no_grad():
                fake = self._generate()
            sure = self._pseudo_labels(unlabelled) if 'pseudo' in self._weights else None
        batches = {
            'labelled': (labelled, label),
            'unlabelled': (unlabelled, sure),
            'fake': (fake.detach(), None),
        }
        for turn, optimizer in self._turns:
            optimizer.zero_grad(set_to_none=True)
            with self._precision():
                losses = [self._loss(name, *batches[name]) for name in turn]
            sum(losses).backward()
            optimizer.step()
        if not shares:
            with self._precision():
                fake = self._generate()
        self._update_gen(fake, unlabelled)
        for average, net, decay in self._averages:
            pairs = [list(x.parameters()) for x in (average, net)]
            torch._foreach_lerp_(*pairs, 1 - decay)

    def _loss(self, name: str, image: torch.Tensor, label: Any) -> torch.Tensor:
        """The weighted terms of a batch."""
        logits = self._disc(self._view_of(image))[0].float()
        evidence = logits.logsumexp(1)
        values = {
            'supervised': lambda: F.cross_entropy(logits, label),
            'adversarial': lambda: F.softplus(evidence if name == 'fake' else -evidence).mean(),
            'pseudo': lambda: (
                F.cross_entropy(logits, label, ignore_index=-1, reduction='sum') / len(logits)
            ),
        }
        terms = [term for term in self._weights if name in BATCHES.get(term, ())]
        return sum(self._weights[term] * values[term]() for term in terms)

    def _pseudo_labels(self, image: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            probability, label = self._classifier(image)[0].float().softmax(1).max(1)
        sure = probability >= self._config['semisupervised']['confidence']
        return torch.where(sure, label, -1)

    def _update_gen(self, fake: torch.Tensor, real: torch.Tensor) -> None:
        self._gen_optimizer.zero_grad(set_to_none=True)
        with self._frozen():
            with self._precision():
                logits, features = self._disc(self._view_of(fake))
                loss = torch.zeros(())
                if weight := self._weights.get('non_saturating'):
                    loss = loss + weight * F.softplus(-logits.float().logsumexp(1)).mean()
                if weight := self._weights.get('matching'):
                    with torch.no_grad():
                        wanted = self._disc(self._view_of(real))[1].float().mean(0)
                    loss = loss + weight * (wanted - features.float().mean(0)).square().mean()
            loss.backward()
        self._gen_optimizer.step()

    def _view_of(self, image: torch.Tensor) -> torch.Tensor:
        return affine(image) if self._config['augment'] else image


BATCHES: dict[str, Sequence[str]] = {
    'supervised': ('labelled',),
    'adversarial': ('unlabelled', 'fake'),
    'pseudo': ('unlabelled',),
}
TERMS = (*BATCHES, 'non_saturating', 'matching')


def affine(image: torch.Tensor) -> torch.Tensor:
    """gan_jax.augment.affine."""
    turn, high, wide, shear, down, right = (2 * torch.rand(6, len(image)) - 1).unbind()
    sine, cosine = torch.sin(math.radians(15) * turn), torch.cos(math.radians(15) * turn)
    high, wide, shear = 1 + 0.15 * high, 1 + 0.15 * wide, 0.15 * shear
    # x', then y', of x, y and 1, where the sides are from -1 to 1.
    cols = [sine * shear + cosine * wide, sine * high, 0.2 * right]
    rows = [cosine * shear - sine * wide, cosine * high, 0.2 * down]
    matrix = torch.stack([torch.stack(cols, 1), torch.stack(rows, 1)], 1)
    grid = F.affine_grid(matrix, list(image.shape), align_corners=True)
    return F.grid_sample(image, grid, 'bilinear', 'border', align_corners=True)


def adam(net: nn.Module, player: Section) -> torch.optim.Optimizer:
    """The player's optimizer for a network's parameters."""
    values = player['optimizer']
    betas = values['b1'], values['b2']
    rate = values['learning_rate']
    on_gpu = torch.get_default_device().type == 'cuda'
    return torch.optim.Adam(
        net.parameters(), rate, betas, values['eps'], fused=True, capturable=on_gpu
    )


TRAINERS: dict[str, Callable[..., Trainer]] = {
    'adversarial': Adversarial,
    'translation': Translation,
    'semisupervised': Semisupervised,
}


def make(config: Section, images: np.ndarray, variant: str) -> Trainer:
    """The trainer of a config; see `Trainer`."""
    return TRAINERS[config['task']](config, images, variant)
