"""DCGAN 64x64 on CelebA.

    python train.py --config=dcgan_celeba64:pytorch --config.data.path=FOLDER
    gan-jax data --config=dcgan_celeba64 --config.data.path=FOLDER

FOLDER holds img_align_celeba.zip (or what it unpacks to) and list_eval_partition.txt. Without a
path it is downloaded, where Google Drive allows it. The centred 178x178 of each image is kept.

Without a preset: 400 epochs of the 162,770 training images in batches of 4, which are 16,277,000
steps: as many epochs as `dcgan_cats64` has, and meant for a part of the set, e.g.
--config.data.num_examples=500 --config.steps=50000. The preset pytorch: 25 epochs in batches of
64, which are 63,582 steps.

Expect: not measured.

Source: the settings of `dcgan_cats64`, or, with the preset pytorch, the defaults of
github.com/pytorch/examples, `dcgan/main.py`, whose networks both use (Radford et al. 2016,
arXiv:1511.06434).
"""

from ml_collections import ConfigDict

from gan_jax import config as base


def get_config(preset: str = '') -> ConfigDict:
    """Presets: smoke, pytorch."""
    config = base.default()
    config.name = 'DCGAN 64x64 on CelebA'
    config.data.name = 'celeb_a'
    config.data.image_size = 64
    config.gen.net = ConfigDict(dict(name='dcgan'))
    config.disc.net = ConfigDict(dict(name='dcgan'))
    config.batch_size = 4
    config.steps = 400 * 162_770 // config.batch_size
    config.log_every = 100
    config.sample_every = 5_000
    config.save_every = 5_000

    def pytorch() -> None:
        config.batch_size = 64
        config.steps = 25 * 162_770 // config.batch_size
        config.sample_every = 1_000
        config.save_every = 1_000

    return base.choose_preset(config, preset, pytorch=pytorch)
