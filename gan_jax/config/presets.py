"""Recipes that `configs/*.py` share, and presets after a colon."""

from collections.abc import Callable
import functools

from ml_collections import ConfigDict

from gan_jax import data, nets
from gan_jax.errors import UserError, nearest
from gan_jax.fields import Optimizer, default


def optimizer(learning_rate: float, b1: float, b2: float = 0.999) -> ConfigDict:
    """Adam as GANs use it; `schedule` spans the run."""
    return ConfigDict(Optimizer(learning_rate=learning_rate, b1=b1, b2=b2).to_dict())


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


def few_pairs(config: ConfigDict) -> None:
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
    config.translation.l1 = 100.0
    config.translation.perceptual = 50.0
    config.translation.disc_weight = 1.0
    config.batch_size = 8
    config.steps = 10_000
    for role in ('gen', 'disc'):
        config[role].optimizer.constant_steps = 5_000
    sides(config)['128']()
    config.evaluate.every = 10.0
    config.evaluate.num_samples = 50
    config.evaluate.features = 'squeezenet'  # which training does not see
    config.evaluate.metrics = ('classes',)
    config.evaluate.best = 'distance_squeezenet_held_out'


def choose_translator(config: ConfigDict, preset: str) -> ConfigDict:
    """Chooses the preset of a folder of pairs, as `choose_preset` does.

    Presets: smoke; 64, 128 (as without one), 256 or 512 pixels a side, of `few_pairs`; each with
    _paper, and paper (256 pixels), as `pix2pix` has it.
    """
    if not preset.endswith('paper'):
        few_pairs(config)
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
    config.data.attributes = config.data.input_path = ''
    config.data.num_examples = 200
    if config.task == 'translation':
        sides(config)['64']()
        # Nothing by nets that may not be installed.
        config.disc.net = ConfigDict(
            dict(name='pix2pix', norm=config.disc.net.get('norm', 'batch'))
        )
        config.translation.perceptual = 0.0
        config.evaluate.features = config.evaluate.best = config.stop.figure = ''
        config.evaluate.metrics = ()
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
    if config.lecam.weight:
        config.lecam.start = min(config.lecam.start, 10)
    config.steps = 20
    config.steps_per_call = 0
    config.batch_size = min(config.batch_size, 16)
    config.num_samples = min(config.num_samples, 16)
    config.log_every = 2
    config.sample_every = 5
    config.save_every = 4
    config.least_s = 0.0
    config.keep = 5
    return config


def choose_preset(config: ConfigDict, preset: str, **others: Callable[[], None]) -> ConfigDict:
    """Applies the preset after the colon: '', 'smoke' or one of `others`, which change `config`.

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
