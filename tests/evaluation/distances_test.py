"""Distances of features: those of plain formulas and reference libraries, zero for equal sets."""

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial.distance

from gan_jax.evaluation import distances


def clouds(count=300, others=260, dimensions=24, seed=0):
    """Two sets of features of other means and covariances, skewed as those of a ReLU."""
    random = np.random.default_rng(seed)
    mix = random.normal(size=(dimensions, dimensions)) / np.sqrt(dimensions)
    a = np.maximum(random.normal(size=(count, dimensions)), 0)
    b = np.maximum(random.normal(size=(others, dimensions)) @ mix + 0.3, 0)
    return a.astype(np.float32), b.astype(np.float32)


def frechet(a, b):
    return distances.frechet(distances.moments(a), distances.moments(b))


def manifold(a, b):
    return distances.manifold(a, b, distances.within(a), distances.within(b))


@pytest.mark.newest
def test_frechet_is_the_formula_with_a_matrix_root():
    a, b = clouds()
    ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(ca @ cb).real
    gap = a.mean(0, np.float64) - b.mean(0, np.float64)
    np.testing.assert_allclose(frechet(a, b), gap @ gap + np.trace(ca + cb - 2 * root), rtol=1e-6)


@pytest.mark.parametrize('count', [20, 50])
def test_frechet_of_fewer_images_than_dimensions(count):
    """The root of the singular product, by its eigenvalues in the space of the images."""
    a, b = clouds(count, count + 7, dimensions=200)
    xa, xb = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (a.astype(float), b.astype(float)))
    product = (xa @ xb.T) @ (xb @ xa.T)  # has the nonzero eigenvalues of C_a C_b
    trace = np.sqrt(np.maximum(np.linalg.eigvalsh(product), 0)).sum()
    gap = a.mean(0, np.float64) - b.mean(0, np.float64)
    expected = gap @ gap + (xa**2).sum() + (xb**2).sum() - 2 * trace
    np.testing.assert_allclose(frechet(a, b), expected, rtol=1e-6)


def test_equal_sets_are_at_distance_zero():
    a, _ = clouds()
    shuffled = a[::-1]
    assert abs(frechet(a, shuffled)) < 1e-9
    assert distances.squared_discrepancy(a, shuffled) < 1e-2
    found = manifold(a, shuffled)
    assert found.precision == found.recall == found.coverage == 1
    halves = np.random.default_rng(1).normal(size=(2, 600, 8))
    value, error = distances.kid(*halves)
    assert abs(value) < 3 * error / np.sqrt(distances.KID_SUBSETS) + 3e-3 and error > 0


def test_kernel_distance_is_the_double_sum():
    a, b = clouds(9, 7, 5)
    kernel = lambda x, y: (float(np.dot(x.astype(float), y)) / 5 + 1) ** 3  # noqa: E731
    same_a = [kernel(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j]
    same_b = [kernel(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j]
    cross = [kernel(x, y) for x in a for y in b]
    expected = np.mean(same_a) + np.mean(same_b) - 2 * np.mean(cross)
    np.testing.assert_allclose(distances.squared_discrepancy(a, b), expected, rtol=1e-9)


def test_kid_is_the_mean_over_subsets_and_repeatable():
    a, b = clouds(700, 600, 8)
    whole = distances.squared_discrepancy(a, b)
    value, error = distances.kid(a, b)
    assert distances.kid(a, b) == (value, error)
    assert abs(value - whole) < 4 * error / np.sqrt(distances.KID_SUBSETS)


def plain_manifold(real, fake, k):
    """The definitions, on whole matrices."""
    cdist = scipy.spatial.distance.cdist
    radius = lambda x: np.sort(cdist(x, x), axis=1)[:, k]  # noqa: E731
    between = cdist(real, fake)
    inside = between <= radius(real)[:, None]
    return {
        'precision': inside.any(0).mean(),
        'recall': (between <= radius(fake)[None]).any(1).mean(),
        'density': inside.sum(0).mean() / k,
        'coverage': (between.min(1) <= radius(real)).mean(),
    }


@pytest.mark.newest
@pytest.mark.parametrize('seed', [0, 1])
def test_manifold_is_the_definition(seed, monkeypatch):
    monkeypatch.setattr(distances, 'BLOCK', 2_000)  # several blocks of rows
    real, fake = (x.astype(np.float64) for x in clouds(seed=seed))
    found = manifold(real, fake)
    near, wide = (plain_manifold(real, fake, k) for k in (3, 5))
    assert 0 < found.recall < 1 and 0 < found.coverage < 1
    np.testing.assert_allclose(
        found, [near['precision'], near['recall'], wide['density'], wide['coverage']]
    )


def test_nearest_and_within_are_those_of_whole_matrices(monkeypatch):
    monkeypatch.setattr(distances, 'BLOCK', 2_000)
    a, b = clouds(90, 70, 6)
    whole = scipy.spatial.distance.cdist(a.astype(float), b.astype(float))
    place, distance = distances.nearest(a, b, 4)
    np.testing.assert_array_equal(place, np.argsort(whole, axis=1)[:, :4])
    np.testing.assert_allclose(distance, np.sort(whole, axis=1)[:, :4], rtol=1e-9)
    inside = scipy.spatial.distance.cdist(a.astype(float), a.astype(float))
    found = distances.within(a)
    np.testing.assert_allclose(found.near, np.sort(inside, axis=1)[:, 1:6], rtol=1e-6)
    np.testing.assert_allclose(found.mean, inside.sum() / (90 * 89), rtol=1e-9)


@pytest.mark.parametrize(
    ('count', 'columns'), [(1, 300), (1, 5000), (5, 1279), (5, 1280), (5, 9999)]
)
def test_the_smallest_of_many_columns(count, columns):
    values = np.random.default_rng(columns).random((40, columns))
    values[:20] = np.sort(values[:20])[:, ::-1]  # the smallest at the end, beyond whole groups
    found = np.sort(distances._smallest(values, count), axis=1)
    np.testing.assert_array_equal(found, np.sort(np.argsort(values, axis=1)[:, :count], axis=1))


@pytest.mark.newest
def test_agrees_with_what_reference_libraries_said():
    """Recorded of torch-fidelity 0.4.0 in PyTorch 2.14.1, and of prdc 0.2: they are large."""
    a, b = clouds(400, 380)
    np.testing.assert_allclose(frechet(a, b), 2.6020985531603955, rtol=1e-3)
    np.testing.assert_allclose(distances.squared_discrepancy(a[:380], b), 0.1850870, rtol=1e-3)
    real, fake = clouds()
    expected = [0.5846153846, 0.55, 0.5730769231, 0.6966666667]
    np.testing.assert_allclose(manifold(real, fake), expected, rtol=1e-3)


def test_ten_thousand_fit():
    """Blocks are of bounded size whatever the number of rows."""
    a, b = np.zeros((700, 2)), np.zeros((10_000, 2))
    assert max(block.size for _, block in distances.blocks(a, b)) <= distances.BLOCK
