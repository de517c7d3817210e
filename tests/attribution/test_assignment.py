"""Single images: the nearest centre, its name, or none."""

from pathlib import Path

import numpy as np
import pytest
from tests.builders import blobs, taught

from ganamis.attribution.assignment import Assignment, SpaceSettings, fit_assignment
from ganamis.contracts import Embeddings, Fold, view_means

SETTINGS = SpaceSettings(components=6, shrinkage=0.1)
FEATURES, NAMES = blobs(generators=5, images=30, seed=0)
KNOWN = NAMES < "gan3"
REFERENCE = taught(FEATURES[KNOWN], NAMES[KNOWN])
QUERY, TRUTH = blobs(generators=5, images=30, seed=1)
BATCH = TRUTH < "gan4"  # gan3 is clustered and never named; gan4 is in nothing
LABELS = np.unique(TRUTH[BATCH], return_inverse=True)[1]


def folds() -> list[Fold]:
    names, count = REFERENCE.generators, len(REFERENCE.generators)
    query = np.arange(count) % 2 == 0
    embeddings = Embeddings(np.arange(count).astype(str), REFERENCE.features)
    return [
        Fold(held_out, embeddings, names, ~query & (names != held_out), query, REFERENCE.copies)
        for held_out in np.unique(names)
    ]


def fitted(chosen: np.ndarray) -> Assignment:
    labels = np.unique(TRUTH[chosen], return_inverse=True)[1]
    return fit_assignment(
        QUERY[chosen], labels, REFERENCE, folds(), views=1, settings=SETTINGS, parts=4, seed=0
    )


@pytest.fixture(scope="module")
def assignment() -> Assignment:
    return fitted(BATCH)


def test_known_generators_are_named_and_the_clustered_one_is_not(assignment: Assignment) -> None:
    assert set(assignment.names) == {"gan0", "gan1", "gan2", "unknown-1"}
    found = assignment.assign(QUERY[BATCH])
    expected = np.where(TRUTH[BATCH] == "gan3", "unknown-1", TRUTH[BATCH])
    assert (found["generator"] == expected).mean() > 0.95
    assert (found["unknown"] == (TRUTH[BATCH] == "gan3")).mean() > 0.95
    assert found["score"].between(0, 1).all()


def test_a_generator_in_neither_development_nor_batch_is_rejected(assignment: Assignment) -> None:
    found = assignment.assign(QUERY[~BATCH])
    assert (found["cluster"] == -1).all() and found["unknown"].all()
    assert (found["generator"] == "unknown").all() and (found["score"] > 0.9).all()


def test_the_threshold_comes_from_development_alone(assignment: Assignment) -> None:
    other = fitted(BATCH & (TRUTH != "gan3"))
    assert other.calibration == assignment.calibration and other.scale == assignment.scale


def test_one_image_at_a_time_is_the_same_as_all(assignment: Assignment) -> None:
    together = assignment.assign(QUERY)
    for row in (0, 17, 64):
        alone = assignment.assign(QUERY[row : row + 1]).iloc[0]
        assert alone["cluster"] == together["cluster"][row]
        assert alone["score"] == pytest.approx(together["score"][row])


def test_a_generator_absent_from_the_batch_keeps_its_centre() -> None:
    present = BATCH & (TRUTH != "gan0")
    found = fitted(present).assign(QUERY[TRUTH == "gan0"])
    assert (found["generator"] == "gan0").mean() > 0.9


def test_saved_and_loaded_assigns_the_same(assignment: Assignment, tmp_path: Path) -> None:
    assignment.save(tmp_path / "assignment.npz")
    loaded = Assignment.load(tmp_path / "assignment.npz")
    two_views = np.hstack([QUERY, QUERY])
    assert view_means(two_views, 2) == pytest.approx(QUERY)
    assert loaded.assign(QUERY).equals(assignment.assign(QUERY))
