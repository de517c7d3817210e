"""What a version says of itself, whose it is, and what is said where it cannot be loaded."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from ganamis.errors import UserError
from ganamis.files import write_json
from ganamis.model.shipped import shipped_folder
from ganamis.params import load_params
from ganamis.registry import names, tidying, versions
from ganamis.registry.gate import open_world_ari
from ganamis.registry.history import all_versions, ari_tag
from ganamis.stages import promote as stage
from ganamis.stages.paths import REGISTER
from ganamis.stages.tidy import tidy
from ganamis.tracking import runs
from ganamis.tracking.store import VARIABLE
from tests.builders import PARAMS

TAGS = {"architecture": "spectrum", "clusterer": "open_world", "training_run": "r" * 32}
TAGS |= {"data_digest": "d" * 32 + ".dir", "git_commit": "c" * 40, "ari": "0.931 [0.900, 0.960]"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "")
    mlflow.set_registry_uri("")
    yield tmp_path
    mlflow.set_registry_uri("")


def register() -> int:
    evidence = pd.DataFrame(columns=["held_out", "id", "generator", "label"])
    with runs.stage_run("register", name="tiny", params={}, tags={}):
        made = versions.register(
            shipped_folder(), evidence, limits=PARAMS.serve.model_dump(), tags=TAGS
        )
    return int(made.version)


def test_a_version_shows_few_short_tags_and_tells_the_rest(project: Path) -> None:
    made = versions.version_numbered(register())
    assert made.tags == {"ari": TAGS["ari"], "data": "d" * 12, "commit": "c" * 12}
    for whole in ("data_digest", "git_commit"):
        assert TAGS[whole] in made.description
    assert made.description.startswith("spectrum with open_world\n")
    assert TAGS["training_run"] in made.description
    assert (versions.stored_model(made) / "model.json").is_file()


def test_the_history_of_versions_is_read_from_their_tags(project: Path) -> None:
    register()
    client = mlflow.MlflowClient()
    client.set_model_version_tag(names.MODEL, str(register()), versions.ARI, "by hand")
    client.set_registered_model_alias(names.MODEL, names.CHAMPION, "1")
    first, second = all_versions()
    assert (first.number, first.ari, first.low, first.high) == (1, 0.931, 0.9, 0.96)
    assert first.aliases == ("champion",) and second.aliases == ("challenger",)
    assert (first.data, first.commit, first.gate) == ("d" * 12, "c" * 12, "")
    assert second.number == 2 and second.ari is None
    assert ari_tag(0.931, 0.9, 0.96) == TAGS["ari"]


def test_a_version_of_another_store_is_not_taken_for_ours(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "other").mkdir()
    other = f"sqlite:///{project / 'other' / 'mlflow.db'}"
    monkeypatch.setenv(VARIABLE, other)
    number = register()
    made = versions.version_numbered(number)
    versions.check_registered(number, run_id=made.run_id or "", store="other/mlflow.db")
    record = {"version": number, "run_id": made.run_id, "store": "other/mlflow.db"}
    write_json(REGISTER / "version.json", record)
    monkeypatch.setattr(stage, "read_ingested", lambda params: None)
    params = load_params(Path(__file__).parents[2] / "params.yaml")

    monkeypatch.setenv(VARIABLE, "")
    empty = "registered as version 1 in 'other/mlflow.db', and 'mlflow.db' has no version 1; set"
    with pytest.raises(UserError, match=empty):
        stage.promote(params, learned=None)
    assert register() == number
    with pytest.raises(UserError, match="version 1 of 'mlflow.db' is another model; set MLFLOW"):
        stage.promote(params, learned=None)


def test_what_cannot_be_loaded_is_told_by_its_cause(project: Path) -> None:
    runs.connect()
    with pytest.raises(UserError, match="has no model.*it has no version of ganamis.*make run"):
        versions.load_model("models:/ganamis@champion")
    made = versions.version_numbered(register())
    with pytest.raises(UserError, match="has no model.*it has versions 1 of ganamis"):
        versions.load_model("models:/ganamis/7")
    shutil.rmtree(Path(versions.stored_model(made)).parents[1])
    for load in (versions.load_model, versions.load_fingerprint_model):
        with pytest.raises(UserError, match="files of model .* missing.*dvc repro -f -s register"):
            load("models:/ganamis/1")


def test_tidy_says_what_it_frees_and_keeps_what_is_needed(
    project: Path, capsys: pytest.CaptureFixture
) -> None:
    for _ in range(3):
        register()
    client = mlflow.MlflowClient()
    client.set_registered_model_alias(names.MODEL, names.CHAMPION, "1")
    client.delete_model_version(names.MODEL, "2")  # its files stay: MLflow's way
    experiment = runs.connect()
    (left,) = tidying.leftovers(experiment)
    assert left.version is None and left.size > 3_000_000
    register()  # now version 3 has no alias any more
    search = project / "work" / "train" / "tiny"
    search.mkdir(parents=True)
    (search / "journal.log").write_text("{}\n")
    write_json(project / "results" / "train" / "tiny" / "summary.json", {})
    capsys.readouterr()

    tidy(remove=False)
    said = capsys.readouterr().out
    assert "version 3" in said and "version 1" not in said and "version 4" not in said
    assert (
        "never registered" in said and "work/train/tiny" in said and "Nothing was removed" in said
    )
    assert len(tidying.leftovers(experiment)) == 2 and search.exists()

    kept = [versions.stored_model(versions.version_numbered(number)) for number in (1, 4)]
    tidy(remove=True)
    assert "Removed; this freed" in capsys.readouterr().out
    assert not tidying.leftovers(experiment) and not search.exists()
    assert all((folder / "model.json").is_file() for folder in kept)
    assert len(list((project / "mlruns").rglob("model/model.json"))) == 2
    assert len(client.search_runs([experiment])) == 4
    tidy(remove=True)
    assert "Nothing to remove" in capsys.readouterr().out


def test_the_mean_index_of_the_folds_lies_in_its_interval() -> None:
    random = np.random.default_rng(0)
    folds = []
    for held_out in ("a", "b"):
        truth = np.arange(90) % 3
        labels = np.where(random.random(90) < 0.2, random.integers(0, 3, 90), truth)
        rows = {"id": [f"{held_out}{i}" for i in range(90)], "generator": truth.astype(str)}
        folds.append(pd.DataFrame({"held_out": held_out, "label": labels, **rows}))
    expected = np.mean([adjusted_rand_score(fold["generator"], fold["label"]) for fold in folds])
    ari, low, high = open_world_ari(pd.concat(folds), bootstrap=400, seed=0)
    assert ari == pytest.approx(expected) and low < ari < high
    assert 0.05 < high - low < 0.4
    perfect = pd.concat(folds).assign(label=lambda rows: rows["generator"].astype(int))
    assert open_world_ari(perfect, bootstrap=50, seed=0) == (1.0, 1.0, 1.0)
