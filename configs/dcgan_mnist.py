"""DCGAN on MNIST, which leaves no noise between the strokes.

    python train.py --config=dcgan_mnist --config.data.path=FOLDER_WITH_THE_FOUR_IDX_FILES

Expect clean strokes from 7,000 steps on, and too many ones, 23 % of the samples:
docs/results/architectures. All 30,000 steps took 98 minutes on one core of a server's CPU.

Source: github.com/triwave33/GAN, `GAN/dcgan/dcgan.py`, whose article gives the networks
without rates: upsampling and 5x5 convolutions against two strided ones with dropout.
Rates here are DCGAN's own, Adam 2e-4 / 0.5 (Radford et al. 2016, arXiv:1511.06434); the
preset `triwave` has those of the code: z of 5, the discriminator's Adam 1e-5 / 0.1.
"""

from ml_collections import ConfigDict

from gan_jax import config as base


def get_config(preset: str = '') -> ConfigDict:
    """Presets: smoke, triwave."""
    config = base.default()
    config.name = 'DCGAN on MNIST'
    config.data.name = 'mnist'
    config.gen.net = ConfigDict(dict(name='dcgan_mnist'))
    config.disc.net = ConfigDict(dict(name='dcgan_mnist'))
    config.batch_size = 32
    config.steps = 30_000

    def triwave() -> None:
        config.latent_dim = 5
        config.disc.optimizer = base.optimizer(1e-5, 0.1)

    return base.choose_preset(config, preset, triwave=triwave)
