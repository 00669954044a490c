"""DiffAugment: the same differentiable augmentation on real and generated images.

Zhao et al. 2020, arXiv:2006.10738. Each function takes images float32 [B, H, W, C] in
[-1, 1] and one key an example [B], and draws for each image anew. Strengths are those
of the paper's released code. A policy names some of them, and each is applied to an image
with a probability of its own draw, as in ADA (Karras et al. 2020, arXiv:2006.06676).
"""

from collections.abc import Callable, Mapping
import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.scipy.ndimage

from gan_jax import fields, rng

Augmentation = Callable[[jax.Array, jax.Array], jax.Array]
Policy = Callable[[jax.Array, jax.Array, jax.Array | float], jax.Array]

CHOICE = 1  # folded into a key for whether it is used at all
_SHIFT = 0.125  # of the side
_TURN = math.radians(15)
_STRETCH = 0.15
_DRIFT = 0.1  # of the side


def color(images: jax.Array, keys: jax.Array, strength: float = 1.0) -> jax.Array:
    """Brightness + U(-.5, .5), then saturation * U(0, 2), then contrast * U(.5, 1.5).

    `strength` is a factor of the widths of these intervals. Alpha stays as it is.
    """

    def one(image: jax.Array, key: jax.Array) -> jax.Array:
        brightness, saturation, contrast = jax.random.uniform(key, (3,))
        image, alpha = image[..., :3], image[..., 3:]
        image = image + strength * (brightness - 0.5)
        grey = jnp.mean(image, axis=-1, keepdims=True)
        image = grey + (image - grey) * (1 - strength + 2 * strength * saturation)
        mean = jnp.mean(image)
        image = mean + (image - mean) * (1 - strength / 2 + strength * contrast)
        return jnp.concatenate([image, alpha], axis=-1) if alpha.size else image

    return jax.vmap(one)(images, keys)


def soft_color(images: jax.Array, keys: jax.Array) -> jax.Array:
    """The same as `color` by half: + U(-.25, .25), then * U(.5, 1.5), then * U(.75, 1.25)."""
    return color(images, keys, 0.5)


def translation(images: jax.Array, keys: jax.Array) -> jax.Array:
    """A shift of up to 1/8 of the side each way; zeros move in."""
    _, height, width, _ = images.shape
    reach = round(height * _SHIFT), round(width * _SHIFT)

    def one(image: jax.Array, key: jax.Array) -> jax.Array:
        limits = jnp.array([2 * reach[0] + 1, 2 * reach[1] + 1])
        top, left = jax.random.randint(key, (2,), 0, limits)
        padded = jnp.pad(image, ((reach[0],) * 2, (reach[1],) * 2, (0, 0)))
        return jax.lax.dynamic_slice(padded, (top, left, jnp.zeros_like(top)), image.shape)

    return jax.vmap(one)(images, keys)


def cutout(images: jax.Array, keys: jax.Array, share: float = 0.5) -> jax.Array:
    """A zeroed hole of half the side, or of `share`; its centre is anywhere, maybe at the edge."""
    _, height, width, _ = images.shape
    hole = round(height * share), round(width * share)

    def inside(centre: jax.Array, side: int, extent: int) -> jax.Array:
        start = centre - extent // 2
        place = jnp.arange(side)
        return (place >= start) & (place < start + extent)

    def one(image: jax.Array, key: jax.Array) -> jax.Array:
        limits = jnp.array([height + 1 - hole[0] % 2, width + 1 - hole[1] % 2])
        row, column = jax.random.randint(key, (2,), 0, limits)
        rows, columns = inside(row, height, hole[0]), inside(column, width, hole[1])
        return jnp.where((rows[:, None] & columns[None, :])[..., None], 0.0, image)

    return jax.vmap(one)(images, keys)


def small_cutout(images: jax.Array, keys: jax.Array) -> jax.Array:
    """A zeroed hole of a fifth of the side, as in the code of Projected GAN (arXiv:2111.01007)."""
    return cutout(images, keys, 0.2)


