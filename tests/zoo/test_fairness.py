"""The gate: content must not give a generator away, fingerprints must."""

from itertools import combinations

import numpy as np
import pytest

from ganamis.zoo import measures
from ganamis.zoo.generators import GENERATORS
from ganamis.zoo.sampling import deal_codes, render

COUNT = 24
HIGHEST_CONTENT_ARI = 0.05


@pytest.fixture(scope="module")
def drawn() -> dict[str, np.ndarray]:
    """Part of a data set like the default test set: 5 generators, `[COUNT, 256, 256]` each."""
    names = dict.fromkeys(measures.DEFAULT_TEST, COUNT)
    orders = [order for order in deal_codes({"dcgan": 1}, names, seed=0) if order.split == "test"]
    return {o.name: np.stack(list(render(o.name, o.codes, seed=o.seed))) for o in orders}


def _joined(drawn: dict[str, np.ndarray], names) -> tuple[np.ndarray, list[str]]:
    images = np.concatenate([drawn[name] for name in names])
    return images, [name for name in names for _ in drawn[name]]


def test_content_does_not_give_the_generator_away(drawn) -> None:
    assert set(drawn) <= set(GENERATORS)
    images, labels = _joined(drawn, drawn)
    assert measures.content_score(images, labels, seed=0) <= HIGHEST_CONTENT_ARI


def test_content_does_not_give_any_pair_away(drawn) -> None:
    scores = {
        pair: measures.content_score(*_joined(drawn, pair), seed=0)
        for pair in combinations(drawn, 2)
    }
    assert max(scores.values()) <= HIGHEST_CONTENT_ARI, scores


def test_intensities_overlap(drawn) -> None:
    means = {name: images.mean() for name, images in drawn.items()}
    contrasts = {name: images.std(axis=(1, 2)).mean() for name, images in drawn.items()}
    assert np.ptp(list(means.values())) < 8, means
    assert np.ptp(list(contrasts.values())) < 8, contrasts
    for pair in combinations(drawn.values(), 2):
        assert measures.histogram_overlap(*pair) > 0.8


def test_fingerprints_differ(drawn) -> None:
    images, labels = _joined(drawn, drawn)
    assert measures.fingerprint_score(images, labels, seed=0) > 0.5


def test_sharpness_of_known_spectra() -> None:
    row, column = np.mgrid[:64, :64]
    fine = (127 + 100 * np.cos(np.pi * column))[None].round().astype(np.uint8)
    coarse = (127 + 100 * np.cos(np.pi * column / 16))[None].round().astype(np.uint8)
    assert measures.sharpness(fine)[0] > 0.99
    assert measures.sharpness(coarse)[0] < 0.01


def test_histogram_overlap_of_known_images() -> None:
    dark, bright = np.zeros((1, 4, 4), np.uint8), np.full((1, 4, 4), 255, np.uint8)
    assert measures.histogram_overlap(dark, dark) == 1
    assert measures.histogram_overlap(dark, bright) == 0
