"""The fields of a run's config, and the rules they must keep before anything is compiled.

A file in `configs/` takes `default()`, sets what its experiment needs, and returns it.
`choices` of a field are checked against the registry that implements them, so a new
loss or net is a new entry there and nowhere else.
"""

from collections.abc import Callable, Collection, Mapping
import functools
import math
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from gan_jax import augment, data, evaluation, losses, nets, optimizers, runners, tasks
from gan_jax.data import label_subsets
from gan_jax.errors import UserError, nearest
from gan_jax.evaluation import distances, figures
from gan_jax.pretrained import features, frozen
from gan_jax.tasks import latents, semisupervised, translation
from gan_jax.terminal import printable


def optimizer(learning_rate: float, b1: float, b2: float = 0.999) -> ConfigDict:
    """Adam as GANs use it; `schedule` spans the run unless `decay_steps` says otherwise."""
    return ConfigDict(
        dict(
            name='adam',  # adam | sgd | rmsprop
            learning_rate=learning_rate,  # at step 0
            b1=b1,  # decay of the first moment (momentum for sgd)
            b2=b2,  # decay of the second moment
            eps=1e-8,  # added to the root of the second moment
            schedule='constant',  # constant | linear | cosine
            constant_steps=0,  # steps at the full rate before the schedule sets in
            final_fraction=0.0,  # rate at the end, as a fraction of the initial one
        )
    )


def default() -> ConfigDict:
    """Every field with its default: a DCGAN on the packaged digits."""
    config = ConfigDict()
    config.name = 'gan'  # title of the run in reports
    config.task = 'adversarial'  # key of gan_jax.tasks.TASKS
    config.seed = 0  # of parameters, latents, dropout, augmentation and data order
    config.steps = 10_000  # generator updates in the whole run
    config.batch_size = 64  # global; divisible by the number of devices
    config.disc_steps = 1  # discriminator updates, each on new images, per generator update

    config.data = _data()
    config.gen = ConfigDict()
    config.gen.net = ConfigDict(dict(name='dcgan'))  # key of gan_jax.nets.NETS; others are its own
    config.gen.optimizer = optimizer(2e-4, 0.5)
    config.gen.ema_decay = 0.0  # of the exponential moving average used for samples; 0: none
    config.disc = ConfigDict()
    config.disc.net = ConfigDict(dict(name='dcgan'))  # as of the generator
    config.disc.optimizer = optimizer(2e-4, 0.5)
    config.disc.ema_decay = 0.0  # of the one used for classes; 0: none
    config.latent_dim = 100  # entries of z
    config.latent = 'normal'  # normal: N(0, 1) | uniform: U(-1, 1)
    config.latent_mixture = _latent_mixture()
    config.conditional = False  # class-conditional networks, where the set has labels
    config.batch_norm = 'global'  # moments over all devices, or 'per_device'
    config.precision = 'float32'  # of the arithmetic; bfloat16 keeps parameters in float32

    config.loss = 'non_saturating'  # key of gan_jax.losses.LOSSES
    config.label_smoothing = 0.0  # real targets are 1 - this (one-sided)
    config.share_latent = True  # G's update reuses the fakes of D's last update
    config.penalties = ConfigDict()  # weights of gan_jax.penalties.PENALTIES; 0: off
    config.penalties.gradient_penalty = 0.0  # of gradients between real and generated images
    config.penalties.dragan = 0.0  # of gradients around real images
    config.penalties.r1 = 0.0  # of gradients at real images
    config.penalties.r2 = 0.0  # of gradients at generated images
    config.penalty_every = 1  # steps between these; their weights are multiplied by it
    config.lecam = _lecam()
    config.instance_noise = _instance_noise()
    config.augment = ''  # of all that D sees, e.g. 'color,translation,cutout'
    config.augment_p = 1.0  # probability of each of these for an image
    config.ada = _ada()

    config.semisupervised = _semisupervised()
    config.translation = _translation()

    config.runner = 'auto'  # pmap | shard_map | vmap; auto: pmap of one process on a CPU
    config.devices = 0  # of each process; 0: all
    config.steps_per_call = 0  # training steps in one dispatch; 0: 1 on a CPU, up to 100 elsewhere

    config.log_every = 50  # steps between lines of metrics.jsonl
    config.sample_every = 1_000  # steps between sample grids
    config.save_every = 1_000  # steps between checkpoints
    config.keep = 3  # newest checkpoints kept
    config.num_samples = 64  # images in a grid
    config.evaluate = _evaluate()
    config.on_nan = 'stop'  # stop | rollback: go on from the last checkpoint with other noise
    config.tensorboard = True  # also write event files
    return config


