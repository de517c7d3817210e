"""What content explains, against loops."""

import numpy as np

from ganamis.clustering.content import (
    content_blocks,
    content_coordinates,
    content_scatter,
    effective_number,
)


def test_scatter_is_that_of_neighbours_means_less_sampling() -> None:
    random = np.random.default_rng(0)
    content, points = random.normal(size=(40, 3)), random.normal(size=(40, 5))
    found = content_scatter(points, content, neighbours=3)
    means = []
    for row in content:
        nearest = np.argsort(((content - row) ** 2).sum(axis=1))[:4]
        means.append(points[nearest].mean(axis=0))
    naive = np.cov(np.array(means).T, bias=True) - np.cov(points.T, bias=True) / 4
    values, vectors = np.linalg.eigh(naive)
    expected = sum(max(v, 0) * np.outer(e, e) for v, e in zip(values, vectors.T, strict=True))
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_content_that_says_nothing_has_little_scatter_and_content_that_says_all_has_much() -> None:
    random = np.random.default_rng(1)
    content = random.normal(size=(400, 4))
    noise = random.normal(size=(400, 4))
    assert np.trace(content_scatter(noise, content, neighbours=6)) < 0.4
    assert np.trace(content_scatter(content, content, neighbours=6)) > 2


def test_one_image_has_no_scatter() -> None:
    assert not content_scatter(np.ones((1, 3)), np.ones((1, 2)), neighbours=6).any()


def test_copies_share_a_block_and_their_effective_number_is_that_of_pictures() -> None:
    random = np.random.default_rng(2)
    pictures = np.repeat(np.arange(20), 8)
    content = random.normal(size=(20, 5))[pictures] + random.normal(size=(160, 5)) / 100
    blocks = content_blocks(content_coordinates(content))
    assert all(len(set(blocks[pictures == picture].tolist())) == 1 for picture in range(20))
    assert np.isclose(effective_number(blocks), 20)
    assert np.isclose(effective_number(np.arange(7)), 7)


def test_content_that_does_not_vary_tells_nothing() -> None:
    coordinates = content_coordinates(np.ones((100, 5)))
    np.testing.assert_array_equal(content_blocks(coordinates), np.arange(100))


def test_coordinates_keep_distances() -> None:
    content = np.random.default_rng(3).normal(size=(50, 12)).astype(np.float32)
    found = content_coordinates(content)
    one, other = np.triu_indices(50)
    np.testing.assert_allclose(
        np.linalg.norm(found[one] - found[other], axis=1),
        np.linalg.norm(content[one] - content[other], axis=1),
        atol=1e-5,
    )
