"""The latents whose pictures are nearest to given ones: projection into a generator's latents.

Nearest by pixels and by the maps of a frozen net, by Adam on the latent (Zhu et al. 2016,
arXiv:1609.03552; Karras et al. 2020, arXiv:1912.04958, appendix D, of w). It starts from several
of many draws, those nearest already, and keeps the best.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax import data
from gan_jax.data import decode
from gan_jax.errors import UserError, nearest
from gan_jax.evaluation import sets
from gan_jax.io import files, images
from gan_jax.pretrained import frozen, perceptual
from gan_jax.tasks import latents
from gan_jax.terminal import progress
from gan_jax.use import trained
from gan_jax.use.trained import Trained

DRAWS, CHUNK = 512, 64  # latents among which it starts, and how many are looked at in one call
STARTS = 4
STEPS = 300
RATE = 0.1  # of Adam, which falls to 0 by a cosine
FEATURES_WEIGHT = 0.1  # of the distance of maps, in deviations, beside L1 of pixels in [0, 1]
NONE = 'none'  # in place of a frozen net


class Projection(NamedTuple):
    """A latent that was found for a picture."""

    latent: np.ndarray  # float32 [latent_dim]
    label: int  # the class it was made in; 0 if there are none
    image: np.ndarray  # uint8 [H, W, C], what the generator makes of it
    l1: float  # mean absolute difference of pixels in [0, 1]
    features: float  # that of the frozen net's maps, in deviations; 0 without such a net


class _Draws(NamedTuple):
    """Latents that a search may start from."""

    z: np.ndarray  # float32 [DRAWS, latent_dim]
    label: np.ndarray  # int32 [DRAWS]
    image: np.ndarray  # float32 [DRAWS, H, W, C] in [0, 1]
    maps: list[np.ndarray]  # a frozen net's, [DRAWS, h, w, C]; [] without one


class Projector:
    """A run's generator, from pictures to latents."""

    def __init__(self, run: Trained, features: str = ''):
        """Draws latents to start from.

        Args:
          features: key of `frozen.FROZEN`, or NONE: by pixels alone; '': a net for colour
            pictures, which sees transparent ones over white, none for grey ones.

        Raises:
          UserError: its generator starts from images, or there is no such net.
        """
        self._sampler = trained.sampler_of(run.task)
        part = run.task.parts['generator']
        self._part = part.of_latent or part
        name = features or (NONE if run.image_shape[-1] == 1 else 'efficientnet_lite0')
        # As arguments of every program: as constants they would be compiled into each.
        self._variables = self._part.variables(run.state), _frozen(name)
        self._net = name
        self.image_shape = run.image_shape
        self._inside = latents.DISTRIBUTIONS[run.config.latent].inside
        self._make, self._look = jax.jit(self._made), jax.jit(self._maps)
        self._draws = self._drawn()
        self._longest = jnp.max(jnp.linalg.norm(self._draws.z, axis=-1))
        few = [jnp.asarray(part[:CHUNK]) for part in self._draws.maps]
        start = perceptual.start(few)
        self._moments = perceptual.update(start, few, jnp.zeros(()), lambda moments: moments)
        self._optimizer = optax.adam(optax.cosine_decay_schedule(RATE, STEPS))
        self._step = jax.jit(self._stepped)
        self._distances = jax.jit(self._compared)

    def __call__(self, image: np.ndarray) -> Projection:
        """The best latent for a picture, uint8 [H, W, C] of the run's shape."""
        target = jnp.asarray(image, jnp.float32)[None] / 255
        maps = self._look(self._variables, target)
        draws = self._draws
        near = [
            np.asarray(self._distances(target, maps, *of)[2])
            for of in _chunks((draws.image, draws.maps))
        ]
        first = np.argsort(np.concatenate(near), kind='stable')[:STARTS]
        z, label = jnp.asarray(draws.z[first]), jnp.asarray(draws.label[first])
        state = self._optimizer.init(z)
        for _ in range(STEPS):
            z, state = self._step(self._variables, z, state, label, target, maps)
        made = self._make(self._variables, z, label)
        maps_made = self._look(self._variables, made)
        l1, features, total = self._distances(target, maps, made, maps_made)
        best = int(jnp.argmin(total))
        return Projection(
            latent=np.asarray(z[best]),
            label=int(label[best]),
            image=np.asarray(images.to_uint8(made[best], (0, 1))),
            l1=float(l1[best]),
            features=float(features[best]),
        )

    def read(self, content: bytes) -> np.ndarray:
        """A file's picture as the run has its images: uint8 [H, W, C]."""
        *size, channels = self.image_shape
        return decode.fitted(decode.read(content, channels=channels), (size[0], size[1]))

    def _made(self, variables: Any, z: jax.Array, label: jax.Array) -> jax.Array:
        """Pictures float32 [N, H, W, C] in [0, 1]."""
        more = (label,) if 'label' in self._part.inputs else ()
        return self._part.call(variables[0], z, *more)

    def _maps(self, variables: Any, image: jax.Array) -> list[jax.Array]:
        """The frozen net's, of pictures [N, H, W, C] in [0, 1]; [] by NONE."""
        if self._net == NONE:
            return []
        look = frozen.FROZEN[self._net].maps
        return look(variables[1], images.on_white(2 * image - 1))

    def _drawn(self) -> _Draws:
        z = np.asarray(self._sampler.latent(jax.random.key(0), DRAWS))
        label = self._sampler.label(DRAWS)
        made = [np.asarray(self._make(self._variables, *part)) for part in _chunks((z, label))]
        found = [jax.device_get(self._look(self._variables, part)) for part in made]
        maps = [np.concatenate(parts) for parts in zip(*found, strict=True)]
        return _Draws(z, label, np.concatenate(made), maps)

    def _compared(
        self,
        target: jax.Array,
        target_maps: list[jax.Array],
        image: jax.Array,
        maps: list[jax.Array],
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Distances of pictures [N, H, W, C] from one, by pixels, by maps, and both: [N] each."""
        l1 = jnp.mean(jnp.abs(image - target), axis=(1, 2, 3))
        features = jnp.zeros_like(l1)
        if maps:

            def one(own: list[jax.Array]) -> jax.Array:
                return perceptual.distance([x[None] for x in own], target_maps, self._moments)

            features = jax.vmap(one)(maps)
        return l1, features, l1 + FEATURES_WEIGHT * features

    def _stepped(
        self,
        variables: Any,
        z: jax.Array,
        state: optax.OptState,
        label: jax.Array,
        target: jax.Array,
        target_maps: list[jax.Array],
    ) -> tuple[jax.Array, optax.OptState]:
        """A step of Adam on latents [N, latent_dim], each by itself."""

        def objective(z: jax.Array) -> jax.Array:
            image = self._made(variables, z, label)
            maps = self._maps(variables, image)
            return jnp.sum(self._compared(target, target_maps, image, maps)[2])

        updates, state = self._optimizer.update(jax.grad(objective)(z), state)
        return self._inside(optax.apply_updates(z, updates), self._longest), state


def _chunks(tree: Any) -> Iterator[Any]:
    for start in range(0, DRAWS, CHUNK):
        yield jax.tree.map(lambda leaf, start=start: leaf[start : start + CHUNK], tree)


def _frozen(name: str) -> Any:
    """The variables of a frozen net; None by NONE."""
    if name == NONE:
        return None
    if name not in frozen.FROZEN:
        raise UserError(f'--features={name}: {nearest(name, [*frozen.FROZEN, NONE])}')
    return frozen.read(name, f'--features={name}')


def write(folder: Path, name: str, given: np.ndarray, found: Projection) -> Path:
    """Writes an .npz for `gan-jax sample --latents`, and a .png, given and found; its path."""
    path = folder / name
    pair = images.tile(np.stack([given, found.image]), 2)
    images.write_png(folder / f'{path.stem}.png', pair)
    content = files.arrays(
        latent=found.latent[None],
        label=np.array([found.label], np.int32),
        image=found.image[None],
        l1=np.array(found.l1, np.float32),
        features=np.array(found.features, np.float32),
    )
    files.replace(path, content)
    return path


def of_run(run: Trained, count: int) -> dict[str, np.ndarray]:
    """Training images, uint8 [N, H, W, C], and as many that were held out from the run, by name.

    Raises:
      UserError: the run has held none out, or its images cannot be had.
    """
    config = run.config.data
    training = data.load(config)
    test = data.held_out(config, training)
    if test is None:
        raise UserError(
            f'--compare={count}: the run has held no images out: train with'
            ' config.data.held_out=0.1'
        )
    count = min(count, len(training.source), len(test.source))
    parts = {'train': (training, sets.TRAINING), 'held_out': (test, sets.HELD_OUT)}
    return {
        name: sets.of_dataset(part, config, role, count).image
        for name, (part, role) in parts.items()
    }


def compare(projector: Projector, parts: Mapping[str, np.ndarray]) -> dict[str, list[Projection]]:
    """Projections of each image, by the name of their part."""
    pairs = [(name, image) for name, own in parts.items() for image in own]
    found: dict[str, list[Projection]] = {name: [] for name in parts}
    for name, image in progress.over(pairs, len(pairs), 'project'):
        found[name].append(projector(image))
    return found


def nearer(ours: Sequence[float], others: Sequence[float]) -> float:
    """In which share of all pairs ours is less than the other; equal ones count half."""
    a, b = np.asarray(ours)[:, None], np.asarray(others)[None]
    return float(np.mean((a < b) + (a == b) / 2))
