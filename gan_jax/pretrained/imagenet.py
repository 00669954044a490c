"""What the classes of ImageNet say of images, by any net that was trained on them."""

from typing import Any

import numpy as np

from gan_jax.pretrained.feature_net import Outputs

CLASSES = 1000
CATS = range(281, 286)  # tabby, tiger cat, Persian, Siamese, Egyptian cat
RANKED = ('cat_share',)  # figures of which more is better


def figures(outputs: Outputs[np.ndarray]) -> dict[str, Any]:
    """`cat_share`: the share of images whose most probable class is a house cat."""
    return {'cat_share': float(np.isin(outputs.best, CATS).mean())}