def _latent_mixture() -> ConfigDict:
    """Latents around fixed centres; see `gan_jax.tasks.latents`."""
    return ConfigDict(
        dict(
            centres=0.0,  # for each image of the set, e.g. 0.5; 0: off
            spread=0.3,  # around each, as a share of the distribution's own
        )
    )


def _lecam() -> ConfigDict:
    """The LeCam penalty on D's logits; see `gan_jax.penalties`."""
    return ConfigDict(
        dict(
            weight=0.0,  # 0: off
            decay=0.99,  # of the moving averages of the logits
            start=1_000,  # steps before it applies
        )
    )


def _instance_noise() -> ConfigDict:
    """Gaussian noise on all that D sees."""
    return ConfigDict(
        dict(
            std=0.0,  # for pixels in [-1, 1]
            decay_steps=0,  # it falls linearly to 0 by this step; 0: it stays
        )
    )


def _ada() -> ConfigDict:
    """With a target `augment_p` adapts, from 0."""
    return ConfigDict(
        dict(
            target=0.0,  # of the mean sign of D's logits of real images, e.g. 0.6; 0: off
            every=4,  # steps between changes
            images=100_000,  # real images in which it can rise from 0 to 1
            limit=0.8,  # above which samples may carry the augmentation
        )
    )


def _semisupervised() -> ConfigDict:
    """Weights of the terms of the task `semisupervised`, and how it uses them."""
    return ConfigDict(
        dict(
            supervised=1.0,  # D: classes of the labelled images
            adversarial=1.0,  # D: unlabelled images from generated ones
            pseudo=0.0,  # D: classes of the unlabelled images of which its average is sure
            confidence=0.95,  # how sure that is: a probability
            non_saturating=1.0,  # G: to be taken for real
            matching=0.0,  # G: to have the mean features of real images
            separate=False,  # an update of D, with an Adam of its own, for each kind of batch
            unlabelled='all',  # the images it takes without a label: all | rest, those with none
        )
    )


def _translation() -> ConfigDict:
    """Loss weights of the task `translation`, and how its generator works out of training."""
    return ConfigDict(
        dict(
            # Weights of the generator's distances to the photo, of gan_jax.tasks.translation.TERMS.
            l1=100.0,  # of pixels in [-1, 1]
            perceptual=0.0,  # of a trained net's maps, in standard deviations; 0: off
            matching=0.0,  # of D's hidden maps; 0: off
            # Key of pretrained.frozen.FROZEN: whose maps these are, which D may look at too.
            frozen='efficientnet_lite0',
            disc_weight=0.5,  # of the discriminator's loss: pix2pix halves it
            # Of batch norm out of training: each image's own, as in the paper at batch 1 | running.
            moments='image',
            dropout=False,  # out of training too, as in the paper
        )
    )


def _evaluate() -> ConfigDict:
    """Measurements while training; see docs/balance.md and docs/evaluation.md."""
    return ConfigDict(
        dict(
            balance=1,  # epochs between measurements of the balance of G and D; 0: none
            every=0.0,  # epochs, or a fraction of one, between evaluations of samples; 0: none
            figures=('frechet',),  # of these: keys of gan_jax.evaluation.FIGURES
            num_samples=5_000,  # in each of them
            features='',  # feature net, as of gan-jax evaluate; '': one that training does not see
            weights='',  # file of the weights, where the feature net takes one
            best='',  # the figure whose best checkpoint is kept, e.g. frechet_digits; '': none
        )
    )


