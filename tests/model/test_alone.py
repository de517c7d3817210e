"""Single images: the nearest known generator, its name, or none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ganamis.contracts import Embedded
from ganamis.extractors.spectrum import Spectrum
from ganamis.model.alone import Alone, nearest_known
from ganamis.model.backend import BackEnd
from ganamis.model.fingerprint import FingerprintModel
from ganamis.model.naming import Calibration
from ganamis.model.storage import load_backend, save_model
from tests.builders import PARAMS, blobs, taught

FEATURES, NAMES = blobs(generators=5, images=30, seed=0)
KNOWN = NAMES < "gan3"
REFERENCE = taught(FEATURES[KNOWN], NAMES[KNOWN])
QUERY, TRUTH = blobs(generators=5, images=30, seed=1)  # gan3 and gan4 were never seen


def fitted() -> BackEnd:
    return BackEnd.fit(REFERENCE, settings=PARAMS.model, seed=0).calibrated()


@pytest.fixture(scope="module")
def backend() -> BackEnd:
    return fitted()


def embedded(backend: BackEnd, features: np.ndarray, *, views: int = 1) -> Embedded:
    ids = np.array([f"{row:03d}" for row in range(len(features))])
    return backend.reduce(features, ids, np.zeros((len(features), 1), np.float32), views=views)


def test_known_generators_are_named_and_the_others_are_not(backend: BackEnd) -> None:
    found = backend.alone(embedded(backend, QUERY))
    unseen = TRUTH >= "gan3"
    expected = np.where(unseen, "unknown", TRUTH)
    assert set(found.names) == {"gan0", "gan1", "gan2", "unknown"}
    assert (found.names == expected).mean() > 0.95
    assert (found.known == ~unseen).mean() > 0.95
    assert found.scores.min() >= 0 and found.scores.max() <= 1


@pytest.mark.parametrize("name", ["gan3", "gan4"])
def test_a_generator_never_seen_is_rejected(backend: BackEnd, name: str) -> None:
    found = backend.alone(embedded(backend, QUERY[TRUTH == name]))
    assert not found.known.any()
    assert (found.names == "unknown").all() and (found.scores > 0.9).all()


def test_the_threshold_comes_from_development_alone(backend: BackEnd) -> None:
    other = fitted()
    other.alone(embedded(other, QUERY[TRUTH == "gan3"]))
    assert other.single == backend.single
    np.testing.assert_array_equal(other._alone.scales, backend._alone.scales)


def test_one_image_at_a_time_is_the_same_as_all(backend: BackEnd) -> None:
    everything = embedded(backend, QUERY)
    together = backend.alone(everything)
    for row in (0, 17, 64):
        alone = backend.alone(everything.rows(np.array([row])))
        assert alone.names[0] == together.names[row]
        assert alone.scores[0] == pytest.approx(together.scores[row])


@pytest.mark.parametrize("name", ["gan0", "gan1", "gan2"])
def test_a_folder_of_one_known_generator_needs_no_other(backend: BackEnd, name: str) -> None:
    found = backend.alone(embedded(backend, QUERY[TRUTH == name]))
    assert (found.names == name).mean() > 0.9


def test_saved_and_loaded_answers_the_same(backend: BackEnd, tmp_path: Path) -> None:
    model = FingerprintModel(Spectrum(grid=2, periods=(16,), threads=1), backend)
    save_model(model, tmp_path)
    loaded = load_backend(tmp_path)
    save_model(replace(model, backend=loaded), tmp_path / "again")
    again = load_backend(tmp_path / "again")
    two_views = np.hstack([QUERY, QUERY])
    query = embedded(loaded, two_views, views=2)
    assert query.means == pytest.approx(embedded(loaded, QUERY).features, abs=1e-6)
    first, second = loaded.alone(query), again.alone(query)
    for column in ("names", "known", "scores"):
        np.testing.assert_array_equal(getattr(first, column), getattr(second, column))
    np.testing.assert_array_equal(first.names, backend.alone(query).names)
    np.testing.assert_array_equal(first.scores, backend.alone(query).scores)


def test_distances_are_those_of_a_slow_loop(backend: BackEnd) -> None:
    """Mahalanobis distances under the image's own condition, a centre after the other."""
    alone, nuisance = backend._alone, backend.nuisance
    points = embedded(backend, QUERY[:12]).means
    conditions = np.arange(12) % 2
    found = alone.distances(points, conditions)
    shrinkage = PARAMS.model.open_world.shrinkage
    for row, point in enumerate(points):
        copies = nuisance.copies[conditions[row]].astype(float)
        scatter = np.zeros((copies.shape[1],) * 2)
        for name in backend.known:
            rows = copies[nuisance.labels == name]
            for apart in rows - rows.mean(axis=0):
                scatter += np.outer(apart, apart)
        scatter /= len(copies) - len(backend.known)
        sphere = np.trace(scatter) / len(scatter) * np.eye(len(scatter))
        inverse = np.linalg.inv((1 - shrinkage) * scatter + shrinkage * sphere)
        for place, name in enumerate(backend.known):
            apart = point - copies[nuisance.labels == name].mean(axis=0)
            distance = np.sqrt(apart @ inverse @ apart) / alone.scales[conditions[row]]
            assert found[row, place] == pytest.approx(distance, rel=1e-4)


def test_one_is_the_median_of_known_images_that_taught_nothing(backend: BackEnd) -> None:
    known = TRUTH < "gan3"
    batch = embedded(backend, QUERY[known])
    nearest = backend._alone.distances(batch.means, np.zeros(known.sum(), dtype=int)).min(axis=1)
    assert np.median(nearest) == pytest.approx(1, abs=0.15)


def test_nearest_known_accepts_rejects_and_says_how_sure() -> None:
    calibration = Calibration(slope=-2.0, intercept=5.0, threshold=0.5)  # even odds at 2.5
    distances = np.array([[1.0, 4.0], [1.0, 1.0], [9.0, 8.0], [2.5, 2.4]])
    nearest, accepted, scores = nearest_known(distances, calibration)
    assert nearest.tolist() == [0, 0, 1, 1]
    assert accepted.tolist() == [True, True, False, True]
    belongs = 1 / (1 + np.exp(2.0 * distances.min(axis=1) - 5.0))
    weights = np.exp(-(distances**2) / 2)
    share = weights.max(axis=1) / weights.sum(axis=1)
    assert scores == pytest.approx(np.where(accepted, belongs * share, 1 - belongs))
    assert share[1] == pytest.approx(0.5), "as near to two generators: either may be right"


def test_who_knows_nobody_says_so(backend: BackEnd) -> None:
    found = replace(backend, known=()).alone(embedded(backend, QUERY[:3]))
    assert found.names.tolist() == ["unknown"] * 3 and not found.known.any()


def test_of_two_images_only_a_space_is_still_learned() -> None:
    tiny = BackEnd.fit(
        taught(FEATURES[:4], np.array(["a", "a", "b", "b"])), settings=PARAMS.model, seed=0
    )
    model = Alone.fit(tiny.nuisance, np.array(["a", "b"]), settings=PARAMS.model, seed=0)
    points = embedded(tiny, QUERY[:2]).means
    assert np.isfinite(model.distances(points, np.zeros(2, dtype=int))).all()
