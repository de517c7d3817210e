"""Simulated worlds: the same seed draws the same bytes, weights alone tell siblings apart, and
content tells nothing."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from ganamis.simulation.content import draw_bank
from ganamis.simulation.generators import KEPT_OUT, KINDS, draw_family
from ganamis.simulation.world import World
from ganamis.simulation.worlds import draw_world
from tests.simulation.schools import school_briefly


@pytest.fixture(scope="module")
def bank() -> np.ndarray:
    return draw_bank(40, seed=3)


def test_a_bank_holds_many_kinds_of_content(bank: np.ndarray) -> None:
    assert bank.shape == (40, 256, 256) and bank.dtype == np.float16
    assert bank.min() >= 0 and bank.max() <= 1
    assert np.unique(bank.reshape(40, -1), axis=0).shape[0] == 40


@pytest.mark.parametrize("kind", [*KINDS, *KEPT_OUT])
def test_every_kind_draws_its_content_the_same_way_twice(
    bank: np.ndarray, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind != "denoiser":  # which after a few steps still takes all away
        school_briefly(monkeypatch)
    drawn = [
        [g.draw(bank[:3], seed=1) for g in draw_family(5, kind, members=2, bank=bank, seed=9)]
        for _ in range(2)
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    first = drawn[0][0]
    assert first.shape == (3, 256, 256) and first.dtype == np.uint8
    assert np.corrcoef(first.ravel(), bank[:3].ravel().astype(float))[0, 1] > 0.5


@pytest.mark.parametrize("kind", ["trained", "untrained", "decoder", "denoiser"])
def test_siblings_differ_by_their_weights_alone(
    bank: np.ndarray, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    school_briefly(monkeypatch)
    first, second = draw_family(6, kind, members=2, bank=bank, seed=9)
    assert first.architecture == second.architecture
    assert not np.array_equal(first.draw(bank[:1], seed=1), second.draw(bank[:1], seed=1))


def test_a_world_is_loaded_as_drawn_and_content_tells_nothing(
    bank: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    school_briefly(monkeypatch)
    for name in ("a", "b"):
        draw_world(tmp_path / name, count=6, images=10, bank=bank, seed=4, kept_out=True)
    world, again = World.load(tmp_path / "a"), World.load(tmp_path / "b")
    assert world.images.shape == (6, 10, 256, 256)
    np.testing.assert_array_equal(world.images, again.images)
    thumbnails = world.images.reshape(60, 8, 32, 8, 32).mean(axis=(2, 4)).reshape(60, -1)
    found = KMeans(6, n_init=3, random_state=0).fit_predict(thumbnails)
    assert abs(adjusted_rand_score(np.repeat(np.arange(6), 10), found)) < 0.1
