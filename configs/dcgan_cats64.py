"""DCGAN 64x64 on a folder of about 500 photos of cats.

    python train.py --config=dcgan_cats64 --config.data.path=FOLDER_OF_FACES
    gan-jax data --config=dcgan_cats64 --config.data.path=FOLDER_OF_FACES

50,000 steps are 400 epochs of 500 photos; for N photos give --config.steps as 100 times N.

Expect ears, eyes and muzzles after 2,500 steps (19 epochs of 520 crops; four minutes on two
cores of a server's CPU), and no more than that: from epoch 40 on the discriminator is always right,
at 150 samples are best, and later they are all the same cat (docs/results/balance). From
whole-body photos a brown smear: `gan-jax clean` cuts them to the face first. `my_images` has what
helps on so few.

Source: the networks of github.com/pytorch/examples, `dcgan/main.py` (Radford et al. 2016,
arXiv:1511.06434), z of 100, width 64, Adam 2e-4 / 0.5 / 0.999; batches of 4 and 400 epochs.
"""

from ml_collections import ConfigDict

from gan_jax import config as base


def get_config(preset: str = '') -> ConfigDict:
    """Presets: smoke, and flip: each photo or its mirror image."""
    config = base.default()
    config.name = 'DCGAN 64x64 on cats'
    config.data.name = 'folder'
    config.data.image_size = 64
    config.gen.net = ConfigDict(dict(name='dcgan'))
    config.disc.net = ConfigDict(dict(name='dcgan'))
    config.batch_size = 4
    config.steps = 50_000
    config.log_every = 25
    config.sample_every = 1_250  # ten epochs

    def flip() -> None:
        config.data.flip = True

    return base.choose_preset(config, preset, flip=flip)
