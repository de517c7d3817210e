"""The extractor that comes with the package, on generators of kinds that it was never taught."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from ganamis.extractors.loading import shipped_fingerprint
from ganamis.model.shipped import load_shipped
from ganamis.simulation.content import draw_bank
from ganamis.simulation.generators import draw_family
from ganamis.simulation.world import World

KINDS = ("spectral", "attention", "spectral", "spectral", "attention")


@pytest.fixture(scope="module")
def unseen() -> World:
    bank = draw_bank(24, seed=71)
    families = [
        next(draw_family(place, kind, members=1, bank=bank, seed=72))
        for place, kind in enumerate(KINDS)
    ]
    images = np.stack([family.draw(bank[:16], seed=73) for family in families])
    numbers = np.arange(len(KINDS))
    return World(images, numbers, np.array(KINDS), np.tile(np.arange(16), (len(KINDS), 1)))


def test_it_tells_apart_generators_of_kinds_it_was_never_taught(unseen: World) -> None:
    images = unseen.images.reshape(-1, *unseen.images.shape[2:])
    model = load_shipped()
    found = model.together(model.embed(images), clusters=len(KINDS))
    truth = np.repeat(unseen.families, unseen.images.shape[1])
    assert adjusted_rand_score(truth, found.labels) > 0.8


def test_it_takes_any_size_and_is_saved_as_it_is(unseen: World, tmp_path: Path) -> None:
    from ganamis.extractors.loading import load_extractor

    extractor = shipped_fingerprint()
    images = unseen.images[0, :2, :90, :131]
    features = extractor.embed(images)
    assert features.shape[0] == 2 and features.shape[1] % extractor.views == 0
    assert features.dtype == np.float32 and np.isfinite(features).all()
    extractor.save(tmp_path)
    np.testing.assert_allclose(load_extractor(tmp_path).embed(images), features, atol=1e-4)
