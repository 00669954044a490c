"""The project's own classifier of digits: its features, and whether a digit can be read.

Trained by `tools/train_digits.py` on the 60,000 training digits of MNIST; the weights
come with the package. It is also trained to be unsure of what is no digit: without that, nets
read noise with confidence.
"""

from pathlib import Path
from typing import Any

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import layers
from gan_jax.pretrained.feature_net import Outputs
from gan_jax.types import Metric

WEIGHTS = Path(__file__).with_name('digits.safetensors')
SIDE = 28
CLASSES = tuple('0123456789')
LAYERS = (32, 2), (32, 1), (64, 2), (64, 1), (64, 2)  # width and stride of each convolution
FEATURES = 128
CONFIDENCE = 0.9  # from which a digit counts as read
CONTRAST = 0.5  # of the range, between ink and paper, below which nothing can be read
PRESENT = 0.01  # share of all samples that a class must have to count as present
METRICS = {
    'readable_share': Metric(
        'Readable',
        '{:.1%}',
        'digits read with confidence above 0.9',
        better=1,
        panel='Samples beside real images',
    ),
    'classes_present': Metric('Classes present', '{}', 'of 10, with at least 1 % of the samples'),
}


class Net(nn.Module):
    """Five 3x3 convolutions, three of stride 2, and two dense layers; 144,000 parameters."""

    dropout: float = 0.3  # rate before the last layer, in training

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> tuple[jax.Array, jax.Array]:
        """Features and logits.

        Args:
          x: float32 [N, 28, 28, 1] in [0, 1], white on black.
          train: needs the rng 'dropout' and a mutable `batch_stats`.

        Returns:
          float32 [N, 128], after the activation, and float32 [N, 10].
        """
        chex.assert_shape(x, (None, SIDE, SIDE, 1))
        for number, (width, stride) in enumerate(LAYERS):
            x = layers.Conv(width, 3, stride, use_bias=False, name=f'conv{number}')(x)
            norm = layers.BatchNorm(momentum=0.95, epsilon=1e-3, name=f'norm{number}')
            x = nn.relu(norm(x, train=train))
        features = nn.relu(layers.Dense(FEATURES, name='features')(x.reshape(len(x), -1)))
        dropped = layers.Dropout(self.dropout)(features, train=train)
        return features, layers.Dense(len(CLASSES), name='logits')(dropped)


def legible(confidence: jax.Array, x: jax.Array) -> jax.Array:
    """The confidence [N] in what the net reads, that of a guess where nothing is written.

    Nets are sure that a blank image is some digit or other. Ink and paper differ by nearly the
    whole range in each of MNIST's 70,000 digits; here by less than CONTRAST of it they are none.

    Args:
      confidence: float32 [N].
      x: what the net saw, float32 [N, 28, 28, 1] in [0, 1].
    """
    contrast = jnp.max(x, axis=(1, 2, 3)) - jnp.min(x, axis=(1, 2, 3))
    return jnp.where(contrast < CONTRAST, 1 / len(CLASSES), confidence)


def measure(outputs: Outputs[np.ndarray]) -> dict[str, Any]:
    """Metrics of how readable digits are, fit for JSON.

    `readable_share`: of images read with a confidence above CONFIDENCE. `class_histogram`: the
    share of all images that is read as each digit. `classes_present`: digits with a share of at
    least PRESENT.
    """
    readable = outputs.confidence > CONFIDENCE
    share = np.bincount(outputs.best[readable], minlength=len(CLASSES)) / len(readable)
    return {
        'readable_share': float(readable.mean()),
        'classes_present': int((share >= PRESENT).sum()),
        'class_histogram': dict(zip(CLASSES, map(float, share), strict=True)),
    }
