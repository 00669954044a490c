"""Properties of the distance by a frozen net's maps."""

import jax
import numpy as np

from gan_jax.pretrained import perceptual


def draw(seed: int) -> list[np.ndarray]:
    """Two maps of four images; channels differ in mean and scale."""
    rng = np.random.default_rng(seed)
    shapes = (4, 8, 8, 3), (4, 4, 4, 5)
    return [
        rng.normal(np.arange(shape[-1]), 1 + np.arange(shape[-1]), shape).astype(np.float32)
        for shape in shapes
    ]


@jax.jit
def update(moments, maps, step):
    return perceptual.update(moments, maps, step, lambda tree: tree)


distance = jax.jit(perceptual.distance)


def moments_of(*batches: list[jax.Array]) -> perceptual.Moments:
    """The moments of all batches in turn."""
    none = [np.zeros(x.shape[-1], np.float32) for x in batches[0]]
    moments = [dict.fromkeys(('mean', 'square'), zeros) for zeros in none]
    for step, maps in enumerate(batches):
        moments = update(moments, maps, np.int32(step))
    return moments


def test_the_moments_are_those_of_all_images_seen():
    batches = [draw(seed) for seed in range(3)]
    for found, parts in zip(moments_of(*batches), zip(*batches, strict=True), strict=True):
        together = np.concatenate(parts).astype(np.float64)
        np.testing.assert_allclose(found['mean'], together.mean((0, 1, 2)), rtol=1e-5, atol=1e-6)
        squares = np.square(together).mean((0, 1, 2))
        np.testing.assert_allclose(found['square'], squares, rtol=1e-5)


def test_the_distance_is_in_deviations_and_of_every_map_alike():
    real, fake = draw(0), draw(1)
    moments = moments_of(real)
    shifted = [x + 2 * np.std(x, axis=(0, 1, 2), keepdims=True) for x in real]
    np.testing.assert_allclose(distance(shifted, real, moments), 2, rtol=1e-5)
    assert distance(real, real, moments) == 0
    # Larger or moved channels are the same channels.
    expected = distance(fake, real, moments)
    moved = [[5 * x + 7 for x in maps] for maps in (fake, real)]
    found = distance(*moved, moments_of(moved[1]))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_channel_that_never_varies_divides_by_no_zero():
    flat = [np.ones((2, 4, 4, 3), np.float32)]
    moments = moments_of(flat)
    slope = jax.jit(jax.grad(lambda x: distance([x], flat, moments)))
    assert np.isfinite(np.asarray(slope(flat[0] + np.float32(1e-3)))).all()