def _data() -> ConfigDict:
    return ConfigDict(
        dict(
            name='mnist5k',  # key of gan_jax.data.DATASETS
            path='',  # where the set is; '' is its usual place
            split='train',  # folder, pairs: train, test (see held_out) or all
            image_size=0,  # pixels a side, for sets whose images have no size of their own
            crop=0,  # source pixels a side of the centred square that is kept; 0: all it can
            held_out=0.0,  # share of the images that split 'test' has and 'train' has not
            flip=False,  # show each image, or its mirror image, at random
            warp=0.0,  # bend images by thin-plate splines, so far a share of the side (deviation)
            zoom=0.0,  # show random crops of 1 - zoom to 1 of the side, enlarged to all of it
            jitter=0,  # store images so many pixels larger, and show random crops of them
            attribute='',  # of celeb_a: the one whose presence is the label
            input='',  # of pairs: grey | canny | left | right | folder; see data/pairs.py
            input_path='',  # of pairs whose input is a folder: where it is
            canny=(100, 200),  # of pairs: gradients that start and end an edge
            num_examples=0,  # use a random subset of so many images; 0: all
            enough=0,  # fewer images than this are warned about
            subset_seed=0,  # which subset
            feed='auto',  # resident | stream | auto: resident up to 1 GB
            added='',  # an .npz of more images, `image` and `label`, as `sample` writes it
            unlabelled='',  # of folder: a sub-folder without a class; images in none have none then
            labels=dict(
                number=0,  # labels that training may see, the others are removed; 0: all
                mode='balanced',  # which: balanced over the classes | uniform | first
                seed=0,  # of their draw
                validation=0,  # of these labels, kept from training to choose settings by
                alone=False,  # train on the images with such labels alone
            ),
        )
    )


def pix2pix(name: str) -> ConfigDict:
    """The networks and the training of pix2pix (arXiv:1611.07004) on pairs at 256x256.

    Adam at 2e-4 / 0.5 in batches of one pair for 80,000 steps, 200 epochs of 400 pairs, of which
    the second half lowers the rate to 0.
    """
    config = default()
    config.name = name
    config.task = 'translation'
    config.data.name = 'pairs'
    config.data.image_size = 256
    for role in ('gen', 'disc'):
        config[role].net = ConfigDict(dict(name='pix2pix'))
        config[role].optimizer = optimizer(2e-4, 0.5)
        config[role].optimizer.schedule = 'linear'
        config[role].optimizer.constant_steps = 40_000
    config.batch_size = config.devices = 1
    config.steps = 80_000
    config.num_samples = 6
    config.sample_every = 500
    return config


def small_album(config: ConfigDict) -> None:
    """Makes of `pix2pix` what learns hundreds of pairs within an hour on two cores.

    A step is of eight pairs, with a tenth of the paper's parameters, so that an hour shows each
    pair hundreds of times. A perceptual loss (Johnson et al. 2016, arXiv:1603.08155) asks for fur
    where L1 asks for the mean of all colours, and so does a discriminator that looks through the
    same frozen net (Sauer et al. 2021, arXiv:2111.01007); repetition and convolution leave no
    checkerboard; and instance norm keeps a picture from depending on its neighbours in the batch.
    """
    norm = 'instance_affine'
    config.gen.net = ConfigDict(
        dict(
            name='pix2pix',
            width=32,
            depth=6,
            norm=norm,
            dropout=0.0,
            upsample='resize',
            join_input=True,
        )
    )
    config.gen.optimizer.learning_rate = 4e-4
    config.gen.ema_decay = 0.995
    config.disc.net = ConfigDict(dict(name='projected_patches', norm=norm))
    config.loss = 'hinge'
    config.translation.l1 = 40.0
    config.translation.perceptual = 20.0
    config.translation.disc_weight = 1.0
    config.batch_size = 8
    config.steps = 10_000
    for role in ('gen', 'disc'):
        config[role].optimizer.constant_steps = 5_000
    sides(config)['128']()
    config.evaluate.every = 10.0
    config.evaluate.num_samples = 50
    config.evaluate.features = 'squeezenet'  # which training does not see
    config.evaluate.figures = ('classes',)
    config.evaluate.best = 'distance_squeezenet_held_out'


def choose_translator(config: ConfigDict, preset: str) -> ConfigDict:
    """Chooses the preset of an album of pairs, as `choose_preset` does.

    Presets: smoke; 64, 128 (as without one), 256 or 512 pixels a side, of `small_album`; each with
    _paper, and paper (256 pixels), as `pix2pix` has it.
    """
    if not preset.endswith('paper'):
        small_album(config)
    found = sides(config)
    papers = {f'{pixels}_paper': change for pixels, change in found.items()}
    return choose_preset(config, preset, **found, **papers, paper=lambda: None)


def sides(config: ConfigDict) -> dict[str, Callable[[], None]]:
    """Presets by the size of the images that pix2pix takes, jittered in proportion."""

    def change(pixels: int) -> None:
        config.data.jitter = config.data.jitter * pixels // config.data.image_size
        config.data.image_size = pixels

    return {str(pixels): functools.partial(change, pixels) for pixels in (64, 128, 256, 512)}


