"""Figures that say whether a GAN worked: generated images against real ones.

    from gan_jax import evaluation

    net = evaluation.load_net('digits')
    test = evaluation.image_set(dataset, config.data, evaluation.HELD_OUT)
    reference = evaluation.Reference(test, net)      # features come from the cache if they can
    samples = evaluation.Samples(task, config.seed, 10_000)
    found = evaluation.measure(samples(state), reference)
    found['figures']['frechet_digits']

`measure` takes uint8 images of any origin, `only=('frechet',)` if that is all that is wanted, and
`training=Reference(...)` for the memorisation. What it returns names, beside the metrics, the net,
its version, the resize filter, the number of samples and the reference with its fingerprint: show
them together. Keep `net`, `reference` and `samples` where one measures often: they compile once,
and the reference's moments and neighbours are computed once.
"""

from gan_jax.evaluation.metrics import MEASUREMENTS, measure
from gan_jax.evaluation.samples import Samples
from gan_jax.evaluation.sets import HELD_OUT, TRAINING, ImageSet, Reference
from gan_jax.evaluation.sets import of_dataset as image_set
from gan_jax.evaluation.sets import of_folder as folder_set
from gan_jax.pretrained.feature_net import FeatureNet
from gan_jax.pretrained.features import load as load_net

__all__ = [
    'MEASUREMENTS',
    'HELD_OUT',
    'TRAINING',
    'FeatureNet',
    'ImageSet',
    'Reference',
    'Samples',
    'folder_set',
    'image_set',
    'load_net',
    'measure',
]
