"""What crosses a stage is joined by id, checked when built, and read back as it was."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganamis.contracts import Embeddings, Fold, Manifest, Scorecard
from ganamis.errors import UserError

IDS = np.array(["c", "a", "d", "b"])
FEATURES = np.arange(8, dtype=np.float32).reshape(4, 2)
EMBEDDINGS = Embeddings(ids=IDS, features=FEATURES)
ROWS = pd.DataFrame(
    [
        ("b", "development/x/2.png", 32, 32, "L", "development", "x"),
        ("a", "development/y/1.png", 32, 32, "P", "development", "y"),
        ("a", "development/y/0.png", 32, 32, "L", "development", "y"),
        ("c", "test/0.png", 32, 32, "L", "test", None),
    ],
    columns=["id", "path", "width", "height", "mode", "split", "generator"],
)


def fold(*, reference: list[bool], query: list[bool]) -> Fold:
    return Fold(
        held_out="x",
        embeddings=EMBEDDINGS,
        generators=np.array(["x", "y", "y", "x"]),
        reference=np.array(reference),
        query=np.array(query),
    )


MISUSE: dict[str, tuple[Callable[[], object], str]] = {
    "manifest without a column": (
        lambda: Manifest(ROWS.drop(columns=["mode", "id"])),
        r"missing columns \['id', 'mode'\]",
    ),
    "manifest with a path twice": (
        lambda: Manifest(pd.concat([ROWS, ROWS[:1]])),
        "a path occurs twice",
    ),
    "manifest with a test label": (
        lambda: Manifest(ROWS.assign(generator="x")),
        "a test row names a generator",
    ),
    "more ids than features": (
        lambda: Embeddings(ids=IDS, features=FEATURES[:3]),
        r"4 ids for features of shape \(3, 2\)",
    ),
    "features of one axis": (
        lambda: Embeddings(ids=IDS, features=FEATURES[:, 0]),
        r"shape \(4,\); expected \[N\] and \[N, D\]",
    ),
    "an id twice": (
        lambda: Embeddings(ids=np.array(["a", "b", "a", "c"]), features=FEATURES),
        "an image id occurs twice",
    ),
    "not a number": (
        lambda: Embeddings(ids=IDS, features=np.where(FEATURES == 3, np.nan, FEATURES)),
        r"not finite for image ids \['a'\]",
    ),
    "infinite": (
        lambda: Embeddings(ids=IDS, features=np.where(FEATURES > 5, np.inf, FEATURES)),
        r"not finite for image ids \['b'\]",
    ),
    "fitted on and clustered": (
        lambda: fold(reference=[False, True, True, False], query=[True, True, False, True]),
        "both fitted on and clustered",
    ),
    "held out, yet fitted on": (
        lambda: fold(reference=[True, True, False, False], query=[False, False, True, True]),
        "'x' is held out, yet it was fitted on",
    ),
}


@pytest.mark.parametrize(("build", "message"), MISUSE.values(), ids=MISUSE.keys())
def test_misuse_is_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


@given(st.lists(st.sampled_from(IDS.tolist()), max_size=9))
def test_features_are_joined_by_id(ids: list[str]) -> None:
    expected = [FEATURES[IDS.tolist().index(name)].tolist() for name in ids]
    assert EMBEDDINGS.select(np.array(ids, dtype=str)).tolist() == expected


def test_every_id_without_an_embedding_is_named() -> None:
    with pytest.raises(KeyError, match=r"\['z', 'y'\]; run `ganamis train` again"):
        EMBEDDINGS.select(np.array(["a", "z", "y", "b"]))


def test_embeddings_survive_saving(tmp_path: Path) -> None:
    ids = np.array([f"{i:064x}" for i in range(4)], dtype=object)
    Embeddings(ids=ids, features=FEATURES).save(tmp_path / "e.npz")
    loaded = Embeddings.load(tmp_path / "e.npz")
    assert loaded.ids.tolist() == ids.tolist()
    assert loaded.features.dtype == np.float32
    np.testing.assert_array_equal(loaded.features, FEATURES)
    assert [path.name for path in tmp_path.iterdir()] == ["e.npz"]


def test_split_is_ordered_by_id_and_path_whatever_the_order_of_rows() -> None:
    for seed in range(5):
        shuffled = Manifest(ROWS.sample(frac=1, random_state=seed))
        assert shuffled.split("development")["path"].tolist() == [
            "development/y/0.png",
            "development/y/1.png",
            "development/x/2.png",
        ]


def test_a_score_needs_two_images() -> None:
    numbers = (0.5, 0.25, 0.75, 0.01, 0.5, 0.5, 0.5)
    with pytest.raises(UserError, match="at least two labelled images, got 1"):
        Scorecard(1, *numbers, clusters=3, generators=2, unassigned=0.0)
