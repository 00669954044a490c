"""Wasserstein GAN with gradient penalty on MNIST.

    python train.py --config=wgan_gp_mnist --config.data.path=FOLDER_WITH_THE_FOUR_IDX_FILES

Expect: not measured yet.

Source: Gulrajani et al. 2017, arXiv:1704.00028, algorithm 1, with the rates of its MNIST
code (github.com/igul222/improved_wgan_training, `gan_mnist.py`): penalty weight 10, five
critic updates, Adam 1e-4 / 0.5 / 0.9; batch 64 as in the paper. Networks: those of
`dcgan_mnist`, the critic without dropout.
"""

from ml_collections import ConfigDict

from gan_jax import config as base


def get_config(preset: str = '') -> ConfigDict:
    """Presets: smoke."""
    config = base.default()
    config.name = 'WGAN-GP on MNIST'
    config.data.name = 'mnist'
    config.gen.net = ConfigDict(dict(name='dcgan_mnist'))
    config.disc.net = ConfigDict(dict(name='dcgan_mnist', dropout=0.0))
    config.loss = 'wasserstein'
    config.penalties.gradient_penalty = 10.0
    config.disc_steps = 5
    config.share_latent = False
    config.gen.optimizer = base.optimizer(1e-4, 0.5, 0.9)
    config.disc.optimizer = base.optimizer(1e-4, 0.5, 0.9)
    config.batch_size = 64
    config.steps = 20_000
    return base.choose_preset(config, preset)
