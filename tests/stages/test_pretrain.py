"""`pretrain` for real, tiny, with one network."""

from pathlib import Path

import numpy as np
import pytest

from ganamis.extractors import pretrained
from ganamis.files import read_json
from ganamis.params import Simulated
from ganamis.simulation.world import World
from ganamis.stages import pretrain
from tests.builders import PARAMS

# Keras's own conversion of TensorFlow variables under NumPy 2.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

NUMBERS = {**PARAMS.simulated.model_dump(), "generators": 4, "crops": 2}
STEPS = {**PARAMS.simulated.pretraining.model_dump(), "steps": 1, "every": 1}


def world() -> World:
    """Six generators in two families, as `test_simulated.py` sees drawn for real."""
    images = np.random.default_rng(0).integers(0, 256, (6, 3, 90, 90)).astype(np.uint8)
    content = np.tile(np.arange(3), (6, 1))
    return World(images, np.arange(6) % 2, np.full(6, "filter"), content)


def test_it_teaches_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pretrain, "simulated_world", lambda *_, **__: world())
    monkeypatch.setattr(pretrain, "NETWORKS", ("mobilenetv2",))
    monkeypatch.setattr(pretrain, "pretrained_folder", lambda: tmp_path / "shipped")
    monkeypatch.setattr(pretrained, "pretrained_folder", lambda: tmp_path / "shipped")
    numbers = Simulated.model_validate({**NUMBERS, "pretraining": STEPS})
    pretrain.pretrain(PARAMS.model_copy(update={"simulated": numbers}))
    assert "mobilenetv2, step 1 of 1: loss" in capsys.readouterr().out
    assert pretrained.available() == ["mobilenetv2"]
    card = read_json(tmp_path / "shipped" / "card.json", stage="pretrain")
    assert card["loss"].keys() == {"mobilenetv2"}
