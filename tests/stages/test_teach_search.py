"""`teach-search` for real, tiny: drawn, embedded, taught, judged, written."""

import shutil
from pathlib import Path

import pytest

from ganamis.clustering.same_or_another import SameOrAnother
from ganamis.files import read_json
from ganamis.model.drawing import REPEATED
from ganamis.params import SearchLessons, Ship, SimulatedWorld
from ganamis.stages import teach_search
from ganamis.stages.simulated import simulated_world
from tests.builders import PARAMS
from tests.simulation.schools import school_briefly

WORLD = SimulatedWorld(generators=9, images=6, bank=9)
TINY = SearchLessons(world=WORLD, large=WORLD, rounds=1, draws=16, counted=8, held_out=8)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One world for all purposes: drawing them is what takes the time."""
    folder = tmp_path_factory.mktemp("world") / "world"
    with pytest.MonkeyPatch.context() as patch:
        school_briefly(patch)
        simulated_world(folder, WORLD, seed=PARAMS.seed, kept_out=True)
    return folder


def test_it_teaches_judges_and_writes(
    world: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("lessons", "lessons-large", "held-out"):
        shutil.copytree(world, tmp_path / "work" / "simulated" / name)
    path = tmp_path / "same_or_another.json"
    monkeypatch.setattr(teach_search, "shipped_file", lambda: path)
    monkeypatch.setattr(teach_search, "ALL_CONDITIONS", ("clean", REPEATED))
    monkeypatch.setattr(teach_search, "FEW_CONDITIONS", ("clean",))
    simulated = PARAMS.simulated.model_copy(update={"search": TINY, "held_out": WORLD})
    profiles = {
        name: profile.model_copy(update={"degradations": ["jpeg90"]})
        for name, profile in PARAMS.profiles.items()
    }
    params = PARAMS.model_copy(
        update={"simulated": simulated, "profiles": profiles, "ship": Ship(images=4)}
    )
    teach_search.teach_search(params)
    first = SameOrAnother.load(path)
    held_out = read_json(path, stage="teach-search")["card"]["held_out"]
    assert held_out["generators"] == 9
    assert sum(draws for *_, draws in held_out["said_right_draws"]) == 8
    capsys.readouterr()
    teach_search.teach_search(params)
    said = capsys.readouterr().out
    assert "Embedding" not in said
    assert SameOrAnother.load(path) == first
