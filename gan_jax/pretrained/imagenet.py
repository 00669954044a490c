"""Classes of ImageNet in images, by any net that was trained on them."""

from typing import Any

import numpy as np

from gan_jax.pretrained.feature_net import Outputs
from gan_jax.types import Metric

CLASSES = 1000
CATS = range(281, 286)  # tabby, tiger cat, Persian, Siamese, Egyptian cat
METRICS = {
    'cat_share': Metric('Cats', '{:.1%}', 'samples that ImageNet would call a house cat', better=1)
}


def measure(outputs: Outputs[np.ndarray]) -> dict[str, Any]:
    """`cat_share`: the share of images whose most probable class is a house cat."""
    return {'cat_share': float(np.isin(outputs.best, CATS).mean())}
