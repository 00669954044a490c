"""Colours for grey photos: pix2pix on any folder of photos, of which it makes the grey inputs.

    python train.py --config=pix2pix_grey --config.data.path=FOLDER_OF_PHOTOS
    gan-jax translate --workdir=runs/pix2pix_grey --input=PHOTOS --output=COLOURED

A tenth of the photos is kept from training, and measured beside the others all the time. 10,000
steps of 8 pairs show 400 photos 200 times; for another number of steps give half of it as
constant_steps of both optimizers too.

Expect what `docs/results/one_pair/` shows, after an hour on two cores.

Source: Isola et al. 2017, arXiv:1611.07004, changed for a few hundred pairs as
`docs/why/translation.md` says. `:paper` is theirs: U-Net, 70x70 PatchGAN, cross-entropy, L1 times
100, 80,000 batches of one, jitter from 286 to 256 pixels and mirror images. The rate falls in the
second half as in github.com/junyanz/pytorch-CycleGAN-and-pix2pix; the paper's stays. Out of
training each image has its own statistics as there, but no dropout:
--config.translation.dropout=True is the paper's.
"""

from ml_collections import ConfigDict

from gan_jax import config as base


def get_config(preset: str = '') -> ConfigDict:
    """Presets: smoke; 64, 128 (as without one), 256 or 512; paper; each size with _paper."""
    config = base.pix2pix('Grey to colour')
    config.data.input = 'grey'
    config.data.held_out = 0.1
    config.data.jitter = 30
    config.data.flip = True
    return base.choose_translator(config, preset)
