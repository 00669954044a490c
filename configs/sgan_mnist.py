"""Ten digits from a hundred labels: a semi-supervised GAN on MNIST, study 2.

    python train.py --config=sgan_mnist --config.data.path=FOLDER_WITH_THE_FOUR_IDX_FILES
    gan-jax classify --workdir=runs/sgan_mnist --split=test

Expect: not measured yet.

Source: book: J. Langr and V. Bok, "GANs in Action", chapter 7.
"""

from ml_collections import ConfigDict

from gan_jax import config as base


def get_config(preset: str = '') -> ConfigDict:
    """Presets: smoke, book, brownlee, best."""
    config = base.default()
    config.name = 'Semi-supervised GAN on MNIST'
    config.task = 'semisupervised'
    config.data.name = 'mnist'
    config.data.labels.number = 100
    config.num_samples = 100

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

    book()
    return base.choose_preset(config, preset, book=book)
