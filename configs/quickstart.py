"""A first GAN in minutes: 5,000 real digits that come with a package, no download, no account.

    python train.py

draft
"""

from ml_collections import ConfigDict

from gan_jax import config as base


def get_config(preset: str = '') -> ConfigDict:
    """Presets: smoke."""
    config = base.default()
    config.name = 'quickstart'
    config.data.name = 'mnist5k'
    config.gen.net = ConfigDict(dict(name='dcgan_mnist', width=16))
    config.disc.net = ConfigDict(dict(name='dcgan_mnist', width=16))
    return base.choose_preset(config, preset)
