"""The fields of a run's config, each declared once, and what is read from that.

A config is a `ConfigDict` with the groups and fields of `Config`. What reads it is annotated with
these classes, so that the type checker knows every field. `configs/*.py` change its values, flags
and `gan-jax config` and errors and saved runs go by `FIELDS`.
"""

from collections.abc import Iterable, Iterator, Mapping
import dataclasses
import itertools
import math
import pkgutil
from typing import Any, NamedTuple, TypeVar

from ml_collections import ConfigDict

from gan_jax.errors import UserError, nearest
from gan_jax.terminal import printable

T = TypeVar('T')
MOST_SAMPLES = 2**20  # at once: their latents take half a gigabyte
PRECISIONS = 'float32', 'bfloat16'
_BELOW = {int: 2**31, float: 1e6}
# What fields need; see `Field`.
_FALLS = '.schedule=linear,cosine'
_WITH_LOSS = 'task=adversarial,translation'


class Field(NamedTuple):
    """All there is to know of a field.

    An option, or `low`, may be 'module:NAME' of a registry or a constant of the package.
    """

    default: Any  # of the field's type
    meaning: str  # with the unit of a number
    options: tuple[str, ...] = ()  # all that it, or an entry of a tuple, may be; empty: anything
    low: float | str = 0  # least value of a number
    most: float | None = None  # greatest value
    below: float | None = None  # in place of `most`, what is too great; None: by the type
    # Fields that are not 0 or empty, or 'field=A,B', that have one of these values: without any of
    # them it does nothing. A dot before the name: of the same group.
    needs: tuple[str, ...] = ()
    path: bool = False  # whether it is a path of the user's
    may_change: bool = False  # in a run that goes on: no step computes with it
    was: str = ''  # its earlier name, which saved runs have

    def __str__(self) -> str:
        match self.default:
            case _ if self.options:
                number = 'some' if isinstance(self.default, tuple) else 'one'
                return f'{number} of {", ".join(filter(None, self.choices()))}'
            case bool():
                return 'True or False'
            case tuple():
                return f'whole numbers, e.g. {self.default}'
            case str():
                return 'a path' if self.path else 'a line of text'
        kind = 'a whole number' if isinstance(self.default, int) else 'a number'
        end = f'below {self._below():,.15g}' if self.most is None else f'at most {self.most:,}'
        return f'{kind} of at least {_named(self.low)} and {end}'

    def choices(self) -> tuple[str, ...]:
        """All it may be; empty: see `options`."""
        return tuple(
            name
            for option in self.options
            for name in (_named(option) if ':' in option else (option,))
        )

    def allows(self, value: Any) -> bool:
        """Whether the field may have the value."""
        match self.default:
            case tuple():
                kind = type(self.default[0])
                typed = isinstance(value, tuple) and all(type(entry) is kind for entry in value)
                return typed and (not self.options or set(value) <= set(self.choices()))
            case _ if self.options:
                return isinstance(value, str) and value in self.choices()
            case bool():
                return isinstance(value, bool)
            case str():
                return isinstance(value, str) and value == printable(value)
            case int():
                typed = type(value) is int
            case _:
                typed = type(value) in (int, float)
        # Written so that a NaN, which compares as false, fails too.
        high = typed and (value < self._below() if self.most is None else value <= self.most)
        return typed and _named(self.low) <= value and high

    def check(self, name: str, value: Any) -> None:
        """Raises UserError if the field, of this name, may not have a value."""
        if self.allows(value):
            return
        for entry in value if isinstance(value, tuple) else (value,):
            if self.options and isinstance(entry, str) and entry not in self.choices():
                raise UserError(f'config.{name}={value}: {nearest(entry, self.choices())}')
        raise UserError(f'config.{name}={value}: must be {self}')

    def _below(self) -> float:
        return _BELOW.get(type(self.default), math.inf) if self.below is None else self.below


def _named(value: Any) -> Any:
    """The value of 'module:NAME' in the package; any other value itself."""
    return pkgutil.resolve_name(f'gan_jax.{value}') if isinstance(value, str) else value


def field(
    default: T, meaning: str, *, options: str | tuple[str, ...] = (), needs: str = '', **more: Any
) -> T:
    """Declares a field; see `Field`. `options`, `needs`: a single one need be no tuple."""
    options = (options,) if isinstance(options, str) else options
    found = Field(default, meaning, options, needs=tuple(needs.split()), **more)
    return dataclasses.field(default=default, metadata={'field': found})


