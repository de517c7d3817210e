"""`import`: a folder becomes data/imported under DVC, or nothing changes at all."""

from pathlib import Path

import pytest
from git import Repo as GitRepo

from ganamis.contracts import Manifest
from ganamis.data.lineage import data_digest
from ganamis.errors import UserError
from ganamis.params import Params, load_params
from ganamis.stages.data import import_folder, ingest
from ganamis.stages.paths import INGEST
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


def test_links_that_dvc_made_are_our_own_data(project: Path, folder: Path, params: Params) -> None:
    import_folder(folder, params)
    before = snapshot(Path("data/imported"))
    with (project / ".dvc" / "config").open("a") as config:
        config.write("[cache]\n    type = symlink\n")
    from dvc.repo import Repo as DvcRepo

    with DvcRepo() as repository:
        repository.checkout(relink=True, force=True)
    image = Path("data/imported/test/t00.png")
    assert image.is_symlink() and not image.resolve().is_relative_to(Path("data").resolve())
    ingest(params)
    assert len(Manifest.load(INGEST / "manifest.csv").rows) == 8
    assert snapshot(Path("data/imported")).keys() == before.keys()


def test_what_dvc_lacks_is_told_apart_and_nothing_is_replaced(
    project: Path, folder: Path, params: Params
) -> None:
    import_folder(folder, params)
    before = snapshot(Path("data/imported"))
    write(Path("data/other/x.png"), noise(1))
    assert _digest_refusal("data/other") == (
        "'data/other' is not under DVC; run `ganamis import <folder>`, or `dvc add data/other` "
        "if the data are already there"
    )
    (project / ".git").rename(project / "git")
    no_git = (
        "the project is no git repository (an unpacked archive is none); run `git init`, or "
        "`dvc config --local core.no_scm true`"
    )
    assert _digest_refusal("data/imported") == no_git
    with pytest.raises(UserError) as refused:
        import_folder(folder, params)
    assert str(refused.value) == no_git
    (project / ".dvc").rename(project / "dvc")
    assert _digest_refusal("data/imported") == (
        "this folder has no .dvc; go to the project's folder, or run `git init` and `dvc init`"
    )
    assert snapshot(Path("data/imported")) == before


def _digest_refusal(root: str) -> str:
    with pytest.raises(UserError) as refused:
        data_digest(Path(root))
    return str(refused.value)
