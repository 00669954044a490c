"""Classes of your own images, of which few are sorted: a semi-supervised GAN at 64x64 or 128x128.

    python train.py --config=sgan_folder --config.data.path=FOLDER
    gan-jax classify --workdir=runs/sgan_folder --input=MORE_IMAGES --output=classes.csv

FOLDER has a sub-folder for each class with the images that are sorted; the others lie in FOLDER
itself or in a sub-folder `unlabelled`. A folder in which all images are sorted is taken too:
--config.data.labels.number=100 then hides the classes of all but 100. With
--config.data.held_out=0.2 a fifth of the images is kept from training, for
`gan-jax classify --split=test`.

Expect: of 23 cats by name, 5 photos each, 79 % right by a head on a frozen net of photographs, as
the preset heads has it, and 26 % by a network of its own (docs/results/few_labels, both without
the GAN). What the GAN adds on photos was not measured yet.

Source: the terms, weights and augmentation of the preset best of `sgan_mnist`, with the generator
of DCGAN (Radford et al. 2016, arXiv:1511.06434), a convolution more in the discriminator, for
64x64, and a lower, constant rate. 128 has one more. Those that end in _supervised train the same
discriminator on the labelled images alone.
"""

from collections.abc import Callable

from ml_collections import ConfigDict

from gan_jax import config as base


def get_config(preset: str = '') -> ConfigDict:
    """Presets: smoke, 128, heads, heads_128, supervised, heads_supervised."""
    config = base.default()
    config.name = 'Semi-supervised GAN on a folder'
    config.task = 'semisupervised'
    config.data.name = 'folder'
    config.data.image_size = 64
    config.data.unlabelled = 'unlabelled'
    config.data.flip = True
    config.gen.net = ConfigDict(dict(name='dcgan', width=32))
    config.disc.net = ConfigDict(dict(name='sgan_brownlee', width=64, levels=4, dropout=0.1))
    config.gen.optimizer = base.optimizer(2e-4, 0.5)
    config.disc.optimizer = base.optimizer(2e-4, 0.5)
    config.gen.ema_decay = config.disc.ema_decay = 0.999
    config.augment = 'affine'
    config.semisupervised.update(non_saturating=0.0, matching=1.0, pseudo=1.0, confidence=0.9)
    config.semisupervised.adversarial = 0.1
    config.batch_size = 32
    config.steps = 5_000

    def large() -> None:
        config.data.image_size = 128
        if 'levels' in config.disc.net:
            config.disc.net.levels = 5

    def heads() -> None:
        config.disc.net = ConfigDict(dict(name='projected_classes'))
        config.disc.optimizer = base.optimizer(1e-3, 0.9)
        config.batch_size = 16
        config.steps = 1_000

    def supervised() -> None:
        for term in ('adversarial', 'pseudo', 'matching'):
            config.semisupervised[term] = 0.0

    def both(*parts: Callable[[], None]) -> Callable[[], None]:
        def change() -> None:
            for part in parts:
                part()

        return change

    return base.choose_preset(
        config,
        preset,
        **{'128': large, 'heads': heads, 'supervised': supervised},
        heads_128=both(heads, large),
        heads_supervised=both(heads, supervised),
    )
