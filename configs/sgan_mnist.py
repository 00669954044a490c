"""Ten digits from a hundred labels: semi-supervised GANs on MNIST, study 2.

    python train.py --config=sgan_mnist --config.data.path=FOLDER_WITH_THE_FOUR_IDX_FILES
    gan-jax classify --workdir=runs/sgan_mnist --split=test

The labels of the other images are removed before training; --config.data.labels.number=50 is
another budget, --config.data.labels.seed=1 another draw.

Expect: not measured yet.

Source: book: J. Langr and V. Bok, "GANs in Action", chapter 7.
"""

from ml_collections import ConfigDict

from gan_jax import config as base


def get_config(preset: str = '') -> ConfigDict:
    """Presets: smoke, best (as without one), book, brownlee; each also with -supervised."""
    config = base.default()
    config.name = 'Semi-supervised GAN on MNIST'
    config.task = 'semisupervised'
    config.data.name = 'mnist'
    config.data.labels.number = 100
    config.num_samples = 100

    def nets(gen: ConfigDict, disc: ConfigDict, rate: float, b1: float) -> None:
        config.gen.net, config.disc.net = gen, disc
        config.gen.optimizer = base.optimizer(rate, b1)
        config.disc.optimizer = base.optimizer(rate, b1)

    def best() -> None:
        config.gen.net = ConfigDict(dict(name='dcgan_mnist', width=32))
        config.disc.net = ConfigDict(dict(name='sgan_brownlee', width=64))
        config.gen.optimizer = base.optimizer(2e-4, 0.5)
        config.disc.optimizer = base.optimizer(1e-3, 0.5)
        config.disc.ema_decay = 0.999
        config.gen.ema_decay = 0.999
        config.augment = 'affine'
        config.semisupervised.non_saturating = 0.0
        config.semisupervised.matching = 1.0
        config.semisupervised.pseudo = 1.0
        config.batch_size = 64
        config.steps = 10_000

    def book() -> None:
        config.data.labels.mode = 'first'
        config.gen.net = ConfigDict(dict(name='sgan'))
        config.disc.net = ConfigDict(dict(name='sgan'))
        config.gen.optimizer = base.optimizer(1e-3, 0.9)
        config.disc.optimizer = base.optimizer(1e-3, 0.9)
        config.semisupervised.separate = True
        config.semisupervised.unlabelled = 'rest'
        config.share_latent = False
        config.batch_size = 32
        config.steps = 8_000

    if preset != 'book':
        best()
    return base.choose_preset(config, preset, book=book, best=lambda: None)
