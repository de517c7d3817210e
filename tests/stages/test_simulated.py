"""`train-simulated` for real, tiny: drawn, taught, judged, written, and gone on with."""

from pathlib import Path

import numpy as np
import pytest

from ganamis.extractors.loading import load_extractor
from ganamis.files import read_json
from ganamis.params import Simulated
from ganamis.stages import simulated
from tests.builders import PARAMS
from tests.simulation.schools import school_briefly

WORLD = {"generators": 8, "images": 4, "bank": 9}
TINY = {
    "teaching": WORLD,
    "held_out": WORLD,
    "channels": [4, 6],
    "sizes": [6, 3],
    "strides": [2, 2],
    "steps": 4,
    "every": 2,
    "generators": 4,
    "crops": 2,
    "dimensions": 3,
    "taught_images": 4,
    "draws": 1,
    "draw": 3,
}


def test_it_draws_teaches_judges_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    school_briefly(monkeypatch)
    monkeypatch.setattr(simulated, "CONDITIONS", ("clean", "jpeg75"))
    monkeypatch.setattr(simulated, "shipped_folder", lambda: tmp_path / "shipped")
    numbers = Simulated.model_validate({**PARAMS.simulated.model_dump(), **TINY})
    params = PARAMS.model_copy(update={"simulated": numbers})
    simulated.train_simulated(params)
    assert "step 4 of 4" in capsys.readouterr().out
    card = read_json(tmp_path / "shipped" / "card.json", stage="train-simulated")
    assert card["step"] in (2, 4)
    assert set(card["held_out"]["fusion"]) == set(simulated.CONDITIONS)
    extractor = load_extractor(tmp_path / "shipped")
    images = np.random.default_rng(0).integers(0, 256, (2, 70, 80)).astype(np.uint8)
    first = extractor.embed(images)
    assert first.shape == (2, extractor.views * 9)
    simulated.train_simulated(params)
    assert "Drawing" not in capsys.readouterr().out
    np.testing.assert_array_equal(load_extractor(tmp_path / "shipped").embed(images), first)
