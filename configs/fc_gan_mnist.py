"""Fully connected GAN on MNIST, which leaves noise between the strokes.

    python train.py --config=fc_gan_mnist --config.data.path=FOLDER_WITH_THE_FOUR_IDX_FILES

Expect digits with specks of noise: docs/results/architectures. 30,000 steps took 7 and 10
minutes on one core of two servers' CPUs.

Source: github.com/triwave33/GAN, `GAN/gan/gan.py` (the article "Imasara kikenai GAN").
Generator 256-512-1024, discriminator 512-256; Adam 2e-4 / 0.5; batch 32; 30,000 updates.
There the discriminator makes two updates, on 16 real and on 16 generated images; here one,
on 32 of each.
"""

from ml_collections import ConfigDict

from gan_jax import config as base


def get_config(preset: str = '') -> ConfigDict:
    """Presets: smoke."""
    config = base.default()
    config.name = 'Fully connected GAN on MNIST'
    config.data.name = 'mnist'
    config.gen.net = ConfigDict(dict(name='mlp'))
    config.disc.net = ConfigDict(dict(name='mlp'))
    config.batch_size = 32
    config.steps = 30_000
    config.steps_per_call = 10  # a step is so short that a fifth of it went into calling it
    config.sample_every = config.save_every = 1_000
    return base.choose_preset(config, preset)