def group(kind: type[T], needs: str = '') -> T:
    """Declares a group of fields; `needs` is of each of them."""
    return dataclasses.field(default_factory=kind, metadata={'needs': tuple(needs.split())})


@dataclasses.dataclass(frozen=True)
class Group:
    """A group of fields, with what else is used of a `ConfigDict`."""

    def __getitem__(self, name: str) -> Any:
        """The field, or group, of that name."""
        return getattr(self, name)

    def to_dict(self) -> dict[str, Any]:
        """Values and groups by their names."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Labels(Group):
    """Which labels training may see."""

    number: int = field(0, 'labels that training may see, the others are removed; 0: all')
    mode: str = field('balanced', 'how they are drawn', options='data.label_subsets:MODES')
    seed: int = field(0, 'of their draw')
    validation: int = field(0, 'of these labels, kept from training to choose settings by')
    alone: bool = field(False, 'train on the images with such labels alone')


@dataclasses.dataclass(frozen=True)
class Data(Group):
    """The training images."""

    name: str = field('mnist5k', 'data set', options='data:DATASETS')
    path: str = field('', 'where the set is; empty: its usual place', path=True, may_change=True)
    split: str = field('train', 'train, test (see held_out) or all')
    image_size: int = field(
        0, 'pixels a side, for sets with images of any size; 64x96: 64 high, 96 wide', below=8_193
    )
    width: int = field(
        0, 'pixels across, of images that are no squares', below=8_193, needs='.image_size'
    )
    channels: str = field(
        'rgb',
        'of images; rgba: with alpha; rgb and grey: over white',
        options='data.decode:CHANNELS',
        needs='data.name=folder,synthetic',
    )
    deep: bool = field(
        False,
        '16 bits a channel, where PNG and TIFF files have them, not 8',
        needs='data.name=folder,synthetic',
    )
    crop: int = field(0, 'source pixels that the centred part which is kept is high; 0: all it can')
    held_out: float = field(0.0, "share of the images kept from training as 'test'", below=1)
    flip: bool = field(False, 'show each image, or its mirror image, at random')
    warp: float = field(0.0, 'thin-plate warps: deviation as a share of the side', below=1)
    zoom: float = field(0.0, 'random crops of 1 - zoom to 1 of the side, enlarged', below=1)
    jitter: int = field(0, 'pixels a side stored more, for random crops', below=1_025)
    attributes: str = field(
        '',
        'columns of labels.csv, or attributes of celeb_a, that are the labels, with commas between',
        needs='data.name=folder,celeb_a',
        was='attribute',
    )
    input: str = field(
        '',
        "the translator's input: made of the photo, a half of it, or in another folder",
        options=('', 'data.pairs:INPUTS'),
        needs='data.name=pairs,synthetic',
    )
    input_path: str = field(
        '', 'folder of the inputs', needs='data.name=pairs', path=True, may_change=True
    )
    canny: tuple[int, ...] = field(
        (100, 200), 'gradients that start and end an edge, in grey levels', needs='.input=canny'
    )
    num_examples: int = field(0, 'use a random subset of so many images; 0: all')
    enough: int = field(0, 'fewer images than this are warned about', may_change=True)
    subset_seed: int = field(0, 'which subset', needs='.num_examples')
    feed: str = field(
        'auto',
        'resident: in memory; auto: up to 1 GB, or a quarter of a GPU',
        options='data.feeds:FEEDS',
        may_change=True,
    )
    added: str = field(
        '', 'an .npz of more images, as gan-jax sample writes it', path=True, may_change=True
    )
    unlabelled: str = field('', 'sub-folder of no class', needs='data.name=folder')
    labels: Labels = group(Labels)


@dataclasses.dataclass(frozen=True)
class Net(Group):
    """A network. Its other fields are those of the module that its name stands for."""

    name: str = field('dcgan', 'network; the fields below are its own')

    def __getattr__(self, name: str) -> Any:
        """Any of its own fields."""
        raise AttributeError(name)


@dataclasses.dataclass(frozen=True)
class Optimizer(Group):
    """Adam as GANs use it."""

    name: str = field('adam', 'optimizer', options='optimizers:OPTIMIZERS')
    learning_rate: float = field(2e-4, 'at step 0')
    b1: float = field(0.5, 'decay of the first moment (momentum for sgd)', below=1)
    b2: float = field(0.999, 'decay of the second moment', below=1)
    eps: float = field(1e-8, 'added to the root of the second moment')
    schedule: str = field('constant', 'how the rate falls', options='optimizers:SCHEDULES')
    constant_steps: int = field(0, 'steps at the full rate first', needs=_FALLS)
    final_fraction: float = field(0.0, 'rate at the end, of the initial one', needs=_FALLS)


@dataclasses.dataclass(frozen=True)
class Generator(Group):
    """The generator."""

    net: Net = group(Net)
    optimizer: Optimizer = group(Optimizer)
    ema_decay: float = field(0.0, 'of the moving average used for samples; 0: none', below=1)


@dataclasses.dataclass(frozen=True)
class Discriminator(Group):
    """The discriminator."""

    net: Net = group(Net)
    optimizer: Optimizer = group(Optimizer)
    ema_decay: float = field(
        0.0, 'of the moving average used for classes', below=1, needs='task=semisupervised'
    )
    freeze: int = field(0, 'first blocks that stay as they start', needs='start_from')


@dataclasses.dataclass(frozen=True)
class LatentMixture(Group):
    """A mixture as the prior of latents; see `gan_jax.tasks.latents`."""

    components: float = field(0.0, 'for each image of the set, e.g. 0.5; 0: off', was='centres')
    std: float = field(0.3, "as a share of the prior's own", needs='.components', was='spread')


@dataclasses.dataclass(frozen=True)
class Penalties(Group):
    """Weights of `gan_jax.penalties.PENALTIES`; 0: off."""

    gradient_penalty: float = field(0.0, 'weight, of gradients between real and generated images')
    dragan: float = field(0.0, 'weight, of gradients around real images')
    r1: float = field(0.0, 'weight, of gradients at real images')
    r2: float = field(0.0, 'weight, of gradients at generated images')


@dataclasses.dataclass(frozen=True)
class Lecam(Group):
    """The LeCam penalty on the discriminator's logits; see `gan_jax.penalties`."""

    weight: float = field(0.0, 'weight; 0: off')
    decay: float = field(0.99, 'of the moving averages of the logits', below=1, needs='.weight')
    start: int = field(1_000, 'steps before it applies', needs='.weight')


