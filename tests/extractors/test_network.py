"""A network as an extractor: the same features alone, in any order, and after a round trip."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from ganamis.errors import UserError
from ganamis.extractors.architectures import FEATURES
from ganamis.extractors.exported import export
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
    return NetworkExtractor(export(features, batch=5), crop=32, views=1)


def test_saved_extractor_embeds_the_same(tmp_path: Path, extractor: NetworkExtractor) -> None:
    before = IMAGES.copy()
    features = extractor.embed(IMAGES)
    np.testing.assert_array_equal(IMAGES, before)
    assert (features.shape, features.dtype) == ((12, 16), np.float32)
    assert np.ptp(features, axis=0).max() > 0
    extractor.save(tmp_path / "extractor")
    loaded = load_extractor(tmp_path / "extractor")
    assert loaded.views == 1
    np.testing.assert_array_equal(loaded.embed(IMAGES), features)

    np.testing.assert_allclose(loaded.embed(IMAGES[3:4])[0], features[3], rtol=1e-4, atol=1e-5)
    order = np.random.default_rng(0).permutation(12)
    np.testing.assert_allclose(loaded.embed(IMAGES[order]), features[order], rtol=1e-4, atol=1e-5)


def test_saved_extractor_answers_without_tensorflow(
    tmp_path: Path, extractor: NetworkExtractor
) -> None:
    """Nor does it report to the maker of OpenVINO that it was opened."""
    extractor.save(tmp_path)
    program = f"""
import sys
import numpy as np
import subprocess
import sys
from pathlib import Path
from ganamis.extractors.loading import load_extractor
images = np.zeros((2, 40, 48), dtype=np.uint8)
print(load_extractor(Path({str(tmp_path)!r})).embed(images).shape)
assert not {{"tensorflow", "keras", "mlflow"}} & set(sys.modules)
assert sys.modules["openvino_telemetry"] is None
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("(2, 16)\n", 0), done.stderr


def test_views_are_the_crops_one_after_the_other(extractor: NetworkExtractor) -> None:
    four = NetworkExtractor(extractor.network, crop=32, views=4)
    alone = [extractor.embed(IMAGES[:, r : r + 32, c : c + 32]) for r in (2, 6) for c in (2, 6)]
    np.testing.assert_allclose(
        four.embed(IMAGES), np.concatenate(alone, axis=1), rtol=1e-4, atol=1e-5
    )


def test_image_smaller_than_the_crop_is_refused(extractor: NetworkExtractor) -> None:
    with pytest.raises(UserError, match="^images of 20 pixels are smaller than the crop of 32$"):
        extractor.embed(IMAGES[:, :20])


def test_folder_without_an_extractor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no extractor; run `ganamis train` again"):
        load_extractor(tmp_path)
