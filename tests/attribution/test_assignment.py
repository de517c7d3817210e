"""Single images: the nearest centre, its name, or none."""

from pathlib import Path

import numpy as np
import pytest
from tests.builders import blobs, taught

from ganamis.attribution.assignment import Assignment, fit_assignment
from ganamis.clustering.whitening import within_class_whitening
from ganamis.contracts import view_means

FEATURES, NAMES = blobs(generators=4, images=30, seed=0)
KNOWN = NAMES != "gan3"
REFERENCE = taught(FEATURES[KNOWN], NAMES[KNOWN])
QUERY, TRUTH = blobs(generators=4, images=30, seed=1)
LABELS = np.unique(TRUTH, return_inverse=True)[1]


@pytest.fixture(scope="module")
def assignment() -> Assignment:
    whitening = within_class_whitening(
        REFERENCE.features, REFERENCE.generators, components=6, shrinkage=0.1
    )
    return fit_assignment(QUERY, LABELS, REFERENCE, whitening, views=1, coverage=0.999)


def test_known_generators_are_named_and_the_other_is_not(assignment: Assignment) -> None:
    assert set(assignment.names) == {"gan0", "gan1", "gan2", "unknown-1"}
    found = assignment.assign(QUERY)
    expected = np.where(TRUTH == "gan3", "unknown-1", TRUTH)
    assert (found["generator"] == expected).mean() > 0.98
    assert (found["unknown"] == (TRUTH == "gan3")).mean() > 0.98
    assert found["score"].between(0, 1).all()


def test_what_was_clustered_is_taken_in_and_what_is_far_is_not(assignment: Assignment) -> None:
    assert (assignment.assign(QUERY)["cluster"] >= 0).mean() > 0.98
    far = assignment.assign(QUERY + np.float32(1000))
    assert (far["cluster"] == -1).all()
    assert (far["generator"] == "unknown").all() and (far["score"] == 0).all()


def test_one_image_at_a_time_is_the_same_as_all(assignment: Assignment) -> None:
    together = assignment.assign(QUERY)
    for row in (0, 17, 64):
        alone = assignment.assign(QUERY[row : row + 1]).iloc[0]
        assert alone["cluster"] == together["cluster"][row]
        assert alone["score"] == pytest.approx(together["score"][row])


def test_a_generator_absent_from_the_batch_keeps_its_centre() -> None:
    present = TRUTH != "gan0"
    whitening = within_class_whitening(
        REFERENCE.features, REFERENCE.generators, components=6, shrinkage=0.1
    )
    fitted = fit_assignment(
        QUERY[present], LABELS[present], REFERENCE, whitening, views=1, coverage=0.999
    )
    assert (fitted.assign(QUERY[~present])["generator"] == "gan0").mean() > 0.98


def test_saved_and_loaded_assigns_the_same(assignment: Assignment, tmp_path: Path) -> None:
    assignment.save(tmp_path / "assignment.npz")
    loaded = Assignment.load(tmp_path / "assignment.npz")
    two_views = np.hstack([QUERY, QUERY])
    assert view_means(two_views, 2) == pytest.approx(QUERY)
    assert loaded.assign(QUERY).equals(assignment.assign(QUERY))
