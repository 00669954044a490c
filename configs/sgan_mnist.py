"""Ten digits from a hundred labels: semi-supervised GANs on MNIST.

    python train.py --config=sgan_mnist --config.data.path=FOLDER_WITH_THE_FOUR_IDX_FILES
    gan-jax classify --workdir=runs/sgan_mnist --split=test

Training gets the labels of the budget, config.data.labels, and of the other images -1: 100, ten
of each class, or --config.data.labels.number=50; --config.data.labels.seed=1 is another draw.

Expect 6 to 8 minutes on two cores of a server's CPU (63 to 75 ms a step), 9 to 13 for the preset
book (67 to 94 ms). From 50, 100, 1,000 labels: 97.5, 98.3, 98.8 % of the test digits, means of five
draws; the same network without the GAN: 89.5, 94.7, 98.0 %; the preset book, of one draw: 89.4,
89.9, 97.5 %, and its own baseline: 63.8, 69.2, 93.1 % (docs/results/labels). What the generator of
best makes looks bad: its discriminator learns classes rather than to tell it apart (Dai et al.
2017, arXiv:1705.09783, on why that helps).

Source: book: J. Langr and V. Bok, "GANs in Action" (2019), `Chapter_7_SGAN.ipynb`: the first
labels of the set, of whatever class; three updates of the discriminator, each with its own batch
statistics, with one Adam for the labelled one and one for the two of the game, 1e-3 / 0.9; running
statistics of labelled images alone; batches of 32 drawn with replacement. Its generated images for
the discriminator use running statistics, here those of the batch. brownlee: the networks and rates
of J. Brownlee's "How to implement a semi-supervised GAN" (2019): half-batches of 50, Adam 2e-4 /
0.5; there the generator's update is on 100 images, here on 50. best: feature matching (Salimans et
al. 2016, arXiv:1606.03498), the generator of `dcgan_mnist`, affine augmentation of all that the
discriminator sees, moving averages of both networks, and pseudo-labels by that of the discriminator
(Sohn et al. 2020, arXiv:2001.07685).

The presets that end in _supervised train the same discriminator on the same labels with the same
augmentation, and nothing else: what it is without the GAN.
"""

from collections.abc import Callable

from ml_collections import ConfigDict

from gan_jax import config as base


def get_config(preset: str = '') -> ConfigDict:
    """Presets: smoke, best (as without one), book, brownlee, and each of them _supervised."""
    config = base.default()
    config.name = 'Semi-supervised GAN on MNIST'
    config.task = 'semisupervised'
    config.data.name = 'mnist'
    config.data.labels.number = 100
    config.num_samples = 100

    def best() -> None:
        config.gen.net = ConfigDict(dict(name='dcgan_mnist', width=32))
        config.disc.net = ConfigDict(dict(name='sgan_brownlee', width=64, dropout=0.1))
        config.gen.optimizer = base.optimizer(2e-4, 0.5)
        config.disc.optimizer = base.optimizer(1e-3, 0.5)
        config.gen.ema_decay = config.disc.ema_decay = 0.999
        config.augment = 'affine'
        config.semisupervised.update(non_saturating=0.0, matching=1.0, pseudo=1.0, confidence=0.9)
        config.semisupervised.adversarial = 0.1  # at 1 it is classes that the network neglects
        config.batch_size = 64
        config.disc.optimizer.schedule = 'cosine'
        config.steps = 6_000

    def book() -> None:
        config.data.labels.mode = 'first'
        config.gen.net = ConfigDict(dict(name='sgan'))
        config.disc.net = ConfigDict(dict(name='sgan'))
        config.gen.optimizer = base.optimizer(1e-3, 0.9)
        config.disc.optimizer = base.optimizer(1e-3, 0.9)
        config.share_latent = False
        config.semisupervised.separate = True
        config.semisupervised.unlabelled = 'rest'
        config.batch_size = 32
        config.steps = 8_000

    def brownlee() -> None:
        config.gen.net = ConfigDict(dict(name='sgan_brownlee'))
        config.disc.net = ConfigDict(dict(name='sgan_brownlee'))
        config.share_latent = False
        config.semisupervised.separate = True
        config.batch_size = 50
        config.steps = 12_000  # 20 epochs of 60,000 images, 100 a step

    def supervised(with_gan: Callable[[], None]) -> Callable[[], None]:
        def change() -> None:
            with_gan()
            if 'dropout' in config.disc.net:  # without the GAN the network's own is better
                del config.disc.net.dropout
            for term in ('adversarial', 'pseudo', 'non_saturating', 'matching'):
                config.semisupervised[term] = 0.0
            config.disc.optimizer.schedule = 'constant'  # it is stopped, by validation
            config.steps = 4_000
            config.save_every, config.keep = 200, 20

        return change

    presets = {'best': best, 'book': book, 'brownlee': brownlee}
    presets |= {f'{name}_supervised': supervised(change) for name, change in presets.items()}
    if preset not in presets:  # '' and smoke
        best()
    return base.choose_preset(config, preset, **presets)
