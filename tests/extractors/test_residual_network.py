"""The learned residual extractor, tiny."""

from pathlib import Path

import numpy as np

from ganamis.extractors.residual_network import (
    ResidualNetwork,
    ResidualNetworkConfig,
    contrastive_loss,
    fit,
)

TINY = ResidualNetworkConfig(
    channels=(4, 4, 6),
    grid=2,
    crop=32,
    steps=3,
    generators_share=3,
    temperature=0.2,
    learning_rate=1e-3,
)


def images(count: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 64, 80), dtype=np.uint8)


def test_the_loss_is_the_naive_loop() -> None:
    random = np.random.default_rng(1)
    features = random.normal(size=(6, 3)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    labels = np.array([0, 0, 1, 1, 1, 0])
    expected = 0.0
    for anchor in range(6):
        others = [other for other in range(6) if other != anchor]
        total = sum(np.exp(features[anchor] @ features[other] / 0.2) for other in others)
        same = [other for other in others if labels[other] == labels[anchor]]
        shares = [np.exp(features[anchor] @ features[other] / 0.2) / total for other in same]
        expected -= np.mean(np.log(shares)) / 6
    found = float(contrastive_loss(features, labels, temperature=0.2))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_training_changes_the_network_and_it_loads_as_saved(tmp_path: Path) -> None:
    network = fit(images(), np.arange(8) % 2, config=TINY, seed=0)
    features = network.embed(images())
    assert features.shape == (8, 4 * 6) and features.dtype == np.float32
    np.testing.assert_allclose(network.embed(images()[3:4])[0], features[3], atol=1e-5)
    network.save(tmp_path)
    loaded = ResidualNetwork.load(tmp_path)
    np.testing.assert_allclose(loaded.embed(images()), features, atol=1e-6)
    assert loaded.config == TINY
    fixed = [layer for layer in loaded.model.layers if layer.name == "high_pass"]
    assert fixed[0].trainable is False


def test_the_same_seed_gives_the_same_network() -> None:
    first = fit(images(), np.arange(8) % 2, config=TINY, seed=3).embed(images(2))
    second = fit(images(), np.arange(8) % 2, config=TINY, seed=3).embed(images(2))
    np.testing.assert_allclose(first, second, atol=1e-4)