def smoke(config: ConfigDict) -> ConfigDict:
    """The same code paths in seconds, without a network: five checkpoints and every file."""
    config.data.name = data.DATASETS[config.data.name].stand_in
    config.data.path = ''
    config.data.attribute = config.data.input_path = ''
    config.data.num_examples = 200
    if config.task == 'translation':
        sides(config)['64']()
        # Nothing by nets that may not be installed.
        config.disc.net = ConfigDict(
            dict(name='pix2pix', norm=config.disc.net.get('norm', 'batch'))
        )
        config.translation.perceptual = 0.0
        config.evaluate.features = config.evaluate.best = ''
        config.evaluate.figures = ()
    config.data.held_out = 0.0
    config.data.unlabelled = ''
    config.data.labels.number = min(config.data.labels.number, 20)
    config.data.labels.mode = 'balanced'
    config.data.labels.validation = min(config.data.labels.validation, 10)
    for role in ('gen', 'disc'):
        if 'width' in nets.fields(config[role].net.name, role):
            config[role].net.width = 8
    for role in ('gen', 'disc'):
        config[role].optimizer.constant_steps = min(config[role].optimizer.constant_steps, 10)
    config.lecam.start = min(config.lecam.start, 10)
    config.steps = 20
    config.steps_per_call = 0
    config.batch_size = min(config.batch_size, 16)
    config.num_samples = min(config.num_samples, 16)
    config.log_every = 2
    config.sample_every = 5
    config.save_every = 4
    config.keep = 5
    return config


def choose_preset(config: ConfigDict, preset: str, **others: Callable[[], None]) -> ConfigDict:
    """Applies the preset after the colon: '', 'smoke' or one of `others`.

    Args:
      config: with the experiment's own settings.
      preset: its name.
      **others: functions, by preset, that change `config` in place.

    Raises:
      UserError: there is no such preset.
    """
    if preset == 'smoke':
        return smoke(config)
    if preset in others:
        others[preset]()
    elif preset:
        names = ['smoke', *others]
        raise UserError(f'no such preset; {nearest(preset, names)}')
    return config


PRECISIONS = 'float32', 'bfloat16'

_CHOICES = {
    'latent': latents.DISTRIBUTIONS,
    'batch_norm': ('global', 'per_device'),
    'precision': PRECISIONS,
    'on_nan': ('stop', 'rollback'),
    'data.name': data.DATASETS,
    'data.feed': ('auto', 'resident', 'stream'),
    'data.labels.mode': label_subsets.MODES,
    'semisupervised.unlabelled': semisupervised.POOLS,
    'translation.moments': translation.MOMENTS,
    'translation.frozen': frozen.FROZEN,
    'task': tasks.TASKS,
    'loss': losses.LOSSES,
    'runner': ('auto', *runners.RUNNERS),
    'gen.optimizer.name': optimizers.OPTIMIZERS,
    'disc.optimizer.name': optimizers.OPTIMIZERS,
    'gen.optimizer.schedule': optimizers.SCHEDULES,
    'disc.optimizer.schedule': optimizers.SCHEDULES,
}

# Bounds of the numbers, where they are not those of their type: see `rule`.
_AT_LEAST = {
    **dict.fromkeys(
        ('steps', 'batch_size', 'disc_steps', 'latent_dim', 'keep')
        + ('penalty_every', 'ada.every', 'ada.images')
        + ('log_every', 'sample_every', 'save_every', 'num_samples'),
        1,
    ),
    'evaluate.num_samples': distances.FEWEST,
}
_AT_MOST = {
    **dict.fromkeys(('augment_p', 'ada.limit'), 1),
    **dict.fromkeys(('batch_size', 'num_samples', 'evaluate.num_samples'), 2**20),
    **dict.fromkeys(('disc_steps', 'steps_per_call', 'devices', 'keep'), 10_000),
}
_BELOW = {
    **{
        'label_smoothing': 1,
        'ada.target': 1,
        'lecam.decay': 1,
        'semisupervised.confidence': 1,
        'seed': 2**32,
        'latent_dim': 2**20,
        'data.held_out': 1,
        'data.warp': 1,
        'data.zoom': 1,
        'data.image_size': 8_193,
        'data.jitter': 1_025,
    },
    **{f'{role}.optimizer.{b}': 1 for role in ('gen', 'disc') for b in ('b1', 'b2')},
    **{f'{role}.ema_decay': 1 for role in ('gen', 'disc')},
}
_BELOW_BY_TYPE = {int: 2**31, float: 1e6}


