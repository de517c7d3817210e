"""Training goes on after an interruption as if there had been none, and stops when told to."""

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganamis.errors import UserError
from ganamis.extractors.loading import load_extractor
from ganamis.extractors.network import NetworkExtractor
from ganamis.extractors.training import LOG_FILE, NetworkTrainer, _stopped_early
from ganamis.params import Hyperparameters, Network, Training
from tests.builders import noise

pytestmark = [
    # Keras's own conversion of TensorFlow variables under NumPy 2.
    pytest.mark.filterwarnings(
        "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
    ),
]

IMAGES = np.stack([noise(seed, size=40) // (1 + seed % 2) for seed in range(12)])
LABELS = np.arange(12) % 2
VALUES = Hyperparameters(
    learning_rate=1e-3,
    dropout=0.5,  # its random state must survive an interruption
    weight_decay=1e-3,
    augmentation="flips_and_noise",
    trainable_share=1.0,
)


def trainer(*, epochs: int, patience: int = 50, views: int = 1) -> NetworkTrainer:
    return NetworkTrainer(
        name="custom_cnn",
        network=Network(weights="none", crop=32),
        training=Training(
            epochs=epochs, batch_size=4, patience=patience, validation_share=0.25, views=views
        ),
        seed=11,
    )


def fit(folder: Path, **settings: Any) -> NetworkExtractor:
    return trainer(**settings).fit_final(IMAGES, LABELS, VALUES, folder=folder)


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
    resumed = fit(tmp_path, epochs=2)
    assert log(tmp_path) == log(folder)
    for ours, expected in zip(
        resumed.model.get_weights(), uninterrupted.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, expected)
    np.testing.assert_array_equal(resumed.embed(IMAGES), uninterrupted.embed(IMAGES))


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


def test_saved_extractor_embeds_the_same(
    tmp_path: Path, whole: tuple[Path, NetworkExtractor]
) -> None:
    _, extractor = whole
    before = IMAGES.copy()
    features = extractor.embed(IMAGES)
    np.testing.assert_array_equal(IMAGES, before)
    assert (features.shape, features.dtype) == ((12, 64), np.float32)
    assert np.ptp(features, axis=0).max() > 0
    extractor.save(tmp_path / "extractor")
    loaded = load_extractor(tmp_path / "extractor")
    np.testing.assert_array_equal(loaded.embed(IMAGES), features)

    np.testing.assert_allclose(loaded.embed(IMAGES[3:4])[0], features[3], rtol=1e-4, atol=1e-5)
    order = np.random.default_rng(0).permutation(12)
    np.testing.assert_allclose(loaded.embed(IMAGES[order]), features[order], rtol=1e-4, atol=1e-5)


def test_views_are_averaged(whole: tuple[Path, NetworkExtractor]) -> None:
    _, one = whole
    four = NetworkExtractor(model=one.model, crop=32, views=4, batch_size=8)
    alone = [one.embed(IMAGES[:, r : r + 32, c : c + 32]) for r in (2, 6) for c in (2, 6)]
    np.testing.assert_allclose(four.embed(IMAGES), np.mean(alone, axis=0), rtol=1e-4, atol=1e-5)


def test_image_smaller_than_the_crop_is_refused(whole: tuple[Path, NetworkExtractor]) -> None:
    with pytest.raises(UserError, match="^images of 20 pixels are smaller than the crop of 32$"):
        whole[1].embed(IMAGES[:, :20])


def test_folder_without_an_extractor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no extractor; run `ganamis train` again"):
        load_extractor(tmp_path)


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
    """Steps far too large: the loss on held-out images does not improve for long."""
    values = VALUES.model_copy(update={"learning_rate": 10.0})
    settings = {"epochs": 6, "patience": 1}
    trainer(**settings).fit_final(IMAGES, LABELS, values, folder=tmp_path)
    losses = [float(line["val_loss"]) for line in log(tmp_path)]
    assert len(losses) < 6
    assert int(np.argmin(losses)) == len(losses) - 2
    trainer(**settings).fit_final(IMAGES, LABELS, values, folder=tmp_path)
    assert len(log(tmp_path)) == len(losses)


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
