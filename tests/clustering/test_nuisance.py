"""Nuisance covariances against naive loops and hand-made batches."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from ganamis.clustering.nuisance import (
    ConditionClassifier,
    Nuisance,
    condition_weights,
    fit_batch,
    inverse_root,
    shrunk,
    within_image_scatter,
    within_scatter,
)

RANDOM = np.random.default_rng(5)


def example(*, shift: float) -> Nuisance:
    """Two generators, two conditions that move the third feature by `shift`."""
    labels = np.repeat(["a", "b"], 40)
    clean = RANDOM.normal(size=(80, 6)) + 5.0 * (labels == "b")[:, None] * np.eye(6)[0]
    moved = clean + shift * np.eye(6)[2]
    return Nuisance.fit({"clean": clean, "moved": moved}, labels, components=6)


def test_within_scatter_is_the_naive_loop() -> None:
    features, labels = RANDOM.normal(size=(30, 4)), np.arange(30) % 3
    naive = np.zeros((4, 4))
    for label in range(3):
        rows = features[labels == label]
        for row in rows:
            apart = row - rows.mean(axis=0)
            naive += np.outer(apart, apart)
    kept = features.copy()
    np.testing.assert_allclose(within_scatter(features, labels), naive / 27, rtol=1e-12)
    np.testing.assert_array_equal(features, kept)


def test_views_of_an_image_estimate_the_variance_of_its_mean() -> None:
    noise = RANDOM.normal(size=(4000, 4, 3)) * np.array([1.0, 2.0, 3.0])
    image = RANDOM.normal(size=(4000, 1, 3)) * 10
    place = RANDOM.normal(size=(1, 4, 3)) * 10
    measured = within_image_scatter(noise + image + place)
    np.testing.assert_allclose(np.diag(measured), np.array([1.0, 4.0, 9.0]) / 4, rtol=0.1)
    assert not within_image_scatter(noise[:, :1]).any()


def test_inverse_root_whitens_and_shrinkage_reaches_the_identity() -> None:
    covariance = np.cov(RANDOM.normal(size=(5, 50)))
    root = inverse_root(covariance)
    np.testing.assert_allclose(root.T @ covariance @ root, np.eye(5), atol=1e-10)
    sphere = shrunk(covariance, shrinkage=1.0)
    np.testing.assert_allclose(sphere, np.trace(covariance) / 5 * np.eye(5))


@pytest.mark.parametrize("classes", [2, 5])
def test_conditions_are_told_apart_as_by_linear_discriminants(classes: int) -> None:
    random = np.random.default_rng(0)
    points = random.normal(size=(classes, 60, 9)) + random.normal(size=(classes, 1, 9))
    copies = (points @ random.normal(size=(9, 9))).astype(np.float32)
    asked = random.normal(size=(30, 9))
    oracle = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.03)
    oracle.fit(copies.reshape(-1, 9).astype(float), np.repeat(np.arange(classes), 60))
    found = ConditionClassifier.fit(copies, shrinkage=0.03).posteriors(asked)
    np.testing.assert_allclose(found, oracle.predict_proba(asked), atol=1e-9)


def test_condition_weights_find_the_mixture() -> None:
    sharp = np.array([[0.98, 0.01, 0.01]] * 70 + [[0.01, 0.98, 0.01]] * 30)
    assert condition_weights(sharp) == pytest.approx([0.7, 0.3, 0.0], abs=0.02)


def test_a_uniform_batch_has_no_scatter_between_conditions() -> None:
    nuisance = example(shift=9.0)
    _, uniform = nuisance.scatter(np.array([0.0, 1.0]))
    _, mixed = nuisance.scatter(np.array([0.5, 0.5]))
    assert not uniform.any()
    assert np.trace(mixed) == pytest.approx(4.5**2, rel=1e-4)


def test_the_whitening_hides_the_condition_and_keeps_the_generator() -> None:
    nuisance = example(shift=9.0)
    rows = np.arange(80)
    batch = nuisance.copies[rows % 2, rows]
    settings = {"dimensions": 2, "shrinkage": 0.01, "emphasis": 4.0, "condition_components": 6}
    whitening = fit_batch(nuisance, batch, np.zeros((6, 6)), **settings)
    assert whitening.weights == pytest.approx([0.5, 0.5], abs=0.1)
    points = whitening.transform(batch)
    generators, conditions = nuisance.labels == "b", rows % 2 == 1
    gap = points[generators].mean(axis=0) - points[~generators].mean(axis=0)
    drift = points[conditions].mean(axis=0) - points[~conditions].mean(axis=0)
    assert np.linalg.norm(gap) > 4 and np.linalg.norm(drift) < 1


def test_more_dimensions_than_images() -> None:
    features = RANDOM.normal(size=(12, 50)).astype(np.float32)
    nuisance = Nuisance.fit({"clean": features}, np.arange(12) % 2, components=40)
    assert nuisance.basis.shape == (50, 11)
    np.testing.assert_allclose(nuisance.basis.T @ nuisance.basis, np.eye(11), atol=1e-4)
    kept = nuisance.reduce(features) @ nuisance.basis.T + nuisance.mean
    np.testing.assert_allclose(kept, features, atol=1e-3)
