"""Random views of stored images: crops, mirror images, warps.

This is augmentation of the data set. What is done to real and generated images alike, so that
the generator does not learn it, is `gan_jax.augment`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import data, rng
from gan_jax.data import warps
from gan_jax.data.datasets import Dataset
from gan_jax.fields import Data
from gan_jax.types import Batch, DataSpec

View = Callable[[jax.Array, Batch[jax.Array]], Batch[jax.Array]]


def centred(config: Data, image: np.ndarray, panels: int = 1) -> np.ndarray:
    """The middle of each panel of stored images [N, H, W, C], as large as what training sees."""
    low, high = config.jitter // 2, config.jitter - config.jitter // 2

    def middle(panel: np.ndarray) -> np.ndarray:
        height, width = panel.shape[1:3]
        return panel[:, low : height - high, low : width - high]

    return np.concatenate([middle(panel) for panel in np.split(image, panels, axis=2)], axis=2)


def examples(config: Data, dataset: Dataset, count: int) -> Batch[np.ndarray]:
    """The first images of a set, without augmentation; half of them held-out ones if there are any.

    Returns:
      leaves [N, ...], on the host; fewer than `count` if the set has fewer.
    """
    if not count:
        return Batch(np.zeros((0, *dataset.spec.image_shape), np.uint8), np.zeros(0, np.int32))
    parts = [(dataset, count)]
    if count > 1 and (test := data.held_out(config, dataset)) is not None:
        parts = [(dataset, count - count // 2), (test, count // 2)]
    batches = [
        part.source.take(np.arange(min(number, part.spec.num_examples))) for part, number in parts
    ]
    batch = Batch(*map(np.concatenate, zip(*batches, strict=True)))
    return batch._replace(image=centred(config, batch.image, dataset.spec.panels))


def make(config: Data, spec: DataSpec, axis_name: str | None) -> View | None:
    """The views that `config.jitter`, `flip`, `warp` and `zoom` ask for; None: nothing.

    Every panel of an image gets the same crop, flip and deformation. What is drawn depends on the
    key and the place in the global batch.

    Args:
      axis_name: the axis over which the batch is divided, None if it is not.

    Returns:
      (the step's key, batch with leaves [batches, B, ...]) -> the same, cropped, flipped and bent.
    """
    if not (config.flip or config.jitter or config.warp or config.zoom):
        return None
    height, width, _ = spec.image_shape
    size = height, width // spec.panels
    deform = _deformation(config, size) if config.warp or config.zoom else None

    def one(image: jax.Array, key: jax.Array) -> jax.Array:
        panels = jnp.stack(jnp.split(image, spec.panels, axis=1))
        place, side = jax.random.split(key)
        if config.jitter:
            top, left = jax.random.randint(place, (2,), 0, config.jitter + 1)
            panels = jax.lax.dynamic_slice(
                panels, (0, top, left, 0), (spec.panels, *size, image.shape[-1])
            )
        if config.flip:
            mirrored = jax.random.bernoulli(side)
            panels = jnp.where(mirrored, panels[:, :, ::-1], panels)
        if deform:
            panels = deform(panels, jax.random.fold_in(key, 2))
        return jnp.concatenate(list(panels), axis=1)

    def view(key: jax.Array, batch: Batch[jax.Array]) -> Batch[jax.Array]:
        batches, count = batch.image.shape[:2]
        keys = [
            rng.example_keys(rng.purpose_key(key, 'view', draw), count, axis_name)
            for draw in range(batches)
        ]
        image = jnp.stack([jax.vmap(one)(x, k) for x, k in zip(batch.image, keys, strict=True)])
        return batch._replace(image=image)

    return view


def _deformation(
    config: Data, size: tuple[int, int]
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """(panels uint8 [P, H, W, C], key) -> the same, bent and enlarged; see `warps.places`."""
    basis = warps.thin_plate(*size)

    def deform(panels: jax.Array, key: jax.Array) -> jax.Array:
        where = warps.places(key, basis, size, config.warp, config.zoom)
        # Of edges and labels there is nothing in between; a grey input is the photo's own.
        first = warps.bilinear if len(panels) == 1 or config.input == 'grey' else warps.nearest
        samplers = [first, *[warps.bilinear] * (len(panels) - 1)]
        bent = [sample(panel, where) for sample, panel in zip(samplers, panels, strict=True)]
        return jnp.stack(bent).reshape(panels.shape)

    return deform