def affine(images: jax.Array, keys: jax.Array) -> jax.Array:
    """A turn of up to 15 degrees, stretches and shears of up to 15 %, a shift of up to 1/10.

    Bilinear; the pixels at the edge move in. Not of the paper: what handwriting varies in, where
    a colour or a hole would not leave the class as it is.
    """
    _, height, width, channels = images.shape
    middle = jnp.array([[height - 1], [width - 1]]) / 2
    places = jnp.stack([axis.ravel() for axis in jnp.indices((height, width))]) - middle

    def one(image: jax.Array, key: jax.Array) -> jax.Array:
        turn, high, wide, shear, down, right = 2 * jax.random.uniform(key, (6,)) - 1
        angle = turn * _TURN
        sine, cosine = jnp.sin(angle), jnp.cos(angle)
        rotation = jnp.array([[cosine, -sine], [sine, cosine]])
        stretch = jnp.array([[1 + _STRETCH * high, _STRETCH * shear], [0, 1 + _STRETCH * wide]])
        shift = _DRIFT * jnp.stack([down * height, right * width])[:, None]
        bend = jnp.matmul(rotation, stretch, precision='highest')
        source = jnp.matmul(bend, places, precision='highest') + middle + shift
        planes = jnp.moveaxis(image, -1, 0)
        sample = functools.partial(
            jax.scipy.ndimage.map_coordinates, coordinates=list(source), order=1, mode='nearest'
        )
        return jax.vmap(sample)(planes).T.reshape(height, width, channels)

    return jax.vmap(one)(images, keys)


AUGMENTATIONS: dict[str, Augmentation] = {
    'color': color,
    'soft_color': soft_color,
    'translation': translation,
    'cutout': cutout,
    'small_cutout': small_cutout,
    'affine': affine,
}


def parse(policy: str) -> tuple[str, ...]:
    """The names in a policy such as 'color,translation', in the order they are applied."""
    return tuple(name.strip() for name in policy.split(',') if name.strip())


def make(policy: str) -> Policy:
    """The composition of the policy's augmentations; '' changes nothing.

    Returns:
      (images, keys, p) -> images: each augmentation is applied to each image with the probability
      p, a scalar; at 1, a Python number, none is drawn.
    """
    names = parse(policy)
    fold_in = jax.vmap(jax.random.fold_in, (0, None))

    def augment(images: jax.Array, keys: jax.Array, p: jax.Array | float) -> jax.Array:
        for number, name in enumerate(names):
            own_keys = fold_in(keys, number)
            changed = AUGMENTATIONS[name](images, own_keys)
            if isinstance(p, float) and p == 1:
                images = changed
            else:
                chosen = rng.uniform(fold_in(own_keys, CHOICE), (1, 1, 1)) < p
                images = jnp.where(chosen, changed, images)
        return images

    return augment


class Ada(NamedTuple):
    """Adaptive augmentation: as much of it as the discriminator's overfitting asks for.

    Karras et al. 2020, arXiv:2006.06676, section 3.3: the share of real images that the
    discriminator takes for real, r = E[sign D(x)], is 0 while it cannot tell them from generated
    ones, and 1 once it knows them all by heart. The probability of augmentation rises while r is
    above a target, and falls while it is below.
    """

    target: float  # of r, in (0, 1)
    every: int  # steps between changes
    change: float  # of the probability, each time
    limit: float  # above which it does not rise

    def follow(
        self, memory: Mapping[str, jax.Array], sign: jax.Array, step: jax.Array
    ) -> dict[str, jax.Array]:
        """The memory after a step with this mean sign of logits of real images, on all devices."""
        signs = memory['signs'] + sign
        due = (step + 1) % self.every == 0
        p = memory['p'] + self.change * jnp.sign(signs / self.every - self.target)
        return {
            'p': jnp.where(due, jnp.clip(p, 0.0, self.limit), memory['p']),
            'signs': jnp.where(due, 0.0, signs),
        }


def start_ada() -> dict[str, jax.Array]:
    """The memory of a fresh state: the probability `p`, and the sum of `signs` so far."""
    return {'p': jnp.zeros(()), 'signs': jnp.zeros(())}


def make_ada(config: fields.Ada, images_per_step: int) -> Ada | None:
    """Reads `config.ada`; None if it is off. A step uses so many real images, on all devices."""
    if not config.target:
        return None
    change = images_per_step * config.every / config.images
    return Ada(config.target, config.every, change, config.limit)
