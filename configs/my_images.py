"""A GAN of your own pictures, a folder of 100 or more: 64x64, or with the presets 32 and 128.

    python train.py --config=my_images --config.data.path=FOLDER
    python train.py --config=my_images:128 --config.data.path=FOLDER
    gan-jax data --config=my_images --config.data.path=FOLDER --output=sheet.png

Takes from about 100 pictures up; below that it warns. Pictures of one kind, framed alike, come out
best: `gan-jax clean` cuts photos of cats or people to their faces. Left and right are exchanged
at random: pass --config.data.flip=False for letters and the like.

Expect, of 381 crops of cats' faces, blots with ears after 1,000 steps and cats after 5,000; from
7,000 on the distance hardly falls any more, but half the samples are cats, none of them a copy,
and nothing falls apart (docs/results/my_images). Its 20,000 steps take 25 minutes on two cores
of a server's CPU (74 ms each), 8 with :32 (23 ms) and 56 with :128 (168 ms, half the width).

Source: the networks of DCGAN (Radford et al. 2016, arXiv:1511.06434); DiffAugment (Zhao et al.
2020, arXiv:2006.10738) as often as D's signs ask for (ADA, Karras et al. 2020, arXiv:2006.06676);
latents around centres, half as many as images (after DeLiGAN, Gurumurthy et al. 2017,
arXiv:1706.02071); samples from a moving average of the generator.
"""

from ml_collections import ConfigDict

from gan_jax import config as base


def get_config(preset: str = '') -> ConfigDict:
    """Presets: smoke, 32, 64 (as without one), 128: pixels a side."""
    config = base.default()
    config.name = 'My images'
    config.data.name = 'folder'
    config.data.image_size = 64
    config.data.flip = True
    config.data.enough = 100
    config.gen.net = ConfigDict(dict(name='dcgan', width=64))
    # A discriminator as wide as the generator learns the images by heart.
    config.disc.net = ConfigDict(dict(name='dcgan', width=32))
    config.latent_mixture.centres = 0.5
    config.gen.ema_decay = 0.999
    for player in (config.gen, config.disc):
        player.optimizer.learning_rate = 4e-4
        player.optimizer.schedule = 'cosine'
    config.augment = 'color,translation,cutout,affine'
    config.ada.target = 0.3  # all of it from the first step on, and nothing is learned for long
    config.ada.images = 20_000
    config.batch_size = 8
    config.steps = 20_000
    config.evaluate.balance = 5

    def side_of_32() -> None:
        config.data.image_size = 32

    def side_of_128() -> None:
        config.data.image_size = 128
        config.gen.net.width, config.disc.net.width = 32, 16

    presets = {'32': side_of_32, '64': lambda: None, '128': side_of_128}
    return base.choose_preset(config, preset, **presets)
