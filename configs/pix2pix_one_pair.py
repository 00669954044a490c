"""A translator from one pair: pix2pix on a single photo, of which it makes the grey input.

    python train.py --config=pix2pix_one_pair:128 --config.data.path=PHOTO.jpg
    gan-jax translate --workdir=runs/pix2pix_one_pair-128 --input=PHOTOS --output=COLOURED

It memorises the pair. Other inputs: --config.data.input=canny.

Expect: not measured yet.

Source: study 3 trained pix2pix (Isola et al. 2017, arXiv:1611.07004) on one pair, without jitter
or mirror images, for less than ten minutes.
"""

from ml_collections import ConfigDict

from gan_jax import config as base


def get_config(preset: str = '') -> ConfigDict:
    """Presets: smoke, and 64, 128, 256 (as without one) or 512 pixels a side."""
    config = base.pix2pix('One pair')
    config.data.input = 'grey'
    config.data.num_examples = 1
    for role in ('gen', 'disc'):
        config[role].optimizer.constant_steps = 300
    config.steps = 600
    config.log_every = 10
    config.sample_every = 50
    config.save_every = 200
    config = base.choose_preset(config, preset, **base.sides(config))
    config.data.num_examples = 1
    return config
