"""Sets of images that generated ones are measured against, and what a net says of them."""

from collections.abc import Sequence
import dataclasses
import functools
import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors
import safetensors.numpy

from gan_jax import data
from gan_jax.data import cache, decode, image_files, parallel, views
from gan_jax.data.datasets import Dataset
from gan_jax.errors import UserError
from gan_jax.evaluation import birthday, distances, spectrum
from gan_jax.fields import Data
from gan_jax.io import digests, files, paths, pixels
from gan_jax.pretrained.feature_net import FeatureNet, Outputs
from gan_jax.types import Batch

REFERENCE_LIMIT = 10_000  # images of a reference; of more a random part is taken
DARKEST = 16  # levels of 255 that the brightest pixel of a folder has at least
PARTS = 10  # of a larger set that are compared with a smaller one, at most
TRAINING, HELD_OUT, CHOSEN = 'training images', 'held-out images', 'images of a folder'


class ImageSet(NamedTuple):
    """Real images."""

    name: str  # of the set, and of its split
    role: str  # TRAINING, HELD_OUT or CHOSEN
    fingerprint: str  # 64 hex digits of the whole set
    total: int  # how many it has, of which `image` may be a part
    image: np.ndarray  # uint8 [N, H, W, C]
    flip: bool = False  # whether the run it is for was shown mirror images too

    def facts(self) -> dict[str, str | int]:
        """Facts that every metric is shown with, fit for JSON."""
        return {
            'name': self.name,
            'role': self.role,
            'fingerprint': self.fingerprint,
            'images': len(self.image),
            'of': self.total,
        }


def of_dataset(dataset: Dataset, config: Data, role: str, limit: int) -> ImageSet:
    """A data set as training sees it, without chance: the middle of each stored image.

    Of more than `limit` images a random part is taken, always the same.
    """
    count = len(dataset.source)
    if count > limit:
        chosen = np.sort(np.random.default_rng(0).permutation(count)[:limit])
        image = dataset.source.take(chosen).image
    else:
        image = dataset.arrays().image
    image = pixels.eight_bits(views.centred(config, image))
    name = f'{dataset.name}, split {dataset.split}'
    return ImageSet(name, role, dataset.fingerprint, count, image, config.flip)


def others(dataset: Dataset, config: Data) -> ImageSet:
    """The images a run's samples are measured against: images held out from it, else its own.

    Raises:
      UserError: the images held out cannot be had.
    """
    test = data.held_out(config, dataset)
    role = TRAINING if test is None else HELD_OUT
    return of_dataset(test or dataset, config, role, REFERENCE_LIMIT)


def of_folder(
    path: Path, shape: Sequence[int], flip: bool = False, field: str = '--reference'
) -> ImageSet:
    """The images in a folder, or a .zip of one, all of which must have the size given.

    They are not resized: a filter leaves traces that a distance sees.

    Args:
      shape: (H, W, C) of the generated images.
      flip: whether the run they are compared with was shown mirror images.

    Raises:
      UserError: no folder, no image, or an image of another size or range.
    """
    found, shown = image_files.find(path, field), paths.shown(path)

    def read(index: int) -> np.ndarray:
        name = image_files.shown(found.names[index])
        try:
            alpha = shape[-1] == decode.CHANNELS['rgba']
            image = decode.read(found.read(index), channels=shape[-1] if alpha else 3)
            return _fitting(np.asarray(image), shape)
        except decode.Unreadable as error:
            raise UserError(
                f'{field}={shown}: {name} cannot be read ({error}): remove it'
            ) from None
        except _Misfit as error:
            raise UserError(f'{field}={shown}: {name} {error}') from None

    image = np.stack(list(parallel.ordered_map(read, range(len(found)))))
    if image.max() < DARKEST:
        raise UserError(
            f'{field}={shown}: its pixels are all between 0 and {image.max()}; levels go to 255:'
            ' give images of that range'
        )
    key = cache.example_digests(Batch(image, np.zeros(len(image), np.int32)))
    fingerprint = cache.fingerprint(shape, key)
    chosen = np.sort(np.random.default_rng(0).permutation(len(image))[:REFERENCE_LIMIT])
    return ImageSet(shown, CHOSEN, fingerprint, len(image), image[chosen], flip)


class _Misfit(Exception):
    """An image is not like the generated ones; the message says how, and what to do."""


