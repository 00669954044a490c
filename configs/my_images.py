"""A GAN of your own pictures, a folder of 100 or more: 64x64, or with a preset 32, 128 or 256.

    python train.py --config=my_images --config.data.path=FOLDER
    python train.py --config=my_images:128 --config.data.path=FOLDER
    gan-jax data --config=my_images --config.data.path=FOLDER --output=sheet.png

Takes from about 100 pictures up; below that it warns. Pictures of one kind, framed alike, come out
best: `gan-jax clean` cuts photos of cats or people to their faces. Left and right are exchanged
at random: pass --config.data.flip=False for letters and the like.

Expect, of 502 crops of cats' faces, varied cats after 4,000 steps, 17 minutes on two cores of a
server's CPU (about 220 ms each): a net that had no part in it calls 53 % of the samples a cat, and
57 % of the crops. After 15,000, an hour, it calls as many samples cats as crops, and no two of 625
are alike; about one face in ten is out of shape. `my_images:128` makes 11,200 steps in an hour:
62 % of its samples are cats to that net, and 69 % of the crops (docs/results/few_images).

The discriminator looks at the pixels, and through a net that was trained on ImageNet. Pictures
that ImageNet has nothing like may do better with the preset `ada`, which has no such net: two
DCGANs, with an augmentation that adapts.

Source: the discriminator of Projected GAN (Sauer et al. 2021, arXiv:2111.01007) beside that of
DCGAN (Radford et al. 2016, arXiv:1511.06434), as Vision-aided GAN keeps it (Kumari et al. 2022,
arXiv:2112.09130); DiffAugment (Zhao et al. 2020, arXiv:2006.10738); samples from a moving average
of the generator. Of `ada`: ADA (Karras et al. 2020, arXiv:2006.06676); latents of a mixture,
half as many components as images (after DeLiGAN, Gurumurthy et al. 2017, arXiv:1706.02071).
"""

from ml_collections import ConfigDict

from gan_jax import config as base

SIDES = (32, 64, 128, 256)


def get_config(preset: str = '') -> ConfigDict:
    """Presets: smoke, ada, and pixels a side: 32, 64 (as without one), 128, 256."""
    config = base.default()
    config.name = 'My images'
    config.data.name = 'folder'
    config.data.image_size = 64
    config.data.flip = True
    config.data.enough = 100
    config.gen.ema_decay = 0.999
    config.batch_size = 8
    config.evaluate.balance = 5
    if preset == 'ada':
        _adaptive(config)
        return config
    _hybrid(config)
    sides = {str(side): lambda side=side: _resize(config, side) for side in SIDES}
    return base.choose_preset(config, preset, ada=lambda: None, **sides)


def _hybrid(config: ConfigDict) -> None:
    config.gen.net = ConfigDict(dict(name='dcgan', width=64))
    config.disc.net = ConfigDict(dict(name='projected', pixel_weight=0.5))
    config.loss = 'hinge'
    # At full strength colours come out flat, and backgrounds brown.
    config.augment = 'soft_color,translation,small_cutout'
    for player in (config.gen, config.disc):
        player.optimizer.b2 = 0.99
    config.steps = 15_000


def _resize(config: ConfigDict, side: int) -> None:
    config.data.image_size = side
    if side > 64:  # as many channels of as many pixels: a map more at the large end
        config.gen.net.width = 64 * 64 // side
        config.disc.net.pixel_width = 32 * 64 // side
    if side > 128:
        config.disc.net.side = 224


def _adaptive(config: ConfigDict) -> None:
    config.gen.net = ConfigDict(dict(name='dcgan', width=64))
    # A discriminator as wide as the generator learns the images by heart.
    config.disc.net = ConfigDict(dict(name='dcgan', width=32))
    config.latent_mixture.components = 0.5
    for player in (config.gen, config.disc):
        player.optimizer.learning_rate = 4e-4
        player.optimizer.schedule = 'cosine'
    config.augment = 'color,translation,cutout,affine'
    config.ada.target = 0.3  # all of it from the first step on, and nothing is learned for long
    config.ada.images = 20_000
    config.steps = 20_000
