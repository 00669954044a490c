"""Distances between two sets of features: pure functions of float arrays [N, D].

Products of two whole sets are made a block of rows at a time, so that 10,000 against 10,000
needs some ten megabytes.
"""

from collections.abc import Iterator
from typing import NamedTuple

import chex
import numpy as np
from numpy.typing import DTypeLike

BLOCK = 2**22  # distances in one block: 32 MB in float64
GROUP = 64  # columns of which one minimum is taken
KID_SUBSETS = 100
KID_SUBSET_SIZE = 1_000  # at most; half of the smaller set where that is less
FIDELITY_K = 3  # neighbours of precision and recall, as in their paper
COVERAGE_K = 5  # of density and coverage, as in theirs
FEWEST = 2 * (COVERAGE_K + 1)  # images for which every metric here is defined


class Moments(NamedTuple):
    """Mean and covariance of features, the latter as a factor."""

    mean: np.ndarray  # float64 [D]
    factor: np.ndarray  # float64 [min(N, D), D]; the covariance, with N - 1, is factor^T factor


def moments(features: np.ndarray) -> Moments:
    """The moments of float [N, D], N at least 2."""
    chex.assert_rank(features, 2)
    x = features.astype(np.float64)
    mean = x.mean(axis=0)
    x = (x - mean) / np.sqrt(len(x) - 1)
    # Of more features than dimensions the triangle of a QR says all, without squaring them.
    return Moments(mean, np.asarray(np.linalg.qr(x, mode='r')) if len(x) > x.shape[1] else x)


def frechet(a: Moments, b: Moments) -> float:
    """The Frechet distance of two Gaussians (Heusel et al. 2017, arXiv:1706.08500, eq. 6).

    |m_a - m_b|^2 + Tr(C_a + C_b - 2 (C_a C_b)^(1/2)). With C = F^T F the trace of the root is the
    sum of the singular values of F_a F_b^T: no root of a matrix that may be singular, and
    nothing that could become complex.
    """
    cross = np.linalg.svd(a.factor @ b.factor.T, compute_uv=False).sum()
    spread = np.square(a.factor).sum() + np.square(b.factor).sum() - 2 * cross
    return float(np.square(a.mean - b.mean).sum() + max(spread, 0.0))


class Estimate(NamedTuple):
    """A metric, and the standard deviation of the values it is the mean of."""

    value: float
    error: float


def kid(a: np.ndarray, b: np.ndarray, seed: int = 0) -> Estimate:
    """The kernel inception distance: the squared maximum mean discrepancy, unbiased.

    Kernel (x.y / D + 1)^3, mean over KID_SUBSETS pairs of random subsets (Binkowski et al.
    2018, arXiv:1801.01401, section 4). Unbiased, so that it is negative at times for equal sets.

    Args:
      a, b: float [N, D] and [M, D], at least 4 each.
    """
    random = np.random.default_rng(seed)
    size = kid_subset_size(len(a), len(b))
    found = [
        squared_discrepancy(
            a[random.choice(len(a), size, replace=False)],
            b[random.choice(len(b), size, replace=False)],
        )
        for _ in range(KID_SUBSETS)
    ]
    return Estimate(float(np.mean(found)), float(np.std(found)))


