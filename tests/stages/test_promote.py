"""`promote` and `rollback` as commands: the champion scored again for real, and the files left."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import yaml

from ganamis.__main__ import main
from ganamis.contracts import Embeddings
from ganamis.data.batches import load_images
from ganamis.data.content import content_descriptors
from ganamis.data.manifest import check_folder
from ganamis.errors import UserError
from ganamis.extractors.spectrum import Spectrum
from ganamis.files import read_json, write_json
from ganamis.model.evaluation import fold_clusters
from ganamis.model.storage import EXTRACTOR, MODEL_FILE
from ganamis.params import Params, load_params
from ganamis.registry.names import CHAMPION, MODEL, PREVIOUS
from ganamis.registry.versions import stored_model, version_of
from ganamis.stages.paths import INGEST, PROMOTE, REGISTER, ROLLBACK, read_ingested
from ganamis.stages.promote import promote, rollback
from ganamis.stages.train import development_set
from tests.serving.tiny_model import register_version
from tests.test_pipeline import tiny_params, write_data

NOW, BEFORE = "present.dir", "former.dir"
DECISION, ROLLED_BACK = PROMOTE / "decision.json", ROLLBACK / "rollback.json"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An ingested data set of two generators, and no version yet."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        numbers = tiny_params()
        numbers["profiles"]["two_cores"]["degradations"] = ["jpeg75", "noise3"]
        (folder / "params.yaml").write_text(yaml.safe_dump(numbers, sort_keys=False))
        write_data(folder / "data" / "imported", per_generator=16)
        checked = check_folder(Path("data/imported"), size=64, near_duplicate=1.0)
        checked.manifest.save(INGEST / "manifest.csv")
        write_json(INGEST / "summary.json", {"data_digest": NOW})
        data = read_ingested(load_params())
        content = content_descriptors(load_images(data.root, data.development))
        ids = data.development["id"].to_numpy(dtype=str)
        Embeddings(ids, content).save(INGEST / "descriptors.npz")
        yield folder


@pytest.fixture
def params(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """In a folder with that data and a registry of its own, still empty."""
    for name in ("data", "params.yaml"):
        (tmp_path / name).symlink_to(prepared / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    mlflow.set_registry_uri("")
    (tmp_path / "results").mkdir()
    (tmp_path / INGEST).symlink_to(prepared / INGEST)
    return load_params()


def own_clusters(params: Params, *, copies: bool = True) -> pd.DataFrame:
    """The folds of the registered spectrum on the present data, as `train` and `register` do."""
    degradations = tuple(params.active.degradations) if copies else ()
    data = read_ingested(params)
    development = development_set(data, degradations, params)
    spectrum = Spectrum(grid=2, periods=(16,), threads=1)
    folds = (development.fold(name, spectrum) for name in development.names)
    return fold_clusters(
        folds,
        "open_world",
        content=data.descriptors,
        settings=params.model,
        seed=params.seed,
    )


def register(
    evidence: pd.DataFrame, *, digest: str, architecture: str = "spectrum", copies: bool = True
) -> int:
    conditions = ("clean", *(load_params().active.degradations if copies else ()))
    version = register_version(Path.cwd(), evidence, digest=digest, conditions=conditions)
    client = mlflow.MlflowClient()
    client.set_model_version_tag(MODEL, version.version, "architecture", architecture)
    record = {"version": int(version.version), "run_id": version.run_id, "store": "mlflow.db"}
    write_json(REGISTER / "version.json", record)
    return int(version.version)


def crown(number: int) -> None:
    mlflow.MlflowClient().set_registered_model_alias(MODEL, CHAMPION, str(number))


def aliases() -> tuple[int | None, int | None]:
    champion, previous = version_of(CHAMPION), version_of(PREVIOUS)
    return (champion and int(champion.version), previous and int(previous.version))


@pytest.mark.parametrize(
    ("architecture", "copies"), [("spectrum", True), ("custom_cnn", False)], ids=str
)
def test_a_champion_of_former_data_is_scored_again_as_its_training_would(
    params: Params, architecture: str, copies: bool
) -> None:
    own = own_clusters(params, copies=copies)
    champion = register(
        own.assign(label=0)[:3], digest=BEFORE, architecture=architecture, copies=copies
    )
    crown(champion)
    register(own, digest=NOW)
    promote(params, learned=None)
    decision = read_json(DECISION, stage="promote")
    assert decision["rescored"] and not decision["promoted"]
    # Scored anew, the champion found exactly the challenger's clusters.
    assert decision["difference"] == decision["low"] == decision["high"] == 0.0
    assert aliases() == (champion, None)


def test_the_same_data_split_by_another_seed_are_scored_again(params: Params) -> None:
    former = own_clusters(params.model_copy(update={"seed": params.seed + 1}), copies=True)
    crown(register(former, digest=NOW))
    own = own_clusters(params, copies=True)
    assert set(own["id"]) != set(former["id"])
    register(own, digest=NOW)
    promote(params, learned=None)
    assert read_json(DECISION, stage="promote")["rescored"] and aliases() == (1, None)


def test_promoting_again_leaves_the_decision_as_it_was(params: Params) -> None:
    own = own_clusters(params, copies=True)
    register(own.assign(label=0), digest=NOW)
    promote(params, learned=None)
    register(own.assign(label=own["generator"].eq("model-0").astype(int)), digest=NOW)
    promote(params, learned=None)
    decided = DECISION.read_bytes()
    assert json.loads(decided)["promoted"] and aliases() == (2, 1)
    promote(params, learned=None)
    assert DECISION.read_bytes() == decided and aliases() == (2, 1)
    DECISION.unlink()  # as if killed before it was written
    promote(params, learned=None)
    assert DECISION.read_bytes() == decided


@pytest.mark.parametrize(
    ("content", "digest", "said"),
    [
        (b"{", NOW, "are damaged"),
        (b"[]", NOW, "are damaged"),
        (b"\xff", BEFORE, "are damaged"),
        (b"{}", BEFORE, "cannot be opened"),
    ],
)
def test_a_damaged_extractor_is_seen(
    params: Params, content: bytes, digest: str, said: str
) -> None:
    own = own_clusters(params, copies=True)
    crown(register(own.assign(label=0), digest=digest))
    champion = version_of(CHAMPION)
    assert champion is not None
    (stored_model(champion) / EXTRACTOR / "spectrum.json").write_bytes(content)
    register(own, digest=NOW)
    with pytest.raises(UserError, match=f"version 1 {said} .*Nothing was changed"):
        promote(params, learned=None)
    assert aliases() == (1, None) and not DECISION.exists()


def test_a_champion_that_does_not_say_how_it_clusters(params: Params) -> None:
    own = own_clusters(params)
    crown(register(own, digest=BEFORE))
    champion = version_of(CHAMPION)
    assert champion is not None
    path = stored_model(champion) / MODEL_FILE
    said = json.loads(path.read_text())
    del said["clusterer"]
    path.write_text(json.dumps(said))
    register(own, digest=NOW)
    with pytest.raises(UserError, match="version 1 cannot be opened.*Nothing was changed"):
        promote(params, learned=None)
    assert aliases() == (1, None) and not DECISION.exists()


def test_how_a_champion_clusters_is_not_asked_of_its_tags(params: Params) -> None:
    own = own_clusters(params)
    crown(register(own, digest=BEFORE))
    mlflow.MlflowClient().delete_model_version_tag(MODEL, "1", "clusterer")
    register(own, digest=NOW)
    promote(params, learned=None)
    assert read_json(DECISION, stage="promote")["difference"] == 0.0 and aliases() == (1, None)


def test_a_stale_challenger_leaves_the_former_decision(params: Params) -> None:
    own = own_clusters(params, copies=True)
    register(own, digest=NOW)
    promote(params, learned=None)
    decided = DECISION.read_bytes()
    register(own, digest=BEFORE)
    with pytest.raises(UserError, match="former.dir, but the data set is now present.dir"):
        promote(params, learned=None)
    assert DECISION.read_bytes() == decided and aliases() == (1, None)


def test_rollback_by_the_command_line(
    params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = own_clusters(params, copies=True)
    crown(register(own, digest=NOW))
    monkeypatch.setattr(sys, "argv", ["ganamis", "rollback"])
    with pytest.raises(SystemExit) as refused:
        main()
    assert refused.value.code == 2
    assert "previous is none" in capsys.readouterr().err and not ROLLED_BACK.exists()
    register(own, digest=NOW)
    mlflow.MlflowClient().set_registered_model_alias(MODEL, PREVIOUS, "2")
    rollback()
    done = read_json(ROLLED_BACK, stage="rollback")
    assert (done["champion"], done["replaced"]) == (2, 1) and aliases() == (2, 1)
