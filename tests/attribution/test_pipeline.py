"""The pipeline on simulated generators: filtered noise, each with a filter of its own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.metrics import adjusted_rand_score

from ganamis.attribution.pipeline import FittedAttributor, fit
from ganamis.data.degradations import degrade
from ganamis.errors import UserError
from ganamis.extractors.spectrum import Spectrum
from ganamis.params import load_params
from ganamis.stages.attribute import attribution_config

SPECTRUM = Spectrum(grid=3, periods=(16,), threads=1)
PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
CONFIG = replace(attribution_config(PARAMS), conditions=("clean", "jpeg90", "noise1"))


def draw(generator: int, count: int, seed: int) -> np.ndarray:
    """Smooth content, plus texture whose spectrum is the generator's."""
    random = np.random.default_rng([generator, seed])
    content = gaussian_filter(random.normal(size=(count, 64, 64)), (0, 6, 6)) * 400
    texture = random.normal(size=(count, 64, 64))
    shape = [(0, 0.6, 0.6), (0, 0.9, 0.5), (0, 0.5, 0.9), (0, 1.1, 1.1)][generator]
    texture = gaussian_filter(texture, shape)
    texture *= 8 / texture.std()
    return np.clip(128 + content + texture, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def attributor() -> FittedAttributor:
    images = np.concatenate([draw(generator, 30, 0) for generator in range(3)])
    return fit(SPECTRUM, images, np.repeat(["a", "b", "c"], 30), config=CONFIG, seed=0)


@pytest.fixture(scope="module")
def folder() -> tuple[np.ndarray, np.ndarray]:
    images = np.concatenate([draw(generator, 25, 1) for generator in range(4)])
    return images, np.repeat(["a", "b", "c", "unknown-1"], 25)


@pytest.mark.parametrize("condition", ["clean", "jpeg90", "noise1"])
def test_known_and_unknown_generators_are_found_and_named(
    attributor: FittedAttributor, folder: tuple[np.ndarray, np.ndarray], condition: str
) -> None:
    images, truth = folder
    result = attributor.attribute(degrade(images, condition, seed=0), clusters=None)
    assert adjusted_rand_score(truth, result.labels) > 0.95
    assert (result.image_names == truth).mean() > 0.95
    assert result.count == 4 and result.linkage.shape == (3, 4)
    assert max(result.conditions, key=lambda name: result.conditions[name]) == condition
    for scores in (result.scores, result.image_scores):
        assert scores.min() >= 0 and scores.max() <= 1


@pytest.mark.parametrize(("generator", "name"), [(1, "b"), (3, "unknown-1")])
def test_one_generator(attributor: FittedAttributor, generator: int, name: str) -> None:
    result = attributor.attribute(draw(generator, 40, 2), clusters=None)
    assert result.names == (name,) and not result.labels.any()
    assert result.linkage.shape == (0, 4)


def test_row_order_and_a_given_number(
    attributor: FittedAttributor, folder: tuple[np.ndarray, np.ndarray]
) -> None:
    images, truth = folder
    kept = images.copy()
    embeddings = attributor.embed(images)
    order = np.random.default_rng(0).permutation(len(images))
    first = attributor.cluster(embeddings, clusters=None)
    second = attributor.cluster(embeddings[order], clusters=None)
    assert adjusted_rand_score(first.labels[order], second.labels) == 1.0
    assert adjusted_rand_score(truth[order], second.labels) > 0.95
    assert attributor.cluster(embeddings, clusters=6).count == 6
    assert attributor.cluster(embeddings, clusters=2).count == 2
    np.testing.assert_array_equal(images, kept)


def test_streaming_is_embedding_at_once(
    attributor: FittedAttributor, folder: tuple[np.ndarray, np.ndarray]
) -> None:
    images, _ = folder
    streamed = attributor.embed_stream(images[start : start + 7] for start in range(0, 100, 7))
    np.testing.assert_allclose(streamed, attributor.embed(images), atol=1e-3)


def test_four_images_are_named(attributor: FittedAttributor) -> None:
    images = draw(0, 20, 3).reshape(5, 4, 64, 64)
    names = [attributor.attribute(few, clusters=1).names for few in images]
    assert names.count(("a",)) >= 3


def test_save_and_load(
    attributor: FittedAttributor, folder: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    attributor.save(tmp_path)
    loaded = FittedAttributor.load(tmp_path, Spectrum.load(tmp_path / "extractor"))
    assert loaded.config == attributor.config and loaded.calibration == attributor.calibration
    before = attributor.attribute(folder[0], clusters=None)
    after = loaded.attribute(folder[0], clusters=None)
    np.testing.assert_array_equal(after.labels, before.labels)
    assert after.names == before.names


def test_bad_input_is_refused(attributor: FittedAttributor) -> None:
    with pytest.raises(UserError, match="3 images cannot be 4 clusters"):
        attributor.attribute(draw(0, 3, 0), clusters=4)
    with pytest.raises(UserError, match="at least four"):
        fit(SPECTRUM, draw(0, 3, 0), np.array(["a"] * 3), config=CONFIG, seed=0)


@pytest.mark.parametrize("known", [1, 2])
def test_few_development_generators(known: int, folder: tuple[np.ndarray, np.ndarray]) -> None:
    images = np.concatenate([draw(generator, 30, 0) for generator in range(known)])
    labels = np.repeat(["a", "b"][:known], 30)
    result = fit(SPECTRUM, images, labels, config=CONFIG, seed=0).attribute(
        folder[0], clusters=None
    )
    assert adjusted_rand_score(folder[1], result.labels) > 0.9
