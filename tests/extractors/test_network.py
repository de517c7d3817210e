"""A network as an extractor: the same features alone, in any order, and after a round trip."""

from pathlib import Path

import keras
import numpy as np
import pytest

from ganamis.errors import UserError
from ganamis.extractors.architectures import FEATURES
from ganamis.extractors.loading import load_extractor
from ganamis.extractors.network import NetworkExtractor
from tests.builders import noise
from tests.extractors.networks import small_network

# Keras's own conversion of TensorFlow variables under NumPy 2.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

IMAGES = np.stack([noise(seed, size=40) for seed in range(12)])


@pytest.fixture(scope="module")
def extractor() -> NetworkExtractor:
    keras.utils.set_random_seed(0)
    network = small_network(
        "small", crop=32, classes=2, weights="none", dropout=0.5, trainable_share=1.0
    )
    features = keras.Model(network.inputs, network.get_layer(FEATURES).output)
    return NetworkExtractor(model=features, crop=32, crops=1, batch_size=5)


def test_saved_extractor_embeds_the_same(tmp_path: Path, extractor: NetworkExtractor) -> None:
    before = IMAGES.copy()
    features = extractor.embed(IMAGES)
    np.testing.assert_array_equal(IMAGES, before)
    assert (features.shape, features.dtype) == ((12, 16), np.float32)
    assert np.ptp(features, axis=0).max() > 0
    extractor.save(tmp_path / "extractor")
    loaded = load_extractor(tmp_path / "extractor")
    np.testing.assert_array_equal(loaded.embed(IMAGES), features)

    np.testing.assert_allclose(loaded.embed(IMAGES[3:4])[0], features[3], rtol=1e-4, atol=1e-5)
    order = np.random.default_rng(0).permutation(12)
    np.testing.assert_allclose(loaded.embed(IMAGES[order]), features[order], rtol=1e-4, atol=1e-5)


def test_crops_are_averaged(extractor: NetworkExtractor) -> None:
    four = NetworkExtractor(model=extractor.model, crop=32, crops=4, batch_size=8)
    alone = [extractor.embed(IMAGES[:, r : r + 32, c : c + 32]) for r in (2, 6) for c in (2, 6)]
    np.testing.assert_allclose(four.embed(IMAGES), np.mean(alone, axis=0), rtol=1e-4, atol=1e-5)


def test_image_smaller_than_the_crop_is_refused(extractor: NetworkExtractor) -> None:
    with pytest.raises(UserError, match="^images of 20 pixels are smaller than the crop of 32$"):
        extractor.embed(IMAGES[:, :20])


def test_folder_without_an_extractor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no extractor; run `ganamis train` again"):
        load_extractor(tmp_path)