@dataclasses.dataclass(frozen=True)
class InstanceNoise(Group):
    """Gaussian noise on all that the discriminator sees."""

    std: float = field(0.0, 'deviation, for pixels in [-1, 1]; 0: off')
    decay_steps: int = field(0, 'it falls linearly to 0 by this step; 0: it stays', needs='.std')


@dataclasses.dataclass(frozen=True)
class Ada(Group):
    """With a target `augment_p` adapts, from 0; see `gan_jax.augment`."""

    target: float = field(
        0.0, "mean sign of D's logits of real images, e.g. 0.6; 0: off", below=1, needs='augment'
    )
    every: int = field(4, 'steps between changes', low=1, needs='.target')
    images: int = field(100_000, 'real images to rise from 0 to 1 in', low=1, needs='.target')
    limit: float = field(0.8, 'greatest probability', most=1, needs='.target')


@dataclasses.dataclass(frozen=True)
class Semisupervised(Group):
    """Weights of the terms of the task `semisupervised`, and how it uses them."""

    supervised: float = field(1.0, 'weight, D: classes of the labelled images')
    adversarial: float = field(1.0, 'weight, D: unlabelled images from generated ones')
    pseudo: float = field(0.0, 'weight, D: pseudo-labels of the unlabelled images')
    confidence: float = field(0.95, 'probability from which a class is a pseudo-label', below=1)
    adaptive: bool = field(False, 'a lower one for classes that are seldom seen', needs='.pseudo')
    marginal: float = field(0.0, 'weight, D: to see all classes alike in unlabelled images')
    non_saturating: float = field(1.0, 'weight, G: to be taken for real')
    matching: float = field(0.0, 'weight, G: to have the mean features of real images')
    equal_end: float = field(
        0.0,
        'last share of the steps, which count alike in the moving averages',
        below=1,
        needs='gen.ema_decay disc.ema_decay',
    )
    separate: bool = field(False, 'an update of D, with an Adam of its own, for each kind of batch')
    unlabelled: str = field(
        'all',
        'images used without a label; rest: without one',
        options='tasks.semisupervised:POOLS',
    )


