"""A translator from one pair: pix2pix on a single photo, of which it makes the grey input.

    python train.py --config=pix2pix_one_pair:128 --config.data.path=PHOTO.jpg
    gan-jax translate --workdir=runs/pix2pix_one_pair-128 --input=PHOTOS --output=COLOURED

It memorises the pair; the presets that end in _augmented bend and crop it anew in every step
(thin-plate splines), which makes more of it. Other inputs: --config.data.input=canny.

Expect an L1 of 0.03 (pixels in [-1, 1]) or less after 75 steps: 37 s at 128x128 and 76 s at
256x256 on two cores (`docs/why/translation.md`).

Source: pix2pix (Isola et al. 2017, arXiv:1611.07004) on one pair, without jitter or mirror images.
"""

from collections.abc import Callable

from ml_collections import ConfigDict

from gan_jax import config as base


def get_config(preset: str = '') -> ConfigDict:
    """Presets: smoke; 64, 128, 256 (as without one) or 512 pixels a side; each _augmented."""
    config = base.pix2pix('One pair')
    config.data.input = 'grey'
    config.steps = 600
    for role in ('gen', 'disc'):
        config[role].optimizer.constant_steps = 300
    config.log_every = 10
    config.sample_every = 50
    config.save_every = 200

    def augmented(with_size: Callable[[], None]) -> Callable[[], None]:
        def change() -> None:
            with_size()
            config.data.flip = True
            config.data.warp = 0.05
            config.data.zoom = 0.4

        return change

    presets = base.sides(config)
    presets |= {f'{name}_augmented': augmented(change) for name, change in presets.items()}
    config = base.choose_preset(config, preset, **presets)
    config.data.num_examples = 1
    return config
