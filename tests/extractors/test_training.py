"""Training goes on after an interruption as if there had been none, and stops when told to."""

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from ganamis.extractors import training
from ganamis.extractors.network import NetworkExtractor
from ganamis.extractors.training import LOG_FILE, NetworkTrainer, _stopped_early, seeing, settle
from ganamis.params import Hyperparameters, PaperNetwork, Training
from tests.builders import noise
from tests.extractors.networks import small_network

# Keras's own conversion of TensorFlow variables under NumPy 2.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

IMAGES = np.stack([noise(seed, size=40) // (1 + seed % 2) for seed in range(12)])
LABELS = np.arange(12) % 2
HELD_OUT = np.arange(12) > 8
VALUES = Hyperparameters(
    learning_rate=1e-3,
    dropout=0.5,  # its random state must survive an interruption
    weight_decay=1e-3,
    augmentation="flips_and_noise",
    trainable_share=1.0,
)


@pytest.fixture(scope="module", autouse=True)
def small_networks() -> Iterator[None]:
    """The paper's networks go the same way in the test of the whole pipeline."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "build_network", small_network)
        yield


def trainer(*, epochs: int, patience: int = 50) -> NetworkTrainer:
    return NetworkTrainer(
        name="custom_cnn",
        network=PaperNetwork(weights="none", crop=32),
        training=Training(
            trials=1, epochs=epochs, search_epochs=1, batch_size=4, patience=patience, momentum=0.9
        ),
        seed=11,
    )


def fit(folder: Path, **settings: Any) -> NetworkExtractor:
    return trainer(**settings).fit_final(IMAGES, LABELS, VALUES, held_out=HELD_OUT, folder=folder)


def log(folder: Path) -> list[dict[str, str]]:
    with (folder / LOG_FILE).open() as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, NetworkExtractor]:
    """Two epochs in one go."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, fit(folder, epochs=2)


def test_resumed_training_gives_exactly_the_uninterrupted_result(
    tmp_path: Path, whole: tuple[Path, NetworkExtractor]
) -> None:
    folder, uninterrupted = whole
    fit(tmp_path, epochs=1)
    (tmp_path / "epoch-0001.keras").write_bytes(b"half a mod")  # what was being written
    with (tmp_path / LOG_FILE).open("a") as stream:
        stream.write("1,0.7")
    resumed = fit(tmp_path, epochs=2)
    assert log(tmp_path) == log(folder)
    assert resumed.network.weights == uninterrupted.network.weights
    np.testing.assert_array_equal(resumed.embed(IMAGES), uninterrupted.embed(IMAGES))


def test_log_whose_first_line_was_cut_is_begun_again(
    tmp_path: Path, whole: tuple[Path, NetworkExtractor]
) -> None:
    (tmp_path / LOG_FILE).parent.mkdir()
    (tmp_path / LOG_FILE).write_text("epoch,accur")
    fit(tmp_path, epochs=1)
    assert log(tmp_path) == log(whole[0])[:1]


def test_finished_training_is_not_done_again(
    tmp_path: Path, whole: tuple[Path, NetworkExtractor]
) -> None:
    folder, extractor = whole
    shutil.copytree(folder, tmp_path / "copy")
    again = fit(tmp_path / "copy", epochs=2)
    assert log(tmp_path / "copy") == log(folder)
    np.testing.assert_array_equal(again.embed(IMAGES), extractor.embed(IMAGES))


def test_log_has_a_line_per_epoch_and_one_model_is_kept(
    whole: tuple[Path, NetworkExtractor],
) -> None:
    folder, _ = whole
    assert [line["epoch"] for line in log(folder)] == ["0", "1"]
    assert set(log(folder)[0]) >= {"epoch", "loss", "accuracy", "val_loss", "val_accuracy"}
    assert [path.name for path in folder.glob("epoch-*.keras")] == ["epoch-0001.keras"]
    assert list((folder / "logs" / "tensorboard").rglob("events.*"))


def test_short_fits_of_one_trainer_share_nothing_but_the_network() -> None:
    """A fold's result does not depend on the folds fitted before it."""
    shared = trainer(epochs=1)

    def features(trainer: NetworkTrainer, chosen: np.ndarray) -> np.ndarray:
        images, labels = IMAGES[chosen], LABELS[chosen]
        return trainer.fit(images, labels, VALUES, classes=2, epochs=1).embed(IMAGES)

    first = features(shared, np.arange(8))
    second = features(shared, np.arange(4, 12))
    np.testing.assert_array_equal(features(shared, np.arange(8)), first)
    assert (first != second).any()


def test_training_stops_early_and_stays_stopped(tmp_path: Path) -> None:
    """The labels held out are the wrong ones: what is learned makes their loss worse."""
    values = VALUES.model_copy(update={"learning_rate": 1e-2, "dropout": 0.0})
    labels = np.where(HELD_OUT, 1 - LABELS, LABELS)

    def train() -> list[float]:
        network = trainer(epochs=6, patience=1)
        network.fit_final(IMAGES, labels, values, held_out=HELD_OUT, folder=tmp_path)
        return [float(line["val_loss"]) for line in log(tmp_path)]

    losses = train()
    assert len(losses) < 6
    assert int(np.argmin(losses)) == len(losses) - 2
    assert train() == losses


def test_settled_network_gives_at_inference_what_it_gave_in_training() -> None:
    """A few steps leave the averages near their first values, and features on another scale."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((32, 32, 1))
    hidden = keras.layers.Conv2D(8, 3, strides=2)(inputs)
    averaging = keras.layers.BatchNormalization(momentum=0.99)
    normalised = averaging(hidden)
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(normalised))
    model = keras.Model(inputs, pooled)
    batch = IMAGES[:, :32, :32, None].astype(np.float32)
    trained = model(batch, training=True).numpy()
    assert np.abs(model(batch, training=False).numpy() - trained).max() > 1
    settle(model, seeing(model), [batch] * 100)
    settled = model(batch, training=False).numpy()
    np.testing.assert_allclose(settled, trained, rtol=1e-2, atol=1e-2)
    assert averaging.momentum == 0.99


@pytest.mark.parametrize(
    ("losses", "patience", "stopped"),
    [
        ([], 1, False),
        ([1.0], 1, False),
        ([1.0, 2.0], 1, True),
        ([1.0, 2.0], 2, False),
        ([2.0, 1.0, 1.5, 1.2], 2, True),
        ([2.0, 1.0, 1.5, 0.9], 2, False),
        ([1.0, 1.0], 1, True),
    ],
)
def test_patience_counts_epochs_without_improvement(
    losses: list[float], patience: int, stopped: bool
) -> None:
    assert _stopped_early(losses, patience=patience) is stopped
