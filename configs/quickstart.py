"""A first GAN in minutes: digits on demand, from 5,000 real ones that come with a package.

    python train.py
    gan-jax sample --workdir=runs/quickstart --output=sevens.png --labels=7

Expect digits of all ten classes after two minutes on two cores of a server's CPU. Of 10,000 samples
96 % are read with a confidence above 0.9, of the real digits 99 % (`gan-jax evaluate`).

Source: the networks of `dcgan_mnist` at half their width, class-conditional
as in `cgan_mnist`, with a moving average of the generator for the samples. Adam 2e-4 / 0.5
(Radford et al. 2016, arXiv:1511.06434).
"""

from ml_collections import ConfigDict

from gan_jax import config as base


def get_config(preset: str = '') -> ConfigDict:
    """Presets: smoke."""
    config = base.default()
    config.name = 'Quickstart'
    config.data.name = 'mnist5k'
    config.gen.net = ConfigDict(dict(name='dcgan_mnist', width=32))
    config.disc.net = ConfigDict(dict(name='dcgan_mnist', width=32))
    config.gen.ema_decay = 0.995
    config.conditional = True
    config.batch_size = 32
    config.steps = 3_600
    config.num_samples = 100
    config.sample_every = 250
    config.save_every = 500
    return base.choose_preset(config, preset)