def _fitting(image: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """uint8 [H, W, 3 or 4] as the generated images are, uint8 [H, W, C]."""
    height, width, channels = shape
    if image.shape[:2] != (height, width):
        raise _Misfit(
            f'has {image.shape[1]}x{image.shape[0]} pixels, and the generated images'
            f' {width}x{height}: give images of that size'
        )
    if channels == 1 and np.ptp(image, axis=-1).any():
        raise _Misfit('has colours, and the generated images are grey: give grey ones')
    return image[..., :channels]


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """Features of some images of a set; what is asked for is computed once."""

    features: np.ndarray  # float32 [N, D]

    @functools.cached_property
    def within(self) -> distances.Within:
        """Distances between them."""
        return distances.within(self.features)


class Measured:
    """Images under a feature net; what is asked for is computed once."""

    def __init__(self, image: np.ndarray, net: FeatureNet, bar: str = ''):
        """Takes the images, the net, and a name for a progress bar; '' shows none."""
        self.image = image  # uint8 [N, H, W, C]
        self.net = net
        self._bar = bar
        self._parts: dict[int, list[Part]] = {}

    def __len__(self) -> int:
        return len(self.image)

    @functools.cached_property
    def outputs(self) -> Outputs[np.ndarray]:
        """The net's outputs for each image."""
        return self.net(self.image, self._bar)

    @property
    def features(self) -> np.ndarray:
        """float32 [N, D]."""
        return self.outputs.features

    @functools.cached_property
    def moments(self) -> distances.Moments:
        """Moments of the features."""
        return distances.moments(self.features)

    def parts(self, count: int) -> list['Part']:
        """Up to PARTS disjoint random parts of `count` images, or the whole set in its order."""
        if count not in self._parts:
            order = np.random.default_rng(0).permutation(len(self))
            rows = order[: len(order) // count * count].reshape(-1, count)[:PARTS]
            whole = count == len(self)
            features = [self.features] if whole else [self.features[row] for row in rows]
            self._parts[count] = [Part(part) for part in features]
        return self._parts[count]

    @functools.cached_property
    def grain(self) -> float:
        """`spectrum.power` of the images."""
        return spectrum.power(self.image)

    @functools.cached_property
    def reduced(self) -> np.ndarray:
        """`birthday.reduced` of the images."""
        return birthday.reduced(self.image)


class Reference(Measured):
    """Real images under a feature net, whose outputs are kept in the cache."""

    def __init__(self, images: ImageSet, net: FeatureNet):
        super().__init__(images.image, net)
        self.images = images

    @functools.cached_property
    def radius(self) -> float:
        """`birthday.radius` by these images."""
        return birthday.radius(self.reduced)

    @functools.cached_property
    def kinds(self) -> birthday.Kinds:
        """How many of them are distinct."""
        return birthday.count(self.reduced, self.radius)

    @functools.cached_property
    def outputs(self) -> Outputs[np.ndarray]:
        """The net's outputs for each image, from the cache if they are there."""
        return self._kept(self.image, mirrored=False)

    @functools.cached_property
    def views(self) -> np.ndarray:
        """Features of each image, and of its mirror image if the run was shown it: [N, V, D]."""
        found = [self.features]
        if self.images.flip:
            found.append(self._kept(self.image[:, :, ::-1], mirrored=True).features)
        return np.stack(found, axis=1)

    @property
    def shown_features(self) -> np.ndarray:
        """`views`, one after the other: float32 [N * V, D]."""
        return self.views.reshape(-1, self.views.shape[-1])

    @property
    def shown(self) -> np.ndarray:
        """The images of `shown_features`: uint8 [N * V, H, W, C]."""
        if not self.images.flip:
            return self.image
        both = np.stack([self.image, self.image[:, :, ::-1]], axis=1)
        return both.reshape(-1, *self.image.shape[1:])

    def _kept(self, image: np.ndarray, mirrored: bool) -> Outputs[np.ndarray]:
        # Named by all that decides the outputs: which images, at which size, by which net.
        images = self.images
        what = [images.fingerprint, images.total, image.shape, mirrored, self.net.facts()]
        key = hashlib.sha256(json.dumps(what).encode()).hexdigest()
        path = paths.cache() / 'features-1' / f'{key}.safetensors'
        found = _read(path, len(image))
        if found is None:
            found = self.net(image, f'features of {images.name}')
            with cache.locked('features'):
                path.parent.mkdir(parents=True, exist_ok=True)
                arrays = {name: np.ascontiguousarray(x) for name, x in found._asdict().items()}
                content = safetensors.numpy.save(arrays, {'digest': digests.digest(arrays)})
                files.replace(path, content)
        return found


def _read(path: Path, count: int) -> Outputs[np.ndarray] | None:
    """None if there is no file, or another than was written."""
    try:
        with safetensors.safe_open(path, 'np') as file:
            arrays = {name: file.get_tensor(name) for name in Outputs._fields}
            digest = (file.metadata() or {}).get('digest')
    except (OSError, safetensors.SafetensorError):
        return None
    whole = digest == digests.digest(arrays) and len(arrays['best']) == count
    return Outputs(**arrays) if whole else None
