"""The choice is made on development data, with the number of generators unknown."""

import inspect

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from ganamis.clustering.methods import DENSITY
from ganamis.contracts import Embeddings, Fold
from ganamis.errors import UserError
from ganamis.model.evaluation import (
    ELIGIBLE,
    choose,
    fold_backend,
    fold_clusters,
    fold_query,
    learned,
    open_world_scores,
    search_objective,
)
from tests.builders import PARAMS, blobs, taught

SETTINGS = PARAMS.model
ORDER = ("b", "a")  # preferred first


def fold(held_out: str, *, seed: int = 0) -> Fold:
    features, names = blobs(generators=3, images=20, seed=seed)
    query = np.arange(len(names)) % 2 == 0
    ids = np.array([f"{i:064x}" for i in range(len(names))])
    reference = ~query & (names != held_out)
    return Fold(
        held_out=held_out,
        embeddings=Embeddings(ids=ids, features=features),
        generators=names,
        reference=reference,
        query=query,
        copies=dict(taught(features, names).rows(reference).copies),
    )


def described(fold: Fold) -> Embeddings:
    """Content that tells nothing."""
    ids = fold.embeddings.ids
    content = np.random.default_rng(5).uniform(0, 255, (len(ids), 8)).astype(np.float32)
    return Embeddings(ids=ids, features=content)


def table(*rows: tuple[str, str, bool, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["architecture", "clusterer", "known", "ari"])


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            [("a", "k", False, 0.2), ("a", "k", True, 0.9), ("b", "k", False, 0.3)]
            + [("b", "k", True, 0.3)],
            ("b", "k"),
        ),
        (
            [("a", "k", False, 0.3), ("a", "k", True, 0.4), ("b", "k", False, 0.3)]
            + [("b", "k", True, 0.5)],
            ("b", "k"),
        ),
        (
            [("a", "k", False, 0.3), ("a", "k", True, 0.4), ("b", "m", False, 0.3)]
            + [("b", "m", True, 0.4), ("b", "k", False, 0.3), ("b", "k", True, 0.4)],
            ("b", "k"),
        ),
        (  # the mean over folds counts, not the best fold
            [("a", "k", False, 0.9), ("a", "k", False, 0.0), ("a", "k", True, 0.0)]
            + [("b", "k", False, 0.5), ("b", "k", False, 0.5), ("b", "k", True, 0.0)],
            ("b", "k"),
        ),
        (  # a method that takes no number loses a tie and wins without one
            [("a", "h", False, 0.3), ("b", "k", False, 0.3), ("b", "k", True, 0.1)],
            ("b", "k"),
        ),
        (
            [("a", "h", False, 0.4), ("b", "k", False, 0.3), ("b", "k", True, 0.9)],
            ("a", "h"),
        ),
    ],
    ids=["unknown decides", "known breaks ties", "then the order", "mean", "no number", "wins"],
)
def test_choice(rows: list[tuple[str, str, bool, float]], expected: tuple[str, str]) -> None:
    for seed in range(4):
        best = choose(table(*rows).sample(frac=1, random_state=seed), order=ORDER)
        assert (best["architecture"], best["clusterer"]) == expected


def test_choice_reports_both_means() -> None:
    best = choose(
        table(("a", "k", False, 0.2), ("a", "k", False, 0.4), ("a", "k", True, 0.5)), order=ORDER
    )
    assert best["unknown"] == pytest.approx(0.3)
    assert best["known"] == 0.5


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    folds = [fold("gan0"), fold("gan1")]
    return open_world_scores(folds, content=described(folds[0]), settings=SETTINGS, seed=0)


def test_every_clusterer_is_scored_on_every_fold(scores: pd.DataFrame) -> None:
    unknown = scores[~scores["known"]]
    assert sorted(unknown["clusterer"]) == sorted([*ELIGIBLE, *ELIGIBLE])
    given = scores[scores["known"]]
    assert len(given) == 2 * (len(ELIGIBLE) - 1) and DENSITY not in set(given["clusterer"])
    assert set(scores["held_out"]) == {"gan0", "gan1"}
    assert scores["ari"].min() > 0.9


def test_the_evidence_of_the_gate_is_what_is_scored(scores: pd.DataFrame) -> None:
    folds = [fold("gan0"), fold("gan1")]
    content = described(folds[0])
    table = fold_clusters(folds, "open_world", content=content, settings=SETTINGS, seed=0)
    assert set(table.columns) == {"held_out", "id", "generator", "label"}
    for asked in folds:
        rows = table[table["held_out"] == asked.held_out]
        assert rows["id"].tolist() == asked.embeddings.ids[asked.query].tolist()
        (ari,) = scores.query(
            "clusterer == 'open_world' and not known and held_out == @asked.held_out"
        )["ari"]
        assert adjusted_rand_score(rows["generator"], rows["label"]) == ari


def test_objective_is_that_of_the_query_images_alone() -> None:
    """Labels of the reference teach the whitening; those of the query only judge."""
    plain = fold("gan0")
    assert search_objective(plain, settings=SETTINGS, seed=0) == 1.0
    names = plain.generators.copy()
    names[plain.query] = np.random.default_rng(0).permutation(names[plain.query])
    relabelled = Fold(
        held_out=plain.held_out,
        embeddings=plain.embeddings,
        generators=names,
        reference=plain.reference,
        query=plain.query,
        copies=plain.copies,
    )
    assert abs(search_objective(relabelled, settings=SETTINGS, seed=0)) < 0.2
    for count in (3, None):
        backends = [
            fold_backend(x, "kmeans_whitened", settings=SETTINGS, seed=0)
            for x in (plain, relabelled)
        ]
        first, second = (
            backend.partition(fold_query(x, backend), clusters=count).labels
            for backend, x in zip(backends, (plain, relabelled), strict=True)
        )
        np.testing.assert_array_equal(first, second)


def test_test_labels_are_no_input_of_the_choice() -> None:
    for function in (
        choose,
        open_world_scores,
        search_objective,
        fold_backend,
        fold_query,
        learned,
        fold_clusters,
    ):
        names = set(inspect.signature(function).parameters)
        assert names <= {
            "scores",
            "folds",
            "fold",
            "clusterer",
            "backend",
            "content",
            "settings",
            "seed",
            "order",
        }
    spoiled = table(("a", "k", False, 0.2), ("b", "k", False, 0.1), ("b", "k", True, 0.1))
    with_test = spoiled.assign(test_ari=[0.0, 1.0, 1.0])
    assert choose(with_test, order=ORDER)["architecture"] == "a"
    assert choose(spoiled, order=ORDER)["architecture"] == "a"


def test_an_extractor_that_has_not_learned_cannot_be_chosen() -> None:
    scores = pd.DataFrame(
        {
            "architecture": ["a", "a", "b", "b"],
            "clusterer": "open_world",
            "known": [True, False] * 2,
            "ari": [1.0, 1.0, 0.5, 0.5],
            "learned": [False, False, True, True],
        }
    )
    assert choose(learned(scores), order=["a", "b"])["architecture"] == "b"
    with pytest.raises(UserError, match=r"^no extractor has learned \(a\): on held-out "):
        learned(scores[:2])
