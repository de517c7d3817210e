"""`import`: a folder becomes data/imported under DVC, or nothing changes at all."""

from pathlib import Path

import pytest
from git import Repo as GitRepo

from ganamis.data.lineage import data_digest
from ganamis.errors import UserError
from ganamis.params import Params, load_params
from ganamis.stages.data import import_folder
from tests.builders import SIZE, build_folder, noise, snapshot, write

# DVC's own use of pygtrie; nothing of ours calls it.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value will soon:DeprecationWarning")

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project under git and DVC, as working folder."""
    from dvc.repo import Repo as DvcRepo

    root = tmp_path / "project"
    root.mkdir()
    GitRepo.init(root).close()
    DvcRepo.init(str(root)).close()
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def params() -> Params:
    content = load_params(PARAMS).model_dump()
    content["data"] = {"root": "data/imported", "size": SIZE, "near_duplicate": 0.0}
    return Params.model_validate(content)


def test_import_copies_tracks_and_never_leaves_half(
    project: Path, folder: Path, params: Params, tmp_path: Path
) -> None:
    write(folder / "notes.txt", "not part of the data")
    original = snapshot(folder)
    import_folder(folder, params)
    imported = Path("data/imported")
    expected = {name: content for name, (content, _) in original.items() if name != "notes.txt"}
    first = snapshot(imported)
    assert {name: content for name, (content, _) in first.items()} == expected
    assert snapshot(folder) == original
    digest = data_digest(imported)
    assert digest.endswith(".dir")

    bad = build_folder(tmp_path / "bad")
    write(bad / "test" / "t00.png", b"")
    with pytest.raises(UserError, match="t00.png: is empty"):
        import_folder(bad, params)
    assert snapshot(imported) == first
    assert data_digest(imported) == digest
    assert [path.name for path in Path("data").iterdir() if path.is_dir()] == ["imported"]

    for inside in (imported, project / "data" / "imported" / "development"):
        with pytest.raises(UserError, match="is the imported data itself; name the original"):
            import_folder(inside, params)

    write(imported / "test" / "t00.png", noise(77))
    with pytest.raises(UserError, match="differs from what DVC recorded; run `dvc add"):
        data_digest(imported)
    import_folder(folder, params)
    assert data_digest(imported) == digest


def test_import_of_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, params: Params
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="'gone' is not a folder; name the folder that holds"):
        import_folder(Path("gone"), params)
    assert list(tmp_path.iterdir()) == []
