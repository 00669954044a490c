"""Photos from edges: pix2pix on any folder of photos, of which it makes the edges (Canny).

    python train.py --config=pix2pix_canny:128 --config.data.path=FOLDER_OF_PHOTOS
    gan-jax translate --workdir=runs/pix2pix_canny-128 --input=PHOTOS --output=PAINTED

A tenth of the photos is kept from training, for `gan-jax evaluate`. 80,000 steps are 200 epochs
of 400 photos: for N photos give --config.steps as 200 times N, and half of it as constant_steps of
both optimizers.

Edges begin where the gradient is above the second of config.data.canny, e.g.
--config.data.canny=100,200, and go on while it is above the first.

Expect nothing after 2,000 steps at 128x128, 14 minutes on one core: a brown blur
(`docs/results/one_pair/`). More was not measured.

Source: Isola et al. 2017, arXiv:1611.07004: U-Net, 70x70 PatchGAN, cross-entropy, L1 times 100,
batches of one, jitter from 286 to 256 pixels and mirror images. The rate falls in the second half
as in github.com/junyanz/pytorch-CycleGAN-and-pix2pix; the paper's stays. Out of training each image
has its own moments as there, but no dropout: --config.translation.dropout=True is the paper's.
"""

from ml_collections import ConfigDict

from gan_jax import config as base


def get_config(preset: str = '') -> ConfigDict:
    """Presets: smoke; 64, 128 (as without one), 256 or 512; paper; each size with _paper."""
    config = base.pix2pix('Edges to photo')
    config.data.input = 'canny'
    config.data.held_out = 0.1
    config.data.jitter = 30
    config.data.flip = True
    return base.choose_translator(config, preset)
