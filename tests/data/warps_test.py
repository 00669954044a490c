"""Deformations: the spline's defining properties, sampling, and both panels of a pair alike."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from gan_jax.data import views, warps
from gan_jax.types import Batch, DataSpec

SIDE = 24
SPEC = DataSpec((SIDE, 2 * SIDE, 3), 0, 8, panels=2)


def image(seed=0, side=SIDE):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def test_the_spline_goes_where_its_control_points_go():
    """Where pixels are control points, each moves with its own and with no other."""
    basis = warps.thin_plate(warps.POINTS, warps.POINTS)
    np.testing.assert_allclose(basis, np.eye(warps.POINTS**2), atol=1e-5)


def test_the_spline_bends_nothing_if_its_points_move_as_a_plane():
    points = warps.thin_plate(SIDE, 2 * SIDE)
    controls, pixels = warps._grid(warps.POINTS, warps.POINTS), warps._grid(SIDE, 2 * SIDE)
    plane = np.array([[0.3, -0.2], [0.1, 0.4]])
    np.testing.assert_allclose(points @ (controls @ plane + 0.1), pixels @ plane + 0.1, atol=1e-5)


def drawn(warp, zoom, seed=0):
    basis = warps.thin_plate(SIDE, SIDE)
    found = warps.places(jax.random.key(seed), basis, (SIDE, SIDE), warp, zoom)
    return np.asarray(found).reshape(SIDE, SIDE, 2)


def test_without_strength_every_pixel_stays():
    np.testing.assert_allclose(
        drawn(0.0, 0.0), np.indices((SIDE, SIDE)).transpose(1, 2, 0), atol=1e-4
    )


def test_crops_are_squares_inside_of_the_image_no_smaller_than_asked():
    scales = []
    for seed in range(50):
        found = drawn(0.0, 0.4, seed)
        steps = np.diff(found, axis=0)[..., 0], np.diff(found, axis=1)[..., 1]
        assert np.ptp(steps[0]) < 1e-4 and np.ptp(steps[1]) < 1e-4
        np.testing.assert_allclose(steps[0].mean(), steps[1].mean(), atol=1e-4)
        scales.append(steps[0].mean())
        border = scales[-1] / 2  # of the first and last pixel of the crop
        assert found.min() - border >= -0.5 - 1e-3 and found.max() + border <= SIDE - 0.5 + 1e-3
    assert 0.6 <= min(scales) < 0.7 < 0.9 < max(scales) <= 1


def test_bilinear_is_scipys():
    where = np.random.default_rng(1).uniform(-3, SIDE + 3, (200, 2)).astype(np.float32)
    wanted = np.stack(
        [
            ndimage.map_coordinates(plane.astype(np.float64), where.T, order=1, mode='nearest')
            for plane in np.moveaxis(image(), -1, 0)
        ],
        axis=1,
    )
    got = np.asarray(warps.bilinear(jnp.asarray(image()), where))
    np.testing.assert_allclose(got, wanted, atol=0.51)


def seen(make_config, pair, **fields):
    config = make_config(warp=0.05, zoom=0.3, **fields).data
    view = jax.jit(views.make(config, SPEC, None))
    batch = Batch(np.broadcast_to(pair, (1, 8, *pair.shape)), np.zeros((1, 8), np.int32))
    return np.asarray(view(jax.random.key(0), batch).image[0])


def test_a_pair_is_bent_as_one_and_each_example_otherwise(make_config):
    found = seen(make_config, np.concatenate([image(), image()], axis=1), input='grey')
    np.testing.assert_array_equal(found[:, :, :SIDE], found[:, :, SIDE:])
    assert len(np.unique(found.reshape(8, -1), axis=0)) == 8


@pytest.mark.parametrize('kind, values', [('canny', 2), ('grey', 100)])
def test_edges_stay_edges(kind, values, make_config):
    edges = np.where(image(1) > 127, 255, 0).astype(np.uint8)
    found = seen(make_config, np.concatenate([edges, image()], axis=1), input=kind)
    count = len(np.unique(found[:, :, :SIDE]))
    assert count == values if kind == 'canny' else count > values
