"""What lies in a folder of the ImageCLEF layout, in a fixed order, and its test labels."""

from pathlib import Path

from ganamis.data.layout import list_images, read_labels
from tests.builders import build_folder, write


def test_links_inside_the_folder_and_hidden_files_are_welcome(folder: Path) -> None:
    write(folder / "development" / "gan0" / ".DS_Store", "not ours")
    original = folder / "store.png"
    (folder / "development" / "gan0" / "d0.png").rename(original)
    (folder / "development" / "gan0" / "d0.png").symlink_to(original)
    images, offences = list_images(folder)
    assert offences == []
    assert len(images) == 8


def test_labels_are_read_whatever_the_spreadsheet_added(folder: Path) -> None:
    content = "\ufeffmodel,note,image\r\n gan0 ,x,t00.png\r\ngan1,,t10.png\r\n"
    write(folder / "test_labels.csv", content)
    assert read_labels(folder) == ({"t00.png": "gan0", "t10.png": "gan1"}, [])


def test_file_order_is_fixed(tmp_path: Path) -> None:
    names = [image.relative for image in list_images(build_folder(tmp_path, generators=3))[0]]
    development = [name for name in names if name.startswith("development/")]
    assert development == sorted(development)
    assert names == development + sorted(set(names) - set(development))
