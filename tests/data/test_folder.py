"""A plain folder: what is read from it, in which order, and what is refused in which words."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ganamis.data.folder import Batch, ImageFolder
from ganamis.data.images import pixel_digest
from ganamis.data.listing import open_folder
from ganamis.data.reading import Reading, parse_size
from ganamis.data.source import Skipped
from ganamis.errors import UserError
from tests.builders import encode, noise, raw_png, snapshot, write

SIDE = 64
NO_IMAGE = "is no image that can be read (PNG, JPEG, TIFF, DICOM or NIfTI)"
DAMAGED = "is truncated or damaged; copy the file again"


def pixels(seed: int, *, width: int = SIDE, height: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def deep_colours() -> bytes:
    return raw_png(SIDE, SIDE, depth=16, colour=2, scanlines=bytes(SIDE * (1 + SIDE * 6)))


def plain(root: Path) -> Path:
    write(root / "b.png", pixels(1))
    write(root / "a" / "deep" / "down" / "x.PNG", pixels(2))
    write(root / "a" / "x.png", pixels(3))
    write(root / "c.jpeg", encode(pixels(4), kind="JPEG", quality=100))
    return root


def labelled(root: Path) -> Path:
    for g in range(2):
        for i in range(2):
            write(root / "development" / f"gan{g}" / f"{i}.png", pixels(10 * g + i))
    write(root / "test" / "t.png", pixels(100))
    write(root / "test_labels.csv", "image,model\nt.png,gan0\n")
    return root


def read(folder: ImageFolder, *, batch: int = 3) -> list[Batch]:
    return [*folder.stream(folder.taught, batch=batch), *folder.stream(folder.asked, batch=batch)]


def refused(root: Path, *, size: tuple[int, int] | None = None) -> str:
    with pytest.raises(UserError) as error:
        read(open_folder(root, reading=Reading(size=size)))
    return str(error.value)


def test_images_at_any_depth_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    plain(tmp_path)
    before = snapshot(tmp_path)
    folder = open_folder(tmp_path, reading=Reading())
    batches = read(folder)
    assert [batch.paths for batch in batches] == [
        ("a/deep/down/x.PNG", "a/x.png", "b.png"),
        ("c.jpeg",),
    ]
    np.testing.assert_array_equal(batches[0].images, [pixels(2), pixels(3), pixels(1)])
    assert batches[0].ids.tolist() == [pixel_digest(pixels(seed)) for seed in (2, 3, 1)]
    assert np.abs(batches[1].images[0].astype(int) - pixels(4)).max() <= 3
    assert (folder.size, folder.skipped, folder.notes()) == ((64, 64), [], [])
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("batch", [1, 2, 4, 100])
def test_batches_of_any_size_hold_the_same_images(tmp_path: Path, batch: int) -> None:
    folder = open_folder(plain(tmp_path), reading=Reading())
    batches = read(folder, batch=batch)
    assert [len(b.images) for b in batches[:-1]] == [batch] * (len(batches) - 1)
    assert [path for b in batches for path in b.paths] == [item.path for item in folder.asked]


@pytest.mark.parametrize(("width", "height"), [(64, 1024), (1024, 64), (200, 65)])
def test_any_one_size_is_read(tmp_path: Path, width: int, height: int) -> None:
    write(tmp_path / "x.png", pixels(0, width=width, height=height))
    folder = open_folder(tmp_path, reading=Reading())
    assert folder.size == (width, height)
    assert read(folder)[0].images.shape == (1, height, width)


def test_duplicates_are_read_and_share_an_id(tmp_path: Path) -> None:
    write(tmp_path / "a.png", pixels(1))
    write(tmp_path / "b.png", encode(pixels(1), compress_level=0))
    (batch,) = read(open_folder(tmp_path, reading=Reading()))
    assert batch.paths == ("a.png", "b.png")
    assert batch.ids[0] == batch.ids[1]


def test_litter_is_ignored_and_what_is_no_image_is_skipped_with_the_reason(tmp_path: Path) -> None:
    plain(tmp_path)
    for litter in (".DS_Store", "Thumbs.db", "a/desktop.ini", "._b.png", "__MACOSX/b.png"):
        write(tmp_path / litter, "litter")
    write(tmp_path / "notes.txt", "hello")
    write(tmp_path / "empty.png", b"")
    write(tmp_path / "cut.png", encode(pixels(9))[:300])
    write(tmp_path / "header.png", encode(pixels(9))[:20])
    write(tmp_path / "icon.png", noise(0))
    write(tmp_path / "deep.png", deep_colours())
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")
    folder = open_folder(tmp_path, reading=Reading())
    assert sum(len(batch.images) for batch in read(folder)) == 4
    assert sorted((s.path, s.reason) for s in folder.skipped) == [
        ("cut.png", DAMAGED),
        ("deep.png", "has 16 bits for each colour; export it as 16-bit gray"),
        ("empty.png", "is empty; copy the file again"),
        ("gone.png", "is not a regular file; remove it"),
        ("header.png", DAMAGED),
        ("icon.png", "has 32x32 pixels; sides of 64 to 1024 are read"),
        ("notes.txt", NO_IMAGE),
        ("pipe.png", "is not a regular file; remove it"),
    ]
    write(tmp_path / "ninth.txt", "no image")
    (note,) = folder.notes()
    assert note.startswith("8 files were skipped: 'gone.png' is not a regular file; remove it; '")
    assert all(f"'{entry.path}' {entry.reason}" in note for entry in folder.skipped)
    another = open_folder(tmp_path, reading=Reading())
    list(read(another))
    assert another.notes()[0].endswith("; and 1 more, listed on the page of --report")


def test_links_may_stay_in_the_folder_and_may_not_leave_it(tmp_path: Path) -> None:
    root = tmp_path / "images"
    write(root / "a.png", pixels(1))
    write(tmp_path / "outside" / "private.png", pixels(2))
    (root / "b.png").symlink_to(root / "a.png")
    (root / "c.png").symlink_to(tmp_path / "outside" / "private.png")
    (root / "d").symlink_to(tmp_path / "outside")
    (root / "e").symlink_to(root)
    folder = open_folder(root, reading=Reading())
    assert [item.path for item in folder.asked] == ["a.png", "b.png"]
    assert folder.skipped == [
        Skipped("c.png", "is a link that leaves the folder; copy its target here"),
        Skipped("d", "is a link to a folder; copy it here"),
        Skipped("e", "is a link to a folder; copy it here"),
    ]


def test_coloured_images_are_read_as_luma_and_that_is_said(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    write(tmp_path / "colour.png", encode(colours))
    write(tmp_path / "gray.png", encode(np.repeat(pixels(1)[..., None], 3, axis=2)))
    folder = open_folder(tmp_path, reading=Reading())
    (batch,) = read(folder)
    luma = colours @ np.array([0.299, 0.587, 0.114])
    assert np.abs(batch.images[0] - luma).max() <= 0.51
    np.testing.assert_array_equal(batch.images[1], pixels(1))
    assert folder.notes() == [
        "1 images hold colours; their luma (ITU-R BT.601) was taken, first of 'colour.png'"
    ]


def test_mixed_sizes_are_refused_with_their_counts_and_one_can_be_chosen(tmp_path: Path) -> None:
    plain(tmp_path)
    write(tmp_path / "wide.png", pixels(5, width=80))
    assert refused(tmp_path) == (
        f"'{tmp_path}' holds images of different sizes: 4 of 64x64, 1 of 80x64; choose one by "
        "--size 64x64, and do not resize: resizing destroys the fingerprint"
    )
    folder = open_folder(tmp_path, reading=Reading(size=(80, 64)))
    assert [item.path for item in folder.asked] == ["wide.png"]
    assert folder.skipped[-1] == Skipped("c.jpeg", "has 64x64 pixels; 80x64 was chosen")
    assert refused(tmp_path, size=(64, 80)) == (
        "no image has the size 64x80 of --size; there are 4 of 64x64, 1 of 80x64"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("256", "--size is '256'; expected WIDTHxHEIGHT in pixels, such as 256x256"),
        ("32x64", "--size is '32x64'; sides of 64 to 1024 pixels are read"),
    ],
)
def test_a_bad_size_is_refused(text: str, message: str) -> None:
    assert parse_size("256x192") == (256, 192)
    with pytest.raises(UserError) as error:
        parse_size(text)
    assert str(error.value) == message


def test_labelled_images_teach_and_the_test_folder_is_asked_for(tmp_path: Path) -> None:
    folder = open_folder(labelled(tmp_path), reading=Reading())
    write(tmp_path / "more.png", pixels(101))
    assert folder.labelled
    assert [item.generator for item in folder.taught] == ["gan0", "gan0", "gan1", "gan1"]
    assert [item.path for item in folder.asked] == ["test/t.png"]
    assert read(folder)[0].generators == ("gan0", "gan0", "gan1")
    folder = open_folder(tmp_path, reading=Reading())
    assert folder.skipped == [Skipped("more.png", "lies outside of development/ and test/")]


def test_without_a_test_folder_every_other_image_is_asked_for(tmp_path: Path) -> None:
    labelled(tmp_path)
    (tmp_path / "test").rename(tmp_path / "mine")
    folder = open_folder(tmp_path, reading=Reading())
    assert [item.path for item in folder.asked] == ["mine/t.png"]
    assert folder.skipped == []


LABELLED: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "note among the images": (
        lambda root: write(root / "development" / "gan0" / "notes.txt", "hello"),
        [f"development/gan0/notes.txt: {NO_IMAGE}"],
    ),
    "stray image": (
        lambda root: write(root / "development" / "stray.png", pixels(7)),
        ["development/stray.png: lies outside a generator's folder; move it"],
    ),
    "damaged images": (
        lambda root: [
            write(root / path, encode(pixels(7))[:400])
            for path in ("development/gan0/9.png", "development/gan1/9.png")
        ],
        [f"development/gan0/9.png: {DAMAGED}", f"development/gan1/9.png: {DAMAGED}"],
    ),
    "one image under two generators": (
        lambda root: write(root / "development" / "gan1" / "9.png", pixels(0)),
        [
            "development/gan0/0.png, development/gan1/9.png: the same image under two "
            "generators; keep the right one"
        ],
    ),
    "one image in both parts": (
        lambda root: write(root / "test" / "again.png", pixels(10)),
        [
            "development/gan1/0.png, test/again.png: the same image in development and among "
            "those asked for; remove one"
        ],
    ),
}


@pytest.mark.parametrize(("spoil", "expected"), LABELLED.values(), ids=LABELLED.keys())
def test_a_labelled_folder_is_refused_with_every_offender(
    tmp_path: Path, spoil: Callable[[Path], object], expected: list[str]
) -> None:
    spoil(labelled(tmp_path))
    first, *offences = refused(tmp_path).splitlines()
    assert [offence.strip() for offence in offences] == expected
    assert first == f"'{tmp_path}' was refused, nothing was changed; {len(expected)} problems:"


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "notes.txt", "hello")
    assert refused(tmp_path) == (
        f"'{tmp_path}' holds no image that can be read\n  notes.txt: {NO_IMAGE}"
    )
    assert refused(tmp_path / "notes.txt") == (
        f"'{tmp_path / 'notes.txt'}' is neither a folder nor a ZIP file; name a folder of images"
    )


def test_names_that_are_not_utf8_or_hold_control_characters_are_escaped(tmp_path: Path) -> None:
    write(tmp_path / os.fsdecode(b"caf\xe9.png"), pixels(1))
    write(tmp_path / "two\nlines\x1b[2J.png", pixels(2))
    write(tmp_path / "gr\u00fcn.png", pixels(3))
    folder = open_folder(tmp_path, reading=Reading())
    (batch,) = read(folder)
    assert batch.paths == ("caf\\xe9.png", "gr\u00fcn.png", "two\\x0alines\\x1b[2J.png")
    assert batch.ids[0] == pixel_digest(pixels(1))
    write(tmp_path / "caf\\xe9.png", pixels(4))
    assert refused(tmp_path) == (
        "different files whose names are written alike: 'caf\\xe9.png'; rename them"
    )


def test_a_file_that_changes_while_it_is_read_is_skipped(tmp_path: Path) -> None:
    folder = open_folder(plain(tmp_path), reading=Reading())
    write(tmp_path / "b.png", pixels(1, width=65))
    (tmp_path / "c.jpeg").unlink()
    assert [path for batch in read(folder) for path in batch.paths] == [
        "a/deep/down/x.PNG",
        "a/x.png",
    ]
    assert folder.skipped == [
        Skipped("b.png", "has changed while it was read"),
        Skipped("c.jpeg", "cannot be read (No such file or directory); check the file's rights"),
    ]


def test_leaving_early_leaves_no_thread_behind(tmp_path: Path) -> None:
    threads = threading.active_count()
    folder = open_folder(plain(tmp_path), reading=Reading())
    stream = folder.stream(folder.asked, batch=1)
    next(stream)
    stream.close()
    assert threading.active_count() == threads
