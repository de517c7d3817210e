"""Images attributed together: how many generators, which image from which, which are known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage
from sklearn.metrics import adjusted_rand_score

from ganamis.contracts import Embedded, Reference
from ganamis.data.degradations import degrade
from ganamis.errors import UserError
from ganamis.model.answer import Attribution, Cluster
from ganamis.model.backend import BackEnd
from ganamis.model.catalogue import fit_on_images
from ganamis.model.fingerprint import FingerprintModel
from tests.builders import PARAMS
from tests.model.simulated import CONDITIONS, SPECTRUM, draw, model_of

TRUTH = np.repeat(["a", "b", "c", "unknown-1"], 25)


@pytest.fixture(scope="module")
def model() -> FingerprintModel:
    return model_of(0, 1, 2)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.concatenate([draw(generator, 25, 1) for generator in range(4)])


@pytest.fixture(scope="module")
def batch(model: FingerprintModel, images: np.ndarray) -> Embedded:
    return model.embed(images)


def sampling(model: FingerprintModel, sample: int) -> FingerprintModel:
    """The same model, clustering at most `sample` images at once."""
    settings = model.backend.settings.model_copy(update={"sample": sample})
    return replace(model, backend=replace(model.backend, settings=settings))


def same(first: Attribution, second: Attribution) -> None:
    """The same answer, to the last digit."""
    for column in ("ids", "labels", "membership", "names", "known", "scores"):
        np.testing.assert_array_equal(getattr(first, column), getattr(second, column))
    assert first.clusters == second.clusters or [vars(c) for c in first.clusters] == [
        vars(c) for c in second.clusters
    ]
    assert first.confidence == second.confidence and first.conditions == second.conditions


@pytest.mark.parametrize("condition", CONDITIONS)
def test_known_and_unknown_generators_are_found_and_named(
    model: FingerprintModel, images: np.ndarray, condition: str
) -> None:
    result = model.together(model.embed(degrade(images, condition, seed=0)))
    assert adjusted_rand_score(TRUTH, result.labels) > 0.95
    assert (result.names == TRUTH).mean() > 0.95
    assert (result.known == (TRUTH != "unknown-1")).mean() > 0.95
    assert result.count == 4 and result.linkage.shape == (3, 4)
    assert max(result.conditions, key=lambda name: result.conditions[name]) == condition
    assert sum(result.conditions.values()) == pytest.approx(1)
    for scores in (result.scores, result.membership, [c.score for c in result.clusters]):
        assert np.min(scores) >= 0 and np.max(scores) <= 1
    sizes = np.bincount(result.labels)
    assert (np.diff(sizes) <= 0).all(), "larger clusters come first"


@pytest.mark.parametrize(("generator", "name"), [(1, "b"), (3, "unknown-1")])
def test_one_generator(model: FingerprintModel, generator: int, name: str) -> None:
    result = model.together(model.embed(draw(generator, 40, 2)))
    assert [cluster.name for cluster in result.clusters] == [name] and not result.labels.any()
    assert result.clusters[0].known is (name == "b")
    assert result.linkage.shape == (0, 4)


def test_row_order_and_a_given_number(
    model: FingerprintModel, images: np.ndarray, batch: Embedded
) -> None:
    kept = images.copy()
    order = np.random.default_rng(0).permutation(len(images))
    first, second = model.together(batch), model.together(batch.rows(order))
    np.testing.assert_array_equal(first.labels[order], second.labels)
    np.testing.assert_array_equal(first.names[order], second.names)
    np.testing.assert_allclose(first.scores[order], second.scores, atol=1e-6)
    assert adjusted_rand_score(TRUTH[order], second.labels) > 0.95
    for count in (1, 2, 6):
        given = model.together(batch, clusters=count)
        assert given.count == count and set(given.labels.tolist()) == set(range(count))
        assert given.confidence is None
    np.testing.assert_array_equal(images, kept)


def test_streaming_is_embedding_at_once(
    model: FingerprintModel, images: np.ndarray, batch: Embedded
) -> None:
    parts = [model.embed(images[start : start + 7]) for start in range(0, len(images), 7)]
    streamed = Embedded.concatenate(parts)
    np.testing.assert_array_equal(streamed.ids, batch.ids)
    np.testing.assert_allclose(streamed.features, batch.features, atol=1e-3)
    np.testing.assert_array_equal(streamed.content, batch.content)
    np.testing.assert_array_equal(model.together(streamed).labels, model.together(batch).labels)


def test_four_images_are_named(model: FingerprintModel) -> None:
    images = draw(0, 20, 3).reshape(5, 4, 64, 64)
    names = [model.together(model.embed(few), clusters=1).clusters[0].name for few in images]
    assert names.count("a") >= 3


def test_bad_input_is_refused(model: FingerprintModel) -> None:
    few = model.embed(draw(0, 3, 0))
    with pytest.raises(UserError, match="3 different images cannot be 4 clusters"):
        model.together(few, clusters=4)
    with pytest.raises(UserError, match="0 different images"):
        model.together(few.rows(np.zeros(3, dtype=bool)))
    with pytest.raises(UserError, match="at least four"):
        fit_on_images(
            SPECTRUM,
            draw(0, 3, 0),
            np.array(["a"] * 3),
            conditions=CONDITIONS,
            settings=PARAMS.model,
            seed=0,
        )


@pytest.mark.parametrize("known", [1, 2])
def test_few_development_generators(known: int, images: np.ndarray) -> None:
    model = model_of(*range(known))
    result = model.together(model.embed(images))
    assert adjusted_rand_score(TRUTH, result.labels) > 0.9


def test_an_image_given_twice_counts_once(model: FingerprintModel, batch: Embedded) -> None:
    plain = model.together(batch)
    copies = np.concatenate([np.arange(len(batch)), [3] * 60, [80, 80]])
    doubled = model.together(batch.rows(copies))
    same(doubled.rows(np.arange(len(batch))), plain)
    same(doubled, plain.rows(copies))
    assert len(doubled.points) == len(copies)
    with pytest.raises(UserError, match=r"cannot be 2 clusters \(3 images, but copies"):
        model.together(batch.rows(np.array([3, 3, 3])), clusters=2)


@pytest.mark.parametrize("clusters", [None, 4])
def test_beyond_the_sample_images_are_assigned(
    model: FingerprintModel, batch: Embedded, clusters: int | None
) -> None:
    sample = 60
    smaller = sampling(model, sample)
    found = smaller.together(batch, clusters=clusters)
    drawn = np.sort(np.argsort(batch.ids, kind="stable")[:sample])
    searched = model.together(batch.rows(drawn), clusters=clusters)
    np.testing.assert_array_equal(found.labels[drawn], searched.labels)
    rest = np.setdiff1d(np.arange(len(batch)), drawn)
    labels, shares = searched.rule.assign(batch.rows(rest))
    np.testing.assert_array_equal(found.labels[rest], labels)
    np.testing.assert_allclose(found.membership[rest], shares)
    np.testing.assert_array_equal(found.ids, batch.ids)
    assert found.points.shape == (len(batch), searched.points.shape[1])
    assert adjusted_rand_score(TRUTH, found.labels) > 0.95
    order = np.random.default_rng(4).permutation(len(batch))
    shuffled = smaller.together(batch.rows(order), clusters=clusters)
    np.testing.assert_array_equal(shuffled.labels, found.labels[order])
    twice = smaller.together(batch.rows(np.tile(order, 2)), clusters=clusters)
    np.testing.assert_array_equal(twice.labels, np.tile(found.labels[order], 2))


def test_the_rule_is_the_posterior_of_a_slow_loop(model: FingerprintModel, batch: Embedded) -> None:
    found = model.together(batch)
    few = batch.rows(np.arange(0, len(batch), 9))
    labels, shares = found.rule.assign(few)
    for row in range(len(few)):
        label, share = found.rule.assign(few.rows(np.array([row])))
        assert label[0] == labels[row] and share[0] == pytest.approx(shares[row])
    nobody = found.rule.assign(few.rows(np.zeros(len(few), dtype=bool)))
    assert [len(part) for part in nobody] == [0, 0]


def test_the_lineage_is_that_of_the_centres(model: FingerprintModel, batch: Embedded) -> None:
    found = model.together(batch)
    centres = [found.points[found.labels == k].mean(axis=0) for k in range(found.count)]
    np.testing.assert_allclose(found.linkage, linkage(np.stack(centres), "average"))


def test_as_a_table(model: FingerprintModel, batch: Embedded) -> None:
    found = model.together(batch)
    table = found.to_pandas()
    assert list(table.columns) == ["id", "cluster", "generator", "known", "score"]
    np.testing.assert_array_equal(table["id"], batch.ids)
    np.testing.assert_array_equal(table["generator"], found.names)


def test_an_image_left_out_has_no_generator() -> None:
    """As HDBSCAN leaves some."""
    clusters = (Cluster("a", known=True, score=0.9), Cluster("unknown-1", known=False, score=0.6))
    empty = np.empty((0, 4))
    found = Attribution(
        ids=np.array(["x", "y", "z"]),
        labels=np.array([1, -1, 0]),
        membership=np.array([0.5, 0.0, 1.0]),
        clusters=clusters,
        confidence=None,
        linkage=empty,
        conditions={},
        points=empty,
        rule=None,  # type: ignore[arg-type]
    )
    assert found.names.tolist() == ["unknown-1", "unknown", "a"]
    assert found.known.tolist() == [False, False, True]
    assert found.scores == pytest.approx([0.3, 0.0, 0.9])


def test_a_clusterer_that_leaves_images_out(model: FingerprintModel, batch: Embedded) -> None:
    dense = replace(model, backend=replace(model.backend, clusterer="hdbscan"))
    random = np.random.default_rng(1)
    stray = model.embed(random.integers(0, 256, (3, 64, 64), dtype=np.uint8))
    found = dense.together(Embedded.concatenate([batch, stray]))
    outside = found.labels == -1
    assert outside.any() and (found.names[outside] == "unknown").all()
    assert not found.scores[outside].any() and not found.known[outside].any()
    assert found.linkage.shape == (found.count - 1, 4)


def test_an_extractor_gone_wild_still_gets_an_answer() -> None:
    """Features beyond what half precision holds, and channels that are dead."""
    random = np.random.default_rng(0)
    names, views = np.repeat(["a", "b", "c"], 12), 3
    wild = (random.normal(size=(36, views * 40)) * 10.0 ** random.integers(0, 7, 120)).astype("f4")
    wild[:, ::7] = 0
    copy = 1.5 * wild.reshape(36, views, -1).mean(axis=1)
    known = Reference(wild, names, {"jpeg90": copy}, views)
    backend = BackEnd.fit(known, settings=PARAMS.model, seed=0)
    assert np.isfinite(backend.nuisance.copies).all()
    ids = np.array([f"{row:03d}" for row in range(36)])
    content = random.normal(size=(36, 4)).astype(np.float32)
    found = backend.together(backend.reduce(wild, ids, content, views=views))
    assert len(found.labels) == 36 and np.isfinite(found.points).all()
