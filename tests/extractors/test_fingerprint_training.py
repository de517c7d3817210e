"""Trained on residuals: it learns, folds share nothing, and inference sees what training saw."""

import numpy as np
import pytest

from ganamis.extractors.accuracy import held_out_accuracy
from ganamis.extractors.fingerprint_training import FingerprintTrainer
from ganamis.extractors.network import NetworkExtractor
from ganamis.params import Fingerprint, FingerprintSpace, FingerprintValues, LogRange, Loss
from tests.builders import noise

# Keras's own conversion of TensorFlow variables under NumPy 2.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

NUMBERS = Fingerprint(
    trials=1,
    views=4,
    search_views=1,
    steps=12,
    search_steps=3,
    generators_share=4,
    momentum=0.8,
    temperature=0.1,
    learning_rate=2e-3,
    space=FingerprintSpace(
        loss=["contrastive", "softmax"], learning_rate=LogRange(low=1e-3, high=2e-3)
    ),
    degradations=["jpeg90"],
)


def _fingerprinted(seed: int) -> np.ndarray:
    """Content of its own; a faint stripe along rows or along columns."""
    stripe = np.tile([0, 12], 20).astype(int)[:, None] * np.ones((1, 40), dtype=int)
    content = noise(seed, size=40) // 8 + 40
    return (content + (stripe if seed % 2 else stripe.T)).astype(np.uint8)


IMAGES = np.stack([_fingerprinted(seed) for seed in range(24)])
LABELS = np.arange(24) % 2
HELD_OUT = np.arange(24) >= 16


@pytest.fixture(scope="module")
def trainer() -> FingerprintTrainer:
    """One for all tests: compiling takes longer than training."""
    return FingerprintTrainer("mobilenetv2", "none", NUMBERS, seed=3)


def fit(
    trainer: FingerprintTrainer, chosen: np.ndarray, *, steps: int, loss: Loss = "contrastive"
) -> NetworkExtractor:
    values = FingerprintValues(depth=4, crop=32, loss=loss, learning_rate=2e-3)
    return trainer.fit(IMAGES[chosen], LABELS[chosen], values, classes=2, steps=steps, views=4)


@pytest.mark.parametrize("loss", ["contrastive", "softmax"])
def test_a_few_steps_on_residuals_learn_a_fingerprint(
    trainer: FingerprintTrainer, loss: Loss
) -> None:
    extractor = fit(trainer, ~HELD_OUT, steps=12, loss=loss)
    features = extractor.embed(IMAGES)
    assert features.shape == (24, 4 * 288) and features.dtype == np.float32
    means = features.reshape(24, 4, -1).mean(axis=1)
    assert held_out_accuracy(means, LABELS, HELD_OUT) == 1.0


def test_fits_of_one_trainer_share_nothing_but_the_network(trainer: FingerprintTrainer) -> None:
    """A fold's result does not depend on the folds fitted before it."""
    before = IMAGES.copy()
    first, second = np.arange(12), np.arange(6, 18)
    once = fit(trainer, first, steps=3).embed(IMAGES)
    other = fit(trainer, second, steps=3).embed(IMAGES)
    np.testing.assert_array_equal(fit(trainer, first, steps=3).embed(IMAGES), once)
    assert (once != other).any()
    np.testing.assert_array_equal(IMAGES, before)


def test_accuracy_is_that_of_a_linear_head_on_images_it_did_not_see() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 40)
    held_out = np.arange(120) % 4 == 0
    centres = 6 * np.eye(3)[labels]
    apart = np.concatenate([random.normal(size=(120, 3)) + centres, np.ones((120, 1))], axis=1)
    assert held_out_accuracy(apart, labels, held_out) > 0.95
    drowned = random.normal(size=(120, 5))
    assert held_out_accuracy(drowned, labels, held_out) < 0.6
    assert held_out_accuracy(np.ones((120, 2)), labels, held_out) == pytest.approx(1 / 3)