def kid_subset_size(*counts: int) -> int:
    """Images in each subset of `kid` for sets of so many."""
    return min(KID_SUBSET_SIZE, min(counts) // 2)


def squared_discrepancy(a: np.ndarray, b: np.ndarray) -> float:
    """The unbiased estimate of the squared MMD, kernel (x.y / D + 1)^3, of [N, D] and [M, D]."""
    a, b = a.astype(np.float64), b.astype(np.float64)

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        product = x @ y.T / x.shape[1] + 1
        return product * product * product

    def mean_off_diagonal(x: np.ndarray) -> float:
        gram = kernel(x, x)
        return (gram.sum() - np.trace(gram)) / (len(x) * (len(x) - 1))

    return mean_off_diagonal(a) + mean_off_diagonal(b) - 2 * kernel(a, b).mean()


def blocks(
    a: np.ndarray, b: np.ndarray, dtype: DTypeLike = np.float64
) -> Iterator[tuple[slice, np.ndarray]]:
    """Squared Euclidean distances of rows of a, [N, D], to all of b, [M, D], in blocks of rows.

    Yields the rows, and [rows, M], at least 0.
    """
    centre = b.mean(axis=0, dtype=np.float64)  # where products cancel least
    a, b = ((x - centre).astype(dtype) for x in (a, b))
    squares = np.einsum('nd,nd->n', b, b)
    count = max(BLOCK // len(b), 1)
    for start in range(0, len(a), count):
        rows = slice(start, min(start + count, len(a)))
        found = a[rows] @ b.T
        found *= -2
        found += squares[None]
        found += np.einsum('nd,nd->n', a[rows], a[rows])[:, None]
        yield rows, np.maximum(found, 0, out=found)


def nearest(a: np.ndarray, b: np.ndarray, count: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The `count` nearest rows of b to each row of a, the nearest first.

    Which they are is found in float32, in half the time; how far they are is exact.

    Returns:
      int64 [N, count], their places, and float64 [N, count], Euclidean distances.
    """
    place = np.empty((len(a), count), np.int64)
    distance = np.empty((len(a), count))
    for rows, squared in blocks(a, b, np.float32):
        found = _smallest(squared, count)
        gap = a[rows][:, None].astype(np.float64) - b[found]
        values = np.sqrt(np.einsum('nkd,nkd->nk', gap, gap))
        order = np.argsort(values, axis=1, kind='stable')
        place[rows] = np.take_along_axis(found, order, axis=1)
        distance[rows] = np.take_along_axis(values, order, axis=1)
    return place, distance


def _smallest(values: np.ndarray, count: int) -> np.ndarray:
    """The places of the `count` smallest values of each row [n, M]: int64 [n, count], unordered.

    They lie in the `count` groups of columns with the smallest minima. Minima are quick to find;
    NumPy's partition of all columns would take ten times as long.
    """
    rows, columns = values.shape
    groups = columns // GROUP
    if groups < 4 * count:
        return np.argpartition(values, count - 1, axis=1)[:, :count]
    minima = values[:, : groups * GROUP].reshape(rows, groups, GROUP).min(axis=2)
    best = np.argpartition(minima, count - 1, axis=1)[:, :count]
    inside = (best[:, :, None] * GROUP + np.arange(GROUP)[None, None]).reshape(rows, -1)
    rest = np.broadcast_to(np.arange(groups * GROUP, columns), (rows, columns % GROUP))
    place = np.concatenate([inside, rest], axis=1)
    candidates = np.take_along_axis(values, place, axis=1)
    chosen = np.argpartition(candidates, count - 1, axis=1)[:, :count]
    return np.take_along_axis(place, chosen, axis=1)


class Within(NamedTuple):
    """Distances inside one set."""

    # float64 [N, COVERAGE_K], of each row to its nearest others, the nearest first
    near: np.ndarray
    mean: float  # of all pairs


def within(features: np.ndarray) -> Within:
    """Distances inside a set [N, D], N above 1, and to COVERAGE_K neighbours or all there are."""
    count = min(COVERAGE_K, len(features) - 1)
    near = np.empty((len(features), count))
    total = 0.0
    for rows, squared in blocks(features, features):
        place = np.arange(rows.start, rows.stop)
        squared[place - rows.start, place] = 0.0
        total += np.sqrt(squared).sum()
        squared[place - rows.start, place] = np.inf  # itself
        values = np.take_along_axis(squared, _smallest(squared, count), axis=1)
        near[rows] = np.sqrt(np.sort(values, axis=1))
    return Within(near, float(total / (len(features) * (len(features) - 1))))


class Manifold(NamedTuple):
    """How two sets cover each other, each in [0, 1] but density, which may exceed 1."""

    precision: float  # share of b within the neighbourhoods of a
    recall: float  # share of a within those of b
    density: float  # in how many neighbourhoods of a an image of b lies, over COVERAGE_K; mean
    coverage: float  # share of a's neighbourhoods that hold an image of b


def manifold(
    real: np.ndarray, fake: np.ndarray, real_within: Within, fake_within: Within
) -> Manifold:
    """Precision, recall, density and coverage of fakes, [M, D], by real [N, D], and their `within`.

    Kynkaanniemi et al. 2019, arXiv:1904.06991, eq. 1 and 2, with the FIDELITY_K-th neighbour;
    Naeem et al. 2020, arXiv:2002.09797, eq. 3 and 4, with the COVERAGE_K-th.
    """
    near_real = np.square(real_within.near)[:, FIDELITY_K - 1, None]
    wide_real = np.square(real_within.near)[:, COVERAGE_K - 1, None]
    near_fake = np.square(fake_within.near)[None, :, FIDELITY_K - 1]
    precise = np.zeros(len(fake), bool)
    inside = 0
    recalled, covered = np.empty(len(real), bool), np.empty(len(real), bool)
    for rows, squared in blocks(real, fake):
        precise |= (squared <= near_real[rows]).any(axis=0)
        recalled[rows] = (squared <= near_fake).any(axis=1)
        inside += int(np.count_nonzero(squared <= wide_real[rows]))
        covered[rows] = squared.min(axis=1) <= wide_real[rows, 0]
    return Manifold(
        float(precise.mean()),
        float(recalled.mean()),
        float(inside / (COVERAGE_K * len(fake))),
        float(covered.mean()),
    )
