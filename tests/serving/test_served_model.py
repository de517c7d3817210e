"""The registered model through `mlflow.pyfunc`: alone, together, and rows that cannot be used."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from ganamis.model.fingerprint import FingerprintModel
from ganamis.registry import names, versions
from tests.builders import encode, noise
from tests.serving.tiny_model import SIZE, good_image, register_champion, tiny_model

COLUMNS = ["cluster", "generator", "known", "score", "error"]
SEEDS = range(40, 70)
PIXELS = np.stack([noise(seed, size=SIZE) // (1 + seed % 3) for seed in SEEDS])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("served")
    register_champion(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
        yield versions.load_model(names.CHAMPION_URI)


@pytest.fixture(scope="module")
def model() -> FingerprintModel:
    return tiny_model()


def table(images: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"image": images})


GOOD = [good_image(seed) for seed in SEEDS]


@pytest.mark.parametrize("clusters", [0, 1, 3, 5])
def test_together_is_the_answer_of_the_model(
    served: Any, model: FingerprintModel, clusters: int
) -> None:
    answer = served.predict(table(GOOD), params={"together": True, "clusters": clusters})
    found = model.together(model.embed(PIXELS), clusters=clusters or None)
    assert list(answer.columns) == COLUMNS and (answer["error"] == "").all()
    np.testing.assert_array_equal(answer["cluster"], found.labels)
    np.testing.assert_array_equal(answer["generator"], found.names)
    np.testing.assert_array_equal(answer["known"], found.known)
    np.testing.assert_allclose(answer["score"], found.scores)
    if clusters:
        assert answer["cluster"].nunique() == clusters


def test_alone_is_the_answer_of_the_model(served: Any, model: FingerprintModel) -> None:
    stranger = np.full((SIZE, SIZE), 90, dtype=np.uint8) + noise(3, size=SIZE) // 60
    answer = served.predict(table([*GOOD, encode(stranger)]))
    found = model.alone(model.embed(np.concatenate([PIXELS, stranger[None]])))
    np.testing.assert_array_equal(answer["generator"], found.names)
    np.testing.assert_array_equal(answer["known"], found.known)
    np.testing.assert_allclose(answer["score"], found.scores)
    assert not answer["known"].iloc[-1] and answer["cluster"].iloc[-1] == -1
    for row in answer[answer["known"]].itertuples():
        assert model.known[row.cluster] == row.generator
    assert answer["known"].any()
    explicit = served.predict(
        table([*GOOD, encode(stranger)]), params={"together": False, "clusters": 0}
    )
    pd.testing.assert_frame_equal(explicit, answer)


def test_order_and_copies_change_nothing_together(served: Any) -> None:
    params = {"together": True}
    plain = served.predict(table(GOOD), params=params)
    order = [*np.random.default_rng(0).permutation(len(GOOD)), 0, 0, 7]
    shuffled = served.predict(table([GOOD[row] for row in order]), params=params)
    for column in ("cluster", "generator", "known"):
        np.testing.assert_array_equal(shuffled[column], plain[column].to_numpy()[order])


def test_sizes_that_differ_are_told_row_by_row(served: Any) -> None:
    """Together there is one size, the commonest; alone, each image has its own."""
    other = encode(noise(1, size=96)[:, :80])
    mixed = [other, *GOOD[:6], b"broken", *GOOD[6:12], other]
    together = served.predict(table(mixed), params={"together": True})
    wrong = together["error"] != ""
    assert np.flatnonzero(wrong).tolist() == [0, 7, 14]
    for row in (0, 14):
        assert together["error"][row] == (
            "has 80x96 pixels; images attributed together have one size, and most have 64x64"
        )
    assert (together["cluster"][wrong] == -1).all() and not together["score"][wrong].any()
    assert (together["generator"][wrong] == "unknown").all() and not together["known"][wrong].any()
    plain = served.predict(table(GOOD[:12]), params={"together": True})
    for column in COLUMNS[:3]:
        np.testing.assert_array_equal(together[column][~wrong], plain[column])
    alone = served.predict(table(mixed))
    assert np.flatnonzero(alone["error"] != "").tolist() == [7]


def test_more_clusters_than_images_is_said_in_every_row(served: Any) -> None:
    answer = served.predict(
        table([GOOD[0], GOOD[0], b"broken"]), params={"together": True, "clusters": 2}
    )
    assert answer["error"][:2].str.contains("1 different images cannot be 2 clusters").all()
    assert "neither a PNG nor a JPEG" in answer["error"][2]
    assert (answer["cluster"] == -1).all()


def test_nothing_usable_is_an_answer_too(served: Any) -> None:
    for params in ({}, {"together": True}):
        answer = served.predict(table([b"broken", b""]), params=params)
        assert (answer["error"] != "").all() and (answer["cluster"] == -1).all()


@pytest.mark.parametrize("params", [{"together": "perhaps"}, {"clusters": "many"}])
def test_the_signature_knows_the_parameters(served: Any, params: dict[str, Any]) -> None:
    with pytest.raises(MlflowException, match="Can not safely convert"):
        served.predict(table(GOOD[:2]), params=params)
    (named,) = [served.metadata.get_params_schema()]
    assert {spec.name: spec.default for spec in named.params} == {"together": False, "clusters": 0}


def test_the_folder_of_the_version_is_the_model(served: Any, model: FingerprintModel) -> None:
    champion = versions.version_of(names.CHAMPION)
    assert champion is not None
    opened, version = versions.load_fingerprint_model("models:/ganamis@champion")
    assert version is not None and version.version == champion.version
    first = opened.together(opened.embed(PIXELS))
    answer = served.predict(table(GOOD), params={"together": True})
    np.testing.assert_array_equal(answer["cluster"], first.labels)
    np.testing.assert_allclose(answer["score"], first.scores, atol=1e-6)
    assert Path(versions.stored_model(champion)).name == versions.ARTIFACT
