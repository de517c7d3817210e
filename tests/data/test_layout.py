"""What lies in a folder of the ImageCLEF layout, in a fixed order, and its test labels."""

from pathlib import Path

import pytest
from dvc.repo import Repo

from ganamis.data.layout import list_images, read_labels
from ganamis.data.source import LEAVES
from tests.builders import build_folder, noise, write


def test_links_inside_the_folder_and_hidden_files_are_welcome(folder: Path) -> None:
    write(folder / "development" / "gan0" / ".DS_Store", "not ours")
    original = folder / "store.png"
    (folder / "development" / "gan0" / "d0.png").rename(original)
    (folder / "development" / "gan0" / "d0.png").symlink_to(original)
    images, offences = list_images(folder)
    assert offences == []
    assert len(images) == 8


def test_litter_of_operating_systems_is_ignored(folder: Path) -> None:
    for litter in ("Thumbs.db", "desktop.ini", "._d0.png", "__MACOSX/._d0.png"):
        write(folder / "development" / "gan0" / litter, "litter")
        write(folder / "test" / litter, "litter")
    write(folder / "development" / "__MACOSX" / "d0.png", "litter")
    images, offences = list_images(folder)
    assert offences == []
    assert len(images) == 8


def test_quoted_commas_are_part_of_a_name(folder: Path) -> None:
    write(folder / "test_labels.csv", 'image,model\nt00.png,"StyleGAN, v1"\n')
    assert read_labels(folder) == ({"t00.png": "StyleGAN, v1"}, [])


def test_links_into_the_cache_of_the_project_are_ours(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, stranger = tmp_path / "project", tmp_path / "stranger"
    for home in (project, stranger):
        home.mkdir()
        Repo.init(str(home), no_scm=True).close()
        cached = write(home / ".dvc/cache/files/md5/ab/cd", noise(7))
        (folder / "test" / f"{home.name}.png").symlink_to(cached)
    monkeypatch.chdir(project)
    images, offences = list_images(folder)
    assert len(images) == 9
    assert offences == [f"test/stranger.png: {LEAVES}"]
    monkeypatch.chdir(tmp_path)
    assert len(list_images(folder)[1]) == 2


def test_labels_are_read_whatever_the_spreadsheet_added(folder: Path) -> None:
    content = "\ufeffmodel,note,image\r\n gan0 ,x,t00.png\r\ngan1,,t10.png\r\n"
    write(folder / "test_labels.csv", content)
    assert read_labels(folder) == ({"t00.png": "gan0", "t10.png": "gan1"}, [])


def test_file_order_is_fixed(tmp_path: Path) -> None:
    names = [image.relative for image in list_images(build_folder(tmp_path, generators=3))[0]]
    development = [name for name in names if name.startswith("development/")]
    assert development == sorted(development)
    assert names == development + sorted(set(names) - set(development))
