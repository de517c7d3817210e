"""`ship`: the same bytes again, by one command."""

from pathlib import Path

import pytest

from ganamis.model.shipped import shipped_folder
from ganamis.params import load_params
from ganamis.stages import ship as stage
from tests.builders import PARAMS, snapshot
from tests.model.simulated import draw

NAMES = ("vae", "dcgan", "vqvae")


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three generators that draw small images at once, in place of the zoo's eight."""

    def sample(name: str, count: int, *, seed: int):  # noqa: ANN202
        return draw(NAMES.index(name), count, seed)

    monkeypatch.setattr(stage, "GENERATORS", dict.fromkeys(NAMES))
    monkeypatch.setattr(stage, "sample_images", sample)


def test_shipping_twice_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = PARAMS.active.model_copy(update={"degradations": ["jpeg90"]})
    params = PARAMS.model_copy(
        update={
            "ship": PARAMS.ship.model_copy(update={"images": 8}),
            "profiles": {PARAMS.profile: profile},
        }
    )
    written = []
    for name in ("first", "second"):
        monkeypatch.setattr(stage, "shipped_folder", lambda name=name: tmp_path / name)
        stage.ship(params)
        written.append({path: content for path, (content, _) in snapshot(tmp_path / name).items()})
    assert written[0] == written[1]
    assert {"model.json", "nuisance.npz", "card.json"} <= set(written[0])


def test_what_ships_was_fitted_with_the_numbers_of_the_project() -> None:
    """Else `ganamis ship` was forgotten after a change."""
    from ganamis.model.storage import load_backend

    params = load_params(Path(__file__).parents[2] / "params.yaml")
    backend = load_backend(shipped_folder())
    assert backend.settings == params.model and backend.seed == params.seed
    assert backend.nuisance.conditions == ("clean", *params.active.degradations)
