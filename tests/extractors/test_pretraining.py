"""`weights: simulated`: taught, stopped and resumed, kept in half precision, and given back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganamis.errors import UserError
from ganamis.extractors import pretrained
from ganamis.extractors.architectures import NETWORKS, build_network, build_trunk
from ganamis.extractors.pretraining import Pretrainer, Pretraining
from tests.builders import PARAMS

# Keras's own conversion of TensorFlow variables under NumPy 2.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

NAME = "mobilenetv2"


def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(step)
    pixels = random.integers(0, 256, (8, 32, 32, 1)).astype(np.float32)
    return pixels, np.repeat(np.arange(4), 2)


def trainer(folder: Path, *, steps: int) -> Pretrainer:
    plan = Pretraining(
        at=(4, 8), side=32, steps=steps, every=1, rate=1e-3, temperature=0.1, momentum=0.9
    )
    return Pretrainer(NAME, plan, seed=3, folder=folder)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Weights after two steps, the second by another trainer that goes on, and the network."""
    folder = tmp_path_factory.mktemp("pretraining")
    reports: list[int] = []

    def interrupted(step: int, loss: float) -> None:
        reports.append(step)
        assert np.isfinite(loss)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer(folder, steps=2).run(batch, interrupted)
    second = trainer(folder, steps=2)
    assert second.done == 1
    second.run(batch, lambda step, loss: reports.append(step))
    assert reports == [1, 2]
    second.keep(folder / "kept" / f"{NAME}.npz")
    return folder / "kept", second.readings


@pytest.mark.parametrize("depth", [4, 8])
def test_a_network_begins_with_what_was_kept(
    kept: tuple[Path, Any], depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, readings = kept
    monkeypatch.setattr(pretrained, "pretrained_folder", lambda: folder)
    pixels, _ = batch(7)
    begun = build_trunk(NAME, crop=32, depth=depth, weights="simulated")
    expected = readings.predict_on_batch(pixels)[(4, 8).index(depth)]
    np.testing.assert_allclose(begun.predict_on_batch(pixels), expected, rtol=0.05, atol=5e-3)
    random = build_trunk(NAME, crop=32, depth=depth, weights="none").predict_on_batch(pixels)
    assert np.abs(random - expected).max() > 0.1


def test_what_there_is_not_is_refused(
    kept: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "pretrained_folder", lambda: kept[0])
    with pytest.raises(UserError) as deeper:
        build_trunk(NAME, crop=32, depth=16, weights="simulated")
    assert str(deeper.value) == (
        "mobilenetv2 has simulated weights up to stride 8, not 16; change its depths, or set its "
        "weights to none or a file"
    )
    with pytest.raises(UserError, match="vgg19 has no simulated weights, only mobilenetv2; set"):
        build_trunk("vgg19", crop=32, depth=2, weights="simulated")
    with pytest.raises(UserError, match="set them for its recipe `fingerprint`"):
        build_network(
            NAME, crop=32, classes=3, weights="simulated", dropout=0.0, trainable_share=1.0
        )


def test_all_six_come_with_the_package_to_every_depth_that_is_searched() -> None:
    assert pretrained.available() == sorted(NETWORKS)
    for name in NETWORKS:
        deepest = max(dict(PARAMS.active.extractors)[f"{name}_fingerprint"].depths)
        depth, arrays = pretrained.read_pretrained(name, deepest=deepest)
        assert depth == deepest and all(np.isfinite(array).all() for array in arrays)
    files = pretrained.pretrained_folder().iterdir()
    assert sum(path.stat().st_size for path in files) < 10_000_000
