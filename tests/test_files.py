"""A result is written whole or not at all."""

from pathlib import Path

import pytest

from ganamis.errors import UserError
from ganamis.files import (
    keep_apart,
    read_json,
    require,
    resuming,
    try_output,
    try_own_folder,
    whole_file,
    whole_folder,
    whole_lines,
    write_json,
)


def contents(folder: Path) -> dict[str, str]:
    """Every file below `folder`, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_file_is_replaced_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.csv"
    for text in ("old", "new"):
        with whole_file(path) as temporary:
            temporary.write_text(text)
            assert temporary.suffix == ".csv"  # writers choose their format by it
    assert contents(tmp_path) == {"new/a.csv": "new"}


def test_file_is_left_alone_when_the_block_fails(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(RuntimeError), whole_file(tmp_path / "a.csv") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert contents(tmp_path) == {"a.csv": "old"}


def test_folder_is_swapped_when_the_block_ends(tmp_path: Path) -> None:
    for name in ("old", "new"):
        with whole_folder(tmp_path / "out") as temporary:
            (temporary / name).write_text(name)
    assert contents(tmp_path) == {"out/new": "new"}


def test_folder_is_left_alone_when_the_block_fails(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "out") as temporary:
        (temporary / "half").write_text("half")
        raise KeyboardInterrupt
    assert contents(tmp_path) == {"out/old": "old"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_json_survives_and_is_not_written_by_halves(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    content = {"ari": 0.5, "names": ["a", "ö"], "none": None}
    write_json(path, content)
    with pytest.raises(TypeError):
        write_json(path, {"ari": object()})
    assert read_json(path, stage="train") == content
    assert list(tmp_path.iterdir()) == [path]


def test_missing_result_names_the_stage_that_makes_it(tmp_path: Path) -> None:
    message = f"'{tmp_path / 'x'}' is missing; run `ganamis ingest` (or `dvc repro`) first"
    for read in (require, read_json):
        with pytest.raises(UserError) as refused:
            read(tmp_path / "x", stage="ingest")
        assert str(refused.value) == message
    assert require(tmp_path, stage="ingest") == tmp_path


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (b"", b""),
        (b"a,b\n1,2\n", b"a,b\n1,2\n"),
        (b"a,b\n1,2\n3", b"a,b\n1,2\n"),
        (b"a,", b""),
    ],
    ids=["empty", "whole", "half a line", "half the first line"],
)
def test_half_a_line_is_cut_off(tmp_path: Path, content: bytes, kept: bytes) -> None:
    path = tmp_path / "log"
    assert not whole_lines(path).exists()
    path.write_bytes(content)
    assert whole_lines(path).read_bytes() == kept


@pytest.mark.parametrize(
    ("name", "folder", "matching"),
    [
        pytest.param("there", False, "is a folder; name a file in it", id="a folder for a file"),
        pytest.param("file", True, "is a file; name a folder", id="a file for a folder"),
        pytest.param("file/x.csv", False, "is a file, not a folder", id="below a file"),
        pytest.param("file/x/y", True, "is a file, not a folder", id="far below a file"),
    ],
)
def test_an_output_that_cannot_be_is_told_before_the_work(
    tmp_path: Path, name: str, folder: bool, matching: str
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match=matching):
        try_output(tmp_path / name, folder=folder)


def test_trying_an_output_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("old")
    try_output(tmp_path / "old.csv", folder=False)
    try_output(tmp_path / "new" / "deep" / "out.csv", folder=False)
    try_output(tmp_path / "new" / "folder", folder=True)
    assert contents(tmp_path) == {"old.csv": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["old.csv"]


def test_no_output_replaces_what_is_read_or_another(tmp_path: Path) -> None:
    images, table = tmp_path / "images.zip", tmp_path / "out.csv"
    (tmp_path / "link.csv").symlink_to(table)
    keep_apart([table, None, tmp_path / "page.html", None], source=images)
    for outputs in ([images], [table, tmp_path / "." / "out.csv"], [table, tmp_path / "link.csv"]):
        with pytest.raises(UserError, match="is named twice, and would be overwritten"):
            keep_apart(outputs, source=images)


def test_a_folder_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    try_own_folder(folder, mark="model.json")
    folder.mkdir()
    try_own_folder(folder, mark="model.json")  # empty
    (folder / "a.png").write_text("a")
    with pytest.raises(UserError, match="holds other files, which would be lost; name a new"):
        try_own_folder(folder, mark="model.json")
    (folder / "model.json").write_text("{}")
    try_own_folder(folder, mark="model.json")


def test_an_output_that_must_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**where: object) -> None:  # the tests may run as root, who writes anywhere
        raise PermissionError(13, "Permission denied", str(where["dir"]))

    monkeypatch.setattr("ganamis.files.tempfile.TemporaryFile", refuse)
    with pytest.raises(UserError, match="Permission denied.*name another place"):
        try_output(tmp_path / "x.csv", folder=False)


def test_damaged_state_names_its_file_and_the_way_on(tmp_path: Path) -> None:
    for error in (ValueError("bad line"), KeyError("x"), OSError("short"), EOFError()):
        with pytest.raises(UserError, match="journal.*is damaged.*remove it, and the search"):
            with resuming(tmp_path / "journal", what="the search"):
                raise error
    with pytest.raises(ZeroDivisionError), resuming(tmp_path / "journal", what="the search"):
        1 // 0  # noqa: B018
