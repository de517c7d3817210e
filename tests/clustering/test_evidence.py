"""The statistics of a cut, against slow oracles."""

import numpy as np
from diptest import dipstat

from ganamis.clustering.evidence import (
    FOLDS,
    NAMES,
    Group,
    Scene,
    deal,
    design_effect,
    fisher_projection,
)
from ganamis.clustering.evidence import standard_distance as distance_of

PRIOR = 30.0


def two(apart: float, sizes: tuple[int, int] = (40, 25), seed: int = 0) -> tuple[Scene, np.ndarray]:
    random = np.random.default_rng(seed)
    second = np.arange(sum(sizes)) >= sizes[0]
    points = random.normal(size=(len(second), 6))
    points[second, 0] += apart
    views = points[:, None] + random.normal(size=(len(second), 4, 6)) / 4
    content = random.normal(size=(len(second), 3))
    return Scene.of(points, views, content, random.integers(3, size=len(second))), second


def statistics(scene: Scene, second: np.ndarray) -> dict[str, float]:
    found = Group(scene, dimensions=6, prior=PRIOR).statistics(second)
    assert found is not None
    return dict(zip(NAMES, found.tolist(), strict=True))


def test_images_of_a_block_share_a_fold_and_the_smaller_group_is_in_all() -> None:
    random = np.random.default_rng(0)
    blocks = random.integers(30, size=200)
    second = random.random(200) < 0.2
    fold = deal(blocks, second)
    for block in range(30):
        assert len(set(fold[blocks == block].tolist())) <= 1
    assert set(fold[second].tolist()) == set(range(FOLDS))


def test_projection_agrees_with_fitting_each_fold_anew() -> None:
    scene, second = two(4.0)
    fold = deal(scene.blocks, second)
    found = fisher_projection(scene.points, second, fold, prior=PRIOR)
    assert found is not None
    for index in range(FOLDS):
        taught, asked = fold != index, fold == index
        one, other = scene.points[taught & ~second], scene.points[taught & second]
        scatter = sum((g - g.mean(axis=0)).T @ (g - g.mean(axis=0)) for g in (one, other))
        axis = np.linalg.solve(scatter + PRIOR * np.eye(6), other.mean(axis=0) - one.mean(axis=0))
        low, high = one.mean(axis=0) @ axis, other.mean(axis=0) @ axis
        expected = 2 * (scene.points[asked] @ axis - low) / (high - low) - 1
        np.testing.assert_allclose(found[0][asked], expected)


def test_statistics_agree_with_loops() -> None:
    scene, second = two(4.0)
    found = statistics(scene, second)
    projected = fisher_projection(scene.points, second, deal(scene.blocks, second), prior=PRIOR)
    assert projected is not None
    positions = projected[0]
    assert np.isclose(np.exp(found["distance"]), distance_of(positions, second), rtol=1e-6)
    facing = np.sort(np.concatenate([positions[second], positions[~second]]))
    assert np.isclose(found["gap"] - np.log(dipstat(facing)), np.log(65) / 3)
    assert np.isclose(np.exp(found["smaller"]), 25) and np.isclose(np.exp(found["larger"]), 40)
    agreement = []
    for row, point in enumerate(scene.points):
        distances = ((scene.points - point) ** 2).sum(axis=1)
        distances[scene.blocks == scene.blocks[row]] = np.inf
        agreement.append(np.mean(second[np.argsort(distances)[:4]] == second[row]))
    worse = min(np.mean(np.array(agreement)[second]), np.mean(np.array(agreement)[~second]))
    assert np.isclose(found["neighbours"], worse)
    gaps = []
    for row in np.flatnonzero(second):
        distances = ((scene.coordinates - scene.coordinates[row]) ** 2).sum(axis=1)
        distances[second] = np.inf
        gaps.append(positions[row] - positions[distances.argmin()])
    whole = positions[second].mean() - positions[~second].mean()
    assert np.isclose(found["matched"], abs(np.mean(gaps) / whole))
    shares = [
        np.bincount(scene.kinds[part], minlength=3) / part.sum() for part in (second, ~second)
    ]
    assert np.isclose(found["processing"], np.abs(shares[0] - shares[1]).sum() / 2)
    means = scene.points[second].mean(axis=0) - scene.points[~second].mean(axis=0)
    assert np.isclose(found["apart"], np.log(np.linalg.norm(means)))


def test_which_group_is_the_second_does_not_matter() -> None:
    scene, second = two(3.0)
    one, other = statistics(scene, second), statistics(scene, ~second)
    assert one.keys() == other.keys()
    for name in NAMES:
        assert np.isclose(one[name], other[name], atol=1e-6), name


def test_a_cut_by_content_is_told_by_content() -> None:
    random = np.random.default_rng(5)
    points = random.normal(size=(80, 6))
    content = points[:, :1] + random.normal(size=(80, 1)) / 10
    views = np.repeat(points[:, None], 4, axis=1)
    scene = Scene.of(points, views, content, np.zeros(80, dtype=int))
    by_content = statistics(scene, points[:, 0] > 0)
    scene_of_two, second = two(6.0)
    of_generators = statistics(scene_of_two, second)
    assert by_content["content"] > 0.7 > 0.3 > of_generators["content"]
    assert by_content["matched"] < 0.6 < 0.9 < of_generators["matched"]


def test_copies_of_one_picture_are_no_evidence() -> None:
    random = np.random.default_rng(6)
    pictures = np.repeat(np.arange(30), 8)
    content = random.normal(size=(30, 5))[pictures] + random.normal(size=(240, 5)) / 100
    points = random.normal(size=(240, 6))
    points[pictures == 0] += 20.0
    scene = Scene.of(points, points[:, None], content, np.zeros(240, dtype=int))
    group = Group(scene, dimensions=6, prior=PRIOR)
    assert group.statistics(pictures == 0) is None


def test_the_scene_is_left_as_it_was() -> None:
    scene, second = two(3.0)
    kept = scene.points.copy(), scene.views.copy(), scene.blocks.copy()
    statistics(scene, second)
    for before, after in zip(kept, (scene.points, scene.views, scene.blocks), strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_design_effect_against_a_loop_over_pairs() -> None:
    random = np.random.default_rng(3)
    blocks, second = random.integers(12, size=60), random.random(60) < 0.4
    positions = random.normal(size=12)[blocks] + random.normal(size=60)
    apart = positions - np.where(second, positions[second].mean(), positions[~second].mean())
    products, partners = [], np.ones(60)
    for i in range(60):
        for j in range(60):
            if i != j and blocks[i] == blocks[j] and second[i] == second[j]:
                products.append(apart[i] * apart[j])
                partners[i] += 1
    correlation = np.mean(products) / np.mean(apart**2)
    expected = 1 + (partners.mean() - 1) * correlation
    assert expected > 1.5
    np.testing.assert_allclose(design_effect(positions, second, blocks), expected, rtol=1e-12)


def test_ten_copies_tell_as_much_as_one_and_other_content_as_much_as_itself() -> None:
    random = np.random.default_rng(4)
    second = np.repeat(np.arange(200) % 3 == 0, 10)
    copies = np.repeat(random.normal(size=200), 10)
    np.testing.assert_allclose(design_effect(copies, second, np.repeat(np.arange(200), 10)), 10)
    assert design_effect(copies, second, np.arange(2000)) == 1.0
    independent = random.normal(size=2000)
    assert design_effect(independent, second, np.repeat(np.arange(200), 10)) < 1.3
