"""Draws of simulated folders: what they promise of generators, families, images and repetition."""

from dataclasses import replace

import numpy as np
import pytest

from ganamis.contracts import Embedded, Reference
from ganamis.model.backend import BackEnd
from ganamis.model.drawing import LEAST_IMAGES, REPEATED, Draws, WorldSeen
from tests.builders import PARAMS

FAMILIES = np.array([0, 0, 0, 1, 1, 2, 3, 3, 4, 5])
IMAGES, COPIES, VIEWS = 12, 3, 2


def _seen() -> WorldSeen:
    random = np.random.default_rng(1)
    names = np.repeat(["a", "b", "c"], 10)
    known = Reference(random.normal(size=(30, 60)).astype(np.float32), names, views=VIEWS)
    backend = BackEnd.fit(known, settings=PARAMS.model, seed=0)
    count = len(FAMILIES) * IMAGES
    width = backend.nuisance.copies.shape[2]

    def embedded(name: str) -> Embedded:
        features = random.normal(size=(count, VIEWS * width)).astype(np.float16)
        ids = np.array([f"{name}-{row:04d}" for row in range(count)])
        return Embedded(ids, features, random.normal(size=(count, 4)).astype(np.float32), VIEWS)

    generators = np.repeat(np.arange(len(FAMILIES)), IMAGES)
    subjects = np.tile(np.arange(IMAGES), len(FAMILIES))
    return WorldSeen(
        backend,
        {"clean": embedded("clean"), REPEATED: embedded(REPEATED)},
        {"clean": generators, REPEATED: generators},
        {"clean": subjects, REPEATED: subjects // COPIES},
        FAMILIES,
        np.unique(FAMILIES),
    )


@pytest.fixture(scope="module")
def seen() -> WorldSeen:
    return _seen()


def test_the_same_number_is_the_same_draw(seen: WorldSeen) -> None:
    draws = Draws([seen], [1.0], 5)
    for number in range(4):
        (one, truth), (other, again) = draws(number), draws(number)
        np.testing.assert_array_equal(one.points, other.points)
        np.testing.assert_array_equal(truth, again)


def test_draws_vary_in_generators_and_stay_within_the_families_given(seen: WorldSeen) -> None:
    allowed = np.array([0, 2, 3])
    draws = Draws([replace(seen, drawn=allowed)], [1.0], 5)
    drawn = [np.unique(draws(number)[1], return_counts=True) for number in range(60)]
    numbers = {len(generators) for generators, _ in drawn}
    assert 1 in numbers and max(numbers) > 3  # whole families too
    assert set(np.concatenate([FAMILIES[one] for one, _ in drawn])) <= set(allowed)
    assert min(sizes.min() for _, sizes in drawn) >= LEAST_IMAGES


def test_a_scene_is_of_the_images_whose_generators_it_gives(seen: WorldSeen) -> None:
    scene, generators = Draws([seen], [1.0], 5)(3)
    assert len(scene) == len(generators) == len(scene.points)
    assert np.isfinite(scene.points).all()


def test_a_world_of_one_generator_is_drawn_alone(seen: WorldSeen) -> None:
    draws = Draws([replace(seen, drawn=np.array([2]))], [1.0], 5)
    assert {len(set(draws(number)[1].tolist())) for number in range(12)} == {1}