class Rule(NamedTuple):
    """What a field may be.

    Attributes:
      like: its default, which has its type.
      options: all it may be; empty: any text, or number in the bounds.
      low, below: bounds of a number.
      most: in place of `below`, a number that it may be.
    """

    like: Any
    options: Collection[str] = ()
    low: float = 0
    below: float = math.inf
    most: float | None = None

    def __str__(self) -> str:
        match self.like:
            case _ if self.options:
                return f'one of {", ".join(map(str, self.options))}'
            case bool():
                return 'True or False'
            case tuple():
                kind = 'whole numbers' if isinstance(self.like[0], int) else 'names'
                return f'{kind}, e.g. {self.like}'
            case str():
                return 'a line of text'
        kind = 'a whole number' if isinstance(self.like, int) else 'a number'
        end = f'below {self.below:,.15g}' if self.most is None else f'at most {self.most:,}'
        return f'{kind} of at least {self.low} and {end}'

    def allows(self, value: Any) -> bool:
        """Whether the field may have the value."""
        match self.like:
            case _ if self.options:
                return isinstance(value, str) and value in self.options
            case bool():
                return isinstance(value, bool)
            case tuple():
                kind = type(self.like[0])
                return isinstance(value, tuple) and all(type(entry) is kind for entry in value)
            case str():
                return isinstance(value, str) and value == printable(value)
            case int():
                typed = type(value) is int
            case _:
                typed = type(value) in (int, float)
        # Written so that a NaN, which compares as false, fails too.
        high = typed and (value < self.below if self.most is None else value <= self.most)
        return typed and self.low <= value and high


@functools.cache
def rules() -> Mapping[str, Rule]:
    """The rule of every field but those that a network alone has."""
    config = default()
    return {field: _rule(field, get(config, field)) for field in sorted(leaves(config))}


@functools.cache
def groups() -> frozenset[str]:
    """The paths of all groups of fields."""
    inner = {field.rpartition('.')[0] for field in rules()}
    return frozenset(inner | {group.partition('.')[0] for group in inner}) - {''}


def _rule(field: str, like: Any) -> Rule:
    below = _BELOW.get(field, _BELOW_BY_TYPE.get(type(like), math.inf))
    options = _CHOICES.get(field, ())
    return Rule(like, tuple(options), _AT_LEAST.get(field, 0), below, _AT_MOST.get(field))


# Fields that do nothing while another is 0: that one.
_IDLE_WITHOUT = {
    'ada.limit': 'ada.target',
    'instance_noise.decay_steps': 'instance_noise.std',
    'latent_mixture.spread': 'latent_mixture.centres',
}


def leaves(config: ConfigDict) -> set[str]:
    """Dotted paths of all fields that hold a value."""
    return {
        path
        for key, value in config.items()
        for path in (
            {f'{key}.{sub}' for sub in leaves(value)} if isinstance(value, ConfigDict) else {key}
        )
    }


def get(config: ConfigDict, field: str) -> Any:
    """The value at a dotted path."""
    for key in field.split('.'):
        config = config[key]
    return config


def check(field: str, value: Any, rule: Rule) -> None:
    """Raises UserError if a field may not have a value."""
    if rule.allows(value):
        return
    if rule.options and isinstance(value, str):
        raise UserError(f'config.{field}={value}: {nearest(value, rule.options)}')
    raise UserError(f'config.{field}={value}: must be {rule}')


def validate(config: ConfigDict) -> None:
    """Stops what cannot run before anything is loaded or compiled.

    Raises:
      UserError: names the field and what would be right.
    """
    for field, rule in rules().items():
        check(field, get(config, field), rule)
    for role in ('gen', 'disc'):
        nets.check_fields(role, config[role].net)
    validate_names(config)
    _validate_idle(config)
    _validate_penalties(config)
    _validate_combinations(config)


def validate_names(config: ConfigDict) -> None:
    """Raises UserError if a field names augmentations or figures that do not exist."""
    _validate_augmentation(config)
    _validate_evaluation(config.evaluate, tasks.TASKS[config.task].measures)


