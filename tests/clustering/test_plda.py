"""The score against the joint Gaussian of all images, written out in full."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from ganamis.clustering.plda import Plda


def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    centres = random.normal(size=(6, 3)) * 3
    labels = np.repeat(np.arange(6), 20)
    return centres[labels] + random.normal(size=(120, 3)) * [0.5, 1.0, 2.0], labels


def joint_density(
    points: np.ndarray, mean: np.ndarray, within: np.ndarray, between: float
) -> float:
    """Log density of `[N, C]` images of one generator: N * C variables, covariance by loops."""
    count, dimensions = points.shape
    covariance = np.zeros((count * dimensions,) * 2)
    for i in range(count):
        for j in range(count):
            for p in range(dimensions):
                for q in range(dimensions):
                    value = between * (p == q) + within[p, q] * (i == j)
                    covariance[i * dimensions + p, j * dimensions + q] = value
    return float(multivariate_normal.logpdf(points.ravel(), np.tile(mean, count), covariance))


@pytest.mark.parametrize(("sizes", "apart"), [((1, 1), 0.0), ((3, 5), 0.5), ((4, 2), 6.0)])
def test_the_score_is_that_of_all_images_jointly(sizes: tuple[int, int], apart: float) -> None:
    points, labels = draw(0)
    model = Plda.fit(points, labels, prior=10.0)
    within = np.zeros((3, 3))
    centres = []
    for name in range(6):
        group = points[labels == name]
        centres.append(group.mean(axis=0))
        for point in group:
            within += np.outer(point - centres[-1], point - centres[-1])
    within = (within + 10.0 * np.eye(3)) / (120 - 6 + 10)
    mean = np.mean(centres, axis=0)
    between = float(np.sum((np.array(centres) - mean) ** 2)) / 5 / 3
    random = np.random.default_rng(1)
    first = random.normal(size=(sizes[0], 3))
    second = random.normal(size=(sizes[1], 3)) + apart
    expected = joint_density(np.concatenate([first, second]), mean, within, between)
    expected -= joint_density(first, mean, within, between)
    expected -= joint_density(second, mean, within, between)
    others = [second, first[:1], points]
    found = model.log_likelihood_ratios([points, first], others, independent=100)
    assert found.shape == (2, 3) and found[1, 0] == pytest.approx(expected, rel=1e-6)
    turned = model.log_likelihood_ratios(others, [points, first], independent=100)
    assert turned == pytest.approx(found.T)


def test_one_generator_scores_above_two_and_more_images_say_so_the_louder() -> None:
    points, labels = draw(2)
    model = Plda.fit(points, labels, prior=10.0)
    own, other = points[labels == 0], points[labels == 1]
    asked = [own[:1], own[:10], np.repeat(own, 9, axis=0), own]
    found = model.log_likelihood_ratios(asked, [own[10:], other], independent=10)
    (same, different), (many, once) = found[:2].T, found[2:, 1]
    assert same[0] > 0 > different[0] > different[1] and same[1] > same[0]
    assert many == pytest.approx(once)


def test_one_development_generator_is_enough() -> None:
    points, labels = draw(3)
    model = Plda.fit(points[labels == 0], labels[labels == 0], prior=10.0)
    own = points[labels == 0]
    score = model.log_likelihood_ratios([own[:5]], [own], independent=10)
    assert np.isfinite(score).all() and (score > 0).all()
