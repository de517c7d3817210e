"""Every clusterer separates what is separate, in any order of rows, and leaves its input alone."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from ganamis.clustering.methods import (
    CLUSTERERS,
    DENSITY,
    OPEN_WORLD,
    RAW,
    larger_first,
    partition,
    prepare,
)
from ganamis.clustering.nuisance import Nuisance
from ganamis.clustering.scores import score
from ganamis.contracts import Embedded, Embeddings, Reference
from ganamis.errors import UserError
from ganamis.params import ModelSettings
from tests.builders import PARAMS, blobs, taught

REFERENCE, REFERENCE_NAMES = blobs(generators=4, images=20, seed=0)
QUERY, NAMES = blobs(generators=4, images=25, seed=1)
COUNTED = [name for name in CLUSTERERS if name != DENSITY]


def run(
    name: str,
    query: np.ndarray = QUERY,
    reference: Reference | None = None,
    *,
    count: int | None = None,
    seed: int = 0,
    settings: ModelSettings = PARAMS.model,
    views: int = 1,
) -> np.ndarray:
    """Labels `[N]` of `[N, V * D]` features; ids follow from content, as those of images do."""
    known = reference or taught(REFERENCE, REFERENCE_NAMES)
    nuisance = Nuisance.fit(
        known.conditions, known.generators, components=settings.open_world.components
    )
    ids = np.array([row.tobytes().hex() for row in query])
    reduced = nuisance.reduce(query.reshape(len(query), views, -1)).reshape(len(query), -1)
    content = np.zeros((len(query), 1), dtype=np.float32)
    space = prepare(name, Embedded(ids, reduced, content, views), nuisance, settings=settings)
    batch = Embedded(ids, query if name == RAW else reduced, content, views)
    found = partition(name, batch, space, count=count, settings=settings, seed=seed)
    assert found.space is space
    return found.labels


@pytest.mark.parametrize("name", CLUSTERERS)
def test_separate_groups_are_found_with_the_number_unknown(name: str) -> None:
    labels = run(name)
    assert adjusted_rand_score(NAMES, labels) > 0.95
    assert labels.dtype == int


@pytest.mark.parametrize("name", COUNTED)
@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_a_given_number_is_kept(name: str, count: int) -> None:
    labels = run(name, count=count)
    assert set(labels.tolist()) == set(range(count))
    if count == 4:
        assert adjusted_rand_score(NAMES, labels) == 1.0


def test_a_method_that_finds_the_number_takes_none() -> None:
    with pytest.raises(UserError, match="'hdbscan' cannot be given a number of clusters"):
        run("hdbscan", count=4)
    assert set(CLUSTERERS) - set(COUNTED) == {"hdbscan"}


@pytest.mark.parametrize("count", [None, 4])
@pytest.mark.parametrize("name", CLUSTERERS)
def test_order_of_rows_changes_neither_partition_nor_score(name: str, count: int | None) -> None:
    noisy, names = blobs(generators=4, images=25, seed=2, spread=1.2)
    order = np.random.default_rng(3).permutation(len(noisy))
    if name == DENSITY and count is not None:
        for rows in (noisy, noisy[order]):
            with pytest.raises(UserError, match="cannot be given a number"):
                run(name, rows, count=count)
        return
    labels, shuffled = run(name, noisy, count=count), run(name, noisy[order], count=count)
    np.testing.assert_array_equal(shuffled, labels[order])
    scores = [
        score(found, truth, bootstrap=50, permutations=50, seed=0)
        for found, truth in ((labels, names), (shuffled, names[order]))
    ]
    assert scores[0] == scores[1]  # to the last digit
    assert scores[0].ari < 1  # a hard case, so that a change of order could have shown


def test_misordered_table_scores_near_chance_where_ids_score_one() -> None:
    """What would happen if embeddings and labels were joined by position."""
    ids = np.array([f"image-{i:03d}" for i in range(len(QUERY))])
    by_position = []
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(len(ids))
        stored = Embeddings(ids=ids[order], features=QUERY[order])  # rows in another order
        labels = run("kmeans_whitened", stored.features, count=4)
        clusters = pd.Series(labels, index=stored.ids)
        assert adjusted_rand_score(NAMES, clusters.loc[ids]) == 1.0
        by_position.append(adjusted_rand_score(NAMES, labels))
    assert max(by_position) < 0.1
    assert abs(np.mean(by_position)) < 0.02


@pytest.mark.parametrize("name", CLUSTERERS)
def test_input_is_not_modified_and_the_seed_decides(name: str) -> None:
    query, reference = QUERY.copy(), REFERENCE.copy()
    first, second = run(name, seed=5), run(name, seed=5)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(QUERY, query)
    np.testing.assert_array_equal(REFERENCE, reference)


def test_raw_method_ignores_the_development_images() -> None:
    other = taught(REFERENCE * np.float32(50) + 3, REFERENCE_NAMES[::-1])
    np.testing.assert_array_equal(run("kmeans", QUERY, other, count=4), run("kmeans", count=4))


def test_views_are_averaged_before_clustering() -> None:
    shift = np.float32(100)
    two_views = np.hstack([QUERY + shift, QUERY - shift])
    labels = run("kmeans", two_views, count=4, views=2)
    assert adjusted_rand_score(NAMES, labels) == 1.0


def test_whitening_divides_out_what_varies_within_a_generator() -> None:
    """A loud direction that all generators share hides the fingerprint from raw k-means only."""
    random = np.random.default_rng(6)

    def loud(features: np.ndarray) -> np.ndarray:
        anatomy = random.normal(0, 40, (len(features), 1))
        return np.hstack([features, anatomy, anatomy]).astype(np.float32)

    query, reference = loud(QUERY), loud(REFERENCE)
    numbers = PARAMS.model.baselines.model_copy(update={"components": 8, "shrinkage": 0.0})
    settings = PARAMS.model.model_copy(update={"baselines": numbers})
    known = taught(reference, REFERENCE_NAMES)
    found = {
        name: run(name, query, known, count=4, settings=settings)
        for name in ("kmeans", "kmeans_whitened")
    }
    assert adjusted_rand_score(NAMES, found["kmeans"]) < 0.2
    assert adjusted_rand_score(NAMES, found["kmeans_whitened"]) > 0.95


def test_unknown_name_lists_the_choices() -> None:
    with pytest.raises(UserError) as refused:
        run("dbscan")
    assert str(refused.value) == (
        "clusterer 'dbscan' is unknown; choose one of kmeans, kmeans_whitened, agglomerative, "
        "gaussian_mixture, hdbscan, open_world"
    )


def test_clusters_are_numbered_by_size_without_gaps() -> None:
    labels = np.array([4, 2, 2, -1, 2, 7, 4, -1, 0, -1, -1])
    assert larger_first(labels).tolist() == [1, 0, 0, -1, 0, 2, 1, -1, 3, -1, -1]
    assert larger_first(np.array([-1, -1])).tolist() == [-1, -1]


@pytest.mark.parametrize("name", CLUSTERERS)
@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_images_that_lie_on_one_another_leave_no_cluster_empty(name: str) -> None:
    """As an untrained network's do; a mixture then has components without an image."""
    alike = np.repeat(QUERY[:2], 15, axis=0) + np.float32(1e-6) * np.arange(30)[:, None]
    for count in (None, 5):
        if count is None or name != DENSITY:
            labels = run(name, alike.astype(np.float32), count=count)
            assert set(labels.tolist()) - {-1} == set(range(labels.max() + 1))
            if name != OPEN_WORLD:
                assert (np.diff(np.bincount(labels[labels >= 0])) <= 0).all()


@pytest.mark.parametrize("count", [0, 101])
def test_number_that_cannot_be_is_refused(count: int) -> None:
    with pytest.raises(UserError, match=f"^{count} clusters of 100 images; expected 1 to 100$"):
        run("kmeans", count=count)


@pytest.mark.parametrize("name", CLUSTERERS)
@pytest.mark.parametrize("count", [1, None])
def test_a_single_image_is_one_cluster(name: str, count: int | None) -> None:
    assert run(name, QUERY[:1], count=count).tolist() == [0]