def _validate_augmentation(config: ConfigDict) -> None:
    for name in augment.parse(config.augment):
        if name not in augment.AUGMENTATIONS:
            known = nearest(name, augment.AUGMENTATIONS)
            raise UserError(f'config.augment={config.augment}: no augmentation {name!r}; {known}')
    if config.augment_p != 1 and not augment.parse(config.augment):
        raise UserError(
            f'config.augment_p={config.augment_p} is the probability of an augmentation: name one'
            " in config.augment, e.g. 'color,translation,cutout', or leave it 1.0"
        )
    if not config.ada.target:
        return
    if not augment.parse(config.augment):
        raise UserError(
            f'config.ada.target={config.ada.target} adapts the probability of an augmentation: name'
            " one in config.augment, e.g. 'color,translation,cutout'"
        )
    if config.augment_p != 1:
        raise UserError(
            f'config.augment_p={config.augment_p}: with config.ada.target={config.ada.target} it'
            ' adapts; leave it 1.0, or set config.ada.target to 0'
        )
    if not losses.LOSSES[config.loss].centred:
        able = ', '.join(name for name, loss in losses.LOSSES.items() if loss.centred)
        raise UserError(
            f'config.ada.target={config.ada.target}: no logit of the loss {config.loss!r} says by'
            f' its sign what is real; set it to 0 or choose config.loss from {able}'
        )


def _validate_idle(config: ConfigDict) -> None:
    for field, other in _IDLE_WITHOUT.items():
        given, usual = get(config, field), get(default(), field)
        if given != usual and not get(config, other):
            raise UserError(
                f'config.{field}={given} does nothing while config.{other} is 0: set that, or leave'
                f' it {usual}'
            )


def _validate_penalties(config: ConfigDict) -> None:
    if config.penalty_every > 1 and not any(config.penalties.values()):
        raise UserError(
            f'config.penalty_every={config.penalty_every}: there is no penalty; set one of'
            ' config.penalties, or config.penalty_every=1'
        )
    if config.lecam.weight and config.lecam.start >= config.steps:
        raise UserError(
            f'config.lecam.start={config.lecam.start}: config.steps={config.steps} end before'
            ' config.lecam applies; lower it, or set config.lecam.weight=0'
        )


def _validate_evaluation(config: ConfigDict, always: tuple[str, ...]) -> None:
    """Checks config.evaluate; `always`: what the task measures besides its figures."""
    for name in config.figures:
        if name not in evaluation.FIGURES:
            raise UserError(
                f'config.evaluate.figures={tuple(config.figures)}: no figure {name!r};'
                f' {nearest(name, evaluation.FIGURES)}'
            )
    if config.every and not (config.figures or always):
        raise UserError(
            f'config.evaluate.figures=() names nothing to measure every {config.every:g} epochs:'
            " give some, e.g. ('frechet',), or set config.evaluate.every=0"
        )
    if config.features and config.features not in features.NETS:
        known = nearest(config.features, features.NETS)
        raise UserError(f'config.evaluate.features={config.features}: {known}')
    if not config.best:
        return
    ranked = figures.ranked(config.best)
    if ranked is None:
        known = nearest(config.best, figures.RANKED)
        raise UserError(f'config.evaluate.best={config.best}: no figure that ranks; {known}')
    if not config.every:
        raise UserError(
            f'config.evaluate.best={config.best} is not measured: set config.evaluate.every to the'
            ' epochs between evaluations'
        )
    if ranked[0] not in (*config.figures, *always):
        raise UserError(
            f'config.evaluate.best={config.best} is not measured: add {ranked[0]!r} to'
            ' config.evaluate.figures'
        )
    if ranked[0] == 'classes' and config.features:
        able = [name for name, net in features.NETS.items() if config.best in net.ranked]
        if config.features not in able:
            raise UserError(
                f'config.evaluate.best={config.best} is not measured with the features of'
                f' {config.features}: choose another, or set config.evaluate.features={able[0]}'
            )


def _validate_combinations(config: ConfigDict) -> None:
    devices = runners.count_devices(config.runner, config.devices)
    if config.batch_size % devices:
        fits = max(devices, config.batch_size // devices * devices)
        raise UserError(
            f'config.batch_size={config.batch_size} does not divide among {devices} devices:'
            f' use {fits}, or set config.devices'
        )
    if config.steps_per_call and config.steps % config.steps_per_call:
        stride = config.steps_per_call
        raise UserError(
            f'config.steps={config.steps} is not a multiple of config.steps_per_call={stride}:'
            f' use {math.ceil(config.steps / stride) * stride}, or set config.steps_per_call=0'
        )
    if config.label_smoothing and not losses.LOSSES[config.loss].smooths:
        able = ', '.join(name for name, loss in losses.LOSSES.items() if loss.smooths)
        raise UserError(
            f'config.label_smoothing={config.label_smoothing}: the loss {config.loss!r} has no'
            f' target to smooth; set it to 0 or choose config.loss from {able}'
        )