@dataclasses.dataclass(frozen=True)
class Translation(Group):
    """Loss weights of the task `translation`, and how its generator works out of training."""

    l1: float = field(100.0, 'weight, of pixels in [-1, 1]')
    perceptual: float = field(0.0, "weight, of a trained net's maps, in deviations; 0: off")
    matching: float = field(0.0, "weight, of D's hidden maps; 0: off")
    frozen: str = field(
        'efficientnet_lite0',
        'that trained net, which D may use',
        options='pretrained.frozen:FROZEN',
    )
    disc_weight: float = field(0.5, "of the discriminator's loss: pix2pix halves it")
    batch_statistics: str = field(
        'image',
        'of batch norm out of training',
        options='tasks.translation:BATCH_STATISTICS',
        was='moments',
    )
    dropout: bool = field(False, 'out of training too, as in the paper')


@dataclasses.dataclass(frozen=True)
class Evaluate(Group):
    """Measurements while training; see docs/reference/metrics.md."""

    balance: int = field(1, 'epochs between balances of G and D; 0: none', may_change=True)
    every: float = field(0.0, 'epochs between evaluations, e.g. 0.5; 0: none', may_change=True)
    metrics: tuple[str, ...] = field(
        ('frechet',), 'what is measured', options='evaluation:MEASUREMENTS', was='figures'
    )
    num_samples: int = field(5_000, 'samples', low='evaluation.distances:FEWEST', most=2**20)
    features: str = field(
        '',
        'feature net; empty: one that training does not see',
        options=('', 'pretrained.features:NETS'),
    )
    weights: str = field(
        '', 'file of the weights, where the feature net takes one', path=True, may_change=True
    )
    best: str = field('', 'figure whose best checkpoint is kept; empty: none', needs='.every')


@dataclasses.dataclass(frozen=True)
class Stop(Group):
    """When a run ends before its last step."""

    figure: str = field(
        '',
        'figure that ends it once it improves no more, and whose best step is kept; empty: none',
        needs='evaluate.every',
        may_change=True,
    )
    patience: int = field(
        6, 'measurements without a better one', low=1, needs='.figure', may_change=True
    )


@dataclasses.dataclass(frozen=True)
class Config(Group):
    """A run's config: with the defaults a DCGAN on the packaged digits."""

    name: str = field('gan', 'title of the run in reports', may_change=True)
    task: str = field('adversarial', 'kind of GAN', options='tasks:TASKS')
    seed: int = field(0, 'of parameters, noise, augmentation and data order', below=2**32)
    start_from: str = field(
        '', 'RUN or RUN@STEP, or a shared folder: whose weights the networks start with', path=True
    )
    steps: int = field(10_000, 'generator updates in the whole run', low=1, may_change=True)
    batch_size: int = field(64, 'images in a step, on all devices', low=1, most=2**20)
    disc_steps: int = field(
        1,
        'discriminator updates per generator update',
        low=1,
        most=10_000,
        needs='task=adversarial',
    )
    data: Data = group(Data)
    gen: Generator = group(Generator)
    disc: Discriminator = group(Discriminator)
    latent_dim: int = field(100, 'entries of z', low=1, below=2**20)
    latent: str = field('normal', 'distribution of z', options='tasks.latents:DISTRIBUTIONS')
    latent_mixture: LatentMixture = group(LatentMixture)
    conditional: bool = field(False, 'class-conditional networks', needs='task=adversarial')
    batch_norm: str = field(
        'global', 'batch statistics over all devices, or of each', options=('global', 'per_device')
    )
    precision: str = field('float32', 'of the arithmetic, not of parameters', options=PRECISIONS)
    loss: str = field(
        'non_saturating', 'of both networks', options='losses:LOSSES', needs=_WITH_LOSS
    )
    label_smoothing: float = field(
        0.0, 'real targets are 1 - this (one-sided)', below=1, needs=_WITH_LOSS
    )
    share_latent: bool = field(
        True,
        "G's update reuses the fakes of D's last update",
        needs='task=adversarial,semisupervised',
    )
    penalties: Penalties = group(Penalties, needs='task=adversarial')
    penalty_every: int = field(
        1, 'steps between penalties; their weights are multiplied by it', low=1, needs='penalties'
    )
    lecam: Lecam = group(Lecam, needs='task=adversarial')
    instance_noise: InstanceNoise = group(InstanceNoise)
    augment: str = field('', "of all that D sees, e.g. 'color,translation,cutout'")
    augment_p: float = field(1.0, 'probability of each, for an image', most=1, needs='augment')
    ada: Ada = group(Ada, needs='task=adversarial')
    semisupervised: Semisupervised = group(Semisupervised, needs='task=semisupervised')
    translation: Translation = group(Translation, needs='task=translation')
    runner: str = field(
        'auto', 'of several devices', options=('auto', 'runners:RUNNERS'), may_change=True
    )
    devices: int = field(0, 'of each process; 0: all', most=10_000, may_change=True)
    steps_per_call: int = field(
        0,
        'training steps in one dispatch; 0: 1 on a CPU, up to 100 elsewhere',
        most=10_000,
        may_change=True,
    )
    matmul_precision: str = field(
        'default',
        'of products of float32; default: TF32 on a GPU, bfloat16 on a TPU, float32 on a CPU',
        options=('default', 'float32'),
    )
    deterministic: bool = field(
        True, 'on a GPU: the same bits in each run, so that a resumed one is exact'
    )
    log_every: int = field(50, 'steps between lines of metrics.jsonl', low=1, may_change=True)
    sample_every: int = field(1_000, 'steps between sample grids', low=1, may_change=True)
    save_every: int = field(1_000, 'steps between checkpoints', low=1, may_change=True)
    least_s: float = field(
        10.0,
        'seconds from one checkpoint, or grid, to the next, at least; not on a CPU',
        may_change=True,
    )
    keep: int = field(3, 'newest checkpoints kept', low=1, most=10_000, may_change=True)
    num_samples: int = field(64, 'images in a grid', low=1, most=MOST_SAMPLES)
    evaluate: Evaluate = group(Evaluate)
    stop: Stop = group(Stop)
    on_nan: str = field(
        'stop',
        'rollback: go on from the last checkpoint with other noise',
        options=('stop', 'rollback'),
        may_change=True,
    )
    tensorboard: bool = field(True, 'also write event files', may_change=True)


