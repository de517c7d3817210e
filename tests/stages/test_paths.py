"""What `ingest` left is read back as it was written."""

from pathlib import Path

import pandas as pd
import pytest

from ganamis.contracts import MANIFEST_COLUMNS, Manifest
from ganamis.errors import UserError
from ganamis.params import Params, load_params
from ganamis.stages.paths import INGEST, Ingested, data_root, read_ingested, settings_digest

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    monkeypatch.chdir(tmp_path)
    return load_params(PARAMS)


def test_a_generator_called_na_keeps_its_name(params: Params) -> None:
    labels = pd.DataFrame(
        {"id": ["1", "2", "3"], "path": ["a", "b", "c"], "generator": ["NA", "null", "007"]}
    )
    INGEST.mkdir(parents=True)
    labels.to_csv(INGEST / "labels.csv", index=False)
    manifest = Manifest(pd.DataFrame(columns=list(MANIFEST_COLUMNS)))
    read = Ingested(Path("."), "digest", manifest, {}).labels
    assert read["generator"].tolist() == ["NA", "null", "007"]
    assert read["id"].tolist() == ["1", "2", "3"]


def test_missing_data_and_missing_results_name_the_remedy(params: Params) -> None:
    root = params.data.root
    with pytest.raises(
        UserError, match=f"data.root '{root}' is missing; run .*`ganamis import <folder>`"
    ):
        data_root(params)
    with pytest.raises(UserError, match="summary.json' is missing; run `ganamis ingest`"):
        read_ingested(params)


def test_settings_digest_tells_values_and_not_their_order() -> None:
    first = settings_digest({"a": 1, "b": {"c": 2.0, "d": "x"}})
    assert first == settings_digest({"b": {"d": "x", "c": 2.0}, "a": 1})
    assert first != settings_digest({"a": 1, "b": {"c": 2.5, "d": "x"}})
    assert len(first) == 16
