"""DCGAN for 64x64 colour images on random pixels: the measure of speed.

    gan-jax benchmark --config=dcgan64 --peer=torch

Expect no pictures: the images are noise. `docs/why/speed.md` has its speed.

Source: github.com/pytorch/examples, `dcgan/main.py`: z of 100, width 64, batch 64, Adam
2e-4 / 0.5 (Radford et al. 2016, arXiv:1511.06434).
"""

from ml_collections import ConfigDict

from gan_jax import config as base


def get_config(preset: str = '') -> ConfigDict:
    """Presets: smoke."""
    config = base.default()
    config.name = 'DCGAN 64x64'
    config.data.name = 'synthetic'
    config.data.image_size = 64
    config.gen.net = ConfigDict(dict(name='dcgan'))
    config.disc.net = ConfigDict(dict(name='dcgan'))
    config.batch_size = 64
    return base.choose_preset(config, preset)
