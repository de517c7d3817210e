"""Every folder that is refused, with the words it is refused in, all of them at once."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ganamis.data.manifest import check_folder
from ganamis.errors import UserError
from tests.builders import SIZE, encode, noise, snapshot, write


def refusal(root: Path) -> list[str]:
    """The offences for which `root` is refused, and proof that it was left as it was."""
    before = snapshot(root)
    with pytest.raises(UserError) as refused:
        check_folder(root, size=SIZE, near_duplicate=0.0)
    assert snapshot(root) == before
    first, *offences = str(refused.value).splitlines()
    assert first == f"'{root}' was refused, nothing was changed; {len(offences)} problems:"
    return [offence.strip() for offence in offences]


def link_out(root: Path, name: str, *, folder: bool = False) -> None:
    outside = write(root.parent / "outside" / "x.png", noise(7))
    (root / name).symlink_to(outside.parent if folder else outside)


def copy(root: Path, source: str, target: str) -> None:
    write(root / target, (root / source).read_bytes())


def labels(root: Path, old: str, new: str) -> None:
    path = root / "test_labels.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def one_generator(root: Path) -> None:
    for path in (root / "development" / "gan1").iterdir():
        path.unlink()
    (root / "development" / "gan1").rmdir()


def empty_generator(root: Path) -> None:
    for path in (root / "development" / "gan1").iterdir():
        path.unlink()


def same_image_under_two_labels(root: Path) -> None:
    (root / "test" / "t10.png").write_bytes((root / "test" / "t00.png").read_bytes())


LINK = "is a link that leaves the folder; copy its target here"
OTHER_KIND = "is not a .png file; convert it without loss or remove it"

BAD: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "link to a file outside": (
        lambda root: link_out(root, "test/x.png"),
        [f"test/x.png: {LINK}"],
    ),
    "link to a folder outside": (
        lambda root: link_out(root, "development/gan2", folder=True),
        [
            f"development/gan2/x.png: {LINK}",
            "development/gan2: holds no usable image; add some or remove it",
        ],
    ),
    "dangling link": (
        lambda root: (root / "development/gan0/x.png").symlink_to("gone.png"),
        ["development/gan0/x.png: is not a regular file; remove it"],
    ),
    "folder in a generator": (
        lambda root: copy(root, "test/t00.png", "development/gan0/more/a.png"),
        ["development/gan0/more: is a folder; images lie directly in 'gan0'"],
    ),
    "folder in test": (
        lambda root: copy(root, "test/t00.png", "test/more.png/a.png"),
        ["test/more.png: is a folder; images lie directly in 'test'"],
    ),
    "stray file in development": (
        lambda root: write(root / "development" / "stray.png", noise(9)),
        ["development/stray.png: lies outside a generator's folder; move it"],
    ),
    "other extension": (
        lambda root: write(root / "test" / "x.jpg", encode(noise(9), kind="JPEG")),
        [f"test/x.jpg: {OTHER_KIND}"],
    ),
    "note beside the images": (
        lambda root: write(root / "development" / "gan0" / "notes.txt", "hello"),
        [f"development/gan0/notes.txt: {OTHER_KIND}"],
    ),
    "one generator": (
        one_generator,
        [
            "development: has 1 generator folders, needs at least 2; "
            "add labelled images of another generator"
        ],
    ),
    "empty generator": (
        empty_generator,
        ["development/gan1: holds no usable image; add some or remove it"],
    ),
    "same image in two generators": (
        lambda root: copy(root, "development/gan0/d0.png", "development/gan1/copy.png"),
        [
            "development/gan0/d0.png, development/gan1/copy.png: "
            "the same image under two generators; keep the right one"
        ],
    ),
    "same image in development and test": (
        lambda root: copy(root, "development/gan0/d0.png", "test/t00.png"),
        [
            "development/gan0/d0.png, test/t00.png: "
            "the same image in development and test; remove one"
        ],
    ),
    "same test image under two labels": (
        same_image_under_two_labels,
        ["test/t00.png, test/t10.png: the same image under two generators; keep the right one"],
    ),
    "label without image": (
        lambda root: (root / "test" / "t01.png").unlink(),
        ["test_labels.csv: image 't01.png' is not in test/; remove the row or add the image"],
    ),
    "image without label": (
        lambda root: write(root / "test" / "new.png", noise(9)),
        ["test/new.png: has no row in test_labels.csv; add it, or remove the labels file"],
    ),
    "label listed twice": (
        lambda root: labels(root, "t01.png,gan0", "t01.png,gan0\nt01.png,gan0"),
        ["test_labels.csv: image 't01.png' is listed twice; keep one row"],
    ),
    "label without a model": (
        lambda root: labels(root, "t01.png,gan0", "t01.png, "),
        ["test_labels.csv: image 't01.png' has no model; fill it in"],
    ),
    "label of one column": (
        lambda root: labels(root, "t01.png,gan0", "t01.png"),
        ["test_labels.csv: image 't01.png' has no model; fill it in"],
    ),
    "other columns": (
        lambda root: labels(root, "image,model", "file,generator"),
        ["test_labels.csv: expected columns image,model, got 'file,generator'"],
    ),
    "empty labels file": (
        lambda root: write(root / "test_labels.csv", ""),
        ["test_labels.csv: expected columns image,model, got ''"],
    ),
    "labels with unquoted commas": (
        lambda root: labels(root, "t01.png,gan0", "t01.png,StyleGAN, v1"),
        [
            "test_labels.csv: image 't01.png' has 3 fields for 2 columns; "
            "put names that hold commas in quotes"
        ],
    ),
    "labels without .png": (
        lambda root: labels(root, "t01.png,", "T01,"),
        ["test_labels.csv: image 'T01' is not in test/; write 't01.png'"],
    ),
    "labels whose letters are composed differently": (
        lambda root: (
            (root / "test" / "t01.png").rename(root / "test" / "\u00e9.png"),
            labels(root, "t01.png,", "e\u0301.png,"),
        ),
        [r"test_labels.csv: image 'e\u0301.png' is not in test/; write '\xe9.png'"],
    ),
    "labels of another name": (
        lambda root: (root / "test_labels.csv").rename(root / "Test_Labels.csv"),
        ["Test_Labels.csv: is not read; call it test_labels.csv"],
    ),
    "names that are not UTF-8": (
        lambda root: [
            (root / "development" / os.fsdecode(b"gan\xe9")).mkdir(),
            write(root / "test" / os.fsdecode(b"caf\xe9.png"), noise(7)),
        ],
        [
            r"development/gan\xe9: its name is not UTF-8; rename it",
            r"test/caf\xe9.png: its name is not UTF-8; rename it",
        ],
    ),
    "escape sequences in a name": (
        lambda root: write(root / "test" / "\x1b[2Jx.txt", b""),
        [rf"test/\x1b[2Jx.txt: {OTHER_KIND}"],
    ),
    "labels outside": (
        lambda root: ((root / "test_labels.csv").unlink(), link_out(root, "test_labels.csv")),
        [f"test_labels.csv: {LINK}"],
    ),
}


@pytest.mark.parametrize(("spoil", "expected"), BAD.values(), ids=BAD.keys())
def test_bad_folder_is_refused_with_rule_value_and_remedy(
    folder: Path, spoil: Callable[[Path], object], expected: list[str]
) -> None:
    spoil(folder)
    assert sorted(refusal(folder)) == sorted(expected)


def test_labels_that_are_not_utf8_are_refused(folder: Path) -> None:
    write(folder / "test_labels.csv", "image,model\nt00.png,\u00e4\n".encode("latin-1"))
    (offence,) = refusal(folder)
    assert offence.startswith("test_labels.csv: cannot be read as UTF-8 CSV (")
    assert offence.endswith("); export it again")


@pytest.mark.parametrize("part", ["development", "test"])
def test_missing_part_is_refused(folder: Path, part: str) -> None:
    (folder / part).rename(folder / "elsewhere")
    with pytest.raises(UserError) as refused:
        check_folder(folder, size=SIZE, near_duplicate=0.0)
    assert str(refused.value) == (
        f"'{folder}' has no folder '{part}'; expected development/<generator>/*.png and test/*.png"
    )


def test_every_offender_is_listed_at_once(folder: Path) -> None:
    write(folder / "development" / "gan0" / "empty.png", b"")
    write(folder / "development" / "gan0" / "cut.png", encode(noise(5))[:300])
    write(folder / "development" / "gan1" / "large.png", noise(5, size=40))
    write(folder / "test" / "fake.png", encode(noise(5), kind="JPEG"))
    write(folder / "test" / "stray.txt", "?")
    copy(folder, "development/gan0/d0.png", "test/t00.png")
    labels(folder, "t10.png,gan1", "gone.png,gan1")
    subjects = sorted(offence.split(":")[0] for offence in refusal(folder))
    assert subjects == sorted(
        [
            "development/gan0/empty.png",
            "development/gan0/cut.png",
            "development/gan1/large.png",
            "test/fake.png",  # not a PNG
            "test/fake.png",  # has no label
            "test/stray.txt",
            "development/gan0/d0.png, test/t00.png",
            "test/t10.png",
            "test_labels.csv",
        ]
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_unreadable_file_is_refused(folder: Path) -> None:
    (folder / "test" / "t00.png").chmod(0)
    with pytest.raises(UserError, match="test/t00.png: cannot be read .Permission denied.; check"):
        check_folder(folder, size=SIZE, near_duplicate=0.0)