def _walk(kind: Any, path: str, needs: tuple[str, ...]) -> Iterator[tuple[str, Field]]:
    for entry in dataclasses.fields(kind):
        if 'field' in entry.metadata:
            own = entry.metadata['field']
            absolute = tuple(path + need[1:] if need[0] == '.' else need for need in own.needs)
            yield path + entry.name, own._replace(needs=needs + absolute)
        else:
            inherited = needs + entry.metadata['needs']
            yield from _walk(entry.type, f'{path}{entry.name}.', inherited)


FIELDS: Mapping[str, Field] = dict(_walk(Config, '', ()))  # by dotted path
RENAMED = {f'{path.rpartition(".")[0]}.{own.was}': path for path, own in FIELDS.items() if own.was}
GROUPS = frozenset(
    '.'.join(path.split('.')[:depth]) for path in FIELDS for depth in range(1, path.count('.') + 1)
)


def default() -> ConfigDict:
    """Every field with its default."""
    return ConfigDict(Config().to_dict())


def hint(path: str, known: Iterable[str]) -> str:
    """Ends an error about a field that does not exist: its new name, or else the nearest."""
    return f'it is config.{RENAMED[path]} now' if path in RENAMED else nearest(path, known)


def sides(config: Data) -> tuple[int, int]:
    """Height and width of the images that a run asks for; (0, 0): as they are."""
    return config.image_size, config.width or config.image_size


def leaves(config: ConfigDict) -> set[str]:
    """Dotted paths of all fields that hold a value."""
    return {
        path
        for key, value in config.items()
        for path in (
            {f'{key}.{sub}' for sub in leaves(value)} if isinstance(value, ConfigDict) else {key}
        )
    }


def get(config: Any, field: str) -> Any:
    """The value at a dotted path."""
    for key in field.split('.'):
        config = config[key]
    return config


def idle(config: Config) -> Iterator[tuple[str, str]]:
    """The fields that do nothing, and have another value than their default; what each lacks.

    That is one of its `needs`.
    """
    for path, entry in FIELDS.items():
        if get(config, path) != entry.default:
            lacking = (need for need in entry.needs if not _met(config, need))
            yield from ((path, need) for need in itertools.islice(lacking, 1))


def _met(config: Config, need: str) -> bool:
    other, _, wanted = need.partition('=')
    value = get(config, other)
    if isinstance(value, ConfigDict):
        return any(value.values())
    return value in wanted.split(',') if wanted else bool(value)
