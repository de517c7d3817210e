"""A ZIP in place of a folder: the same images, nothing unpacked to disk, no bomb opened."""

import io
import stat
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from ganamis.data import archive
from ganamis.data.folder import ImageFolder
from ganamis.data.listing import open_folder
from ganamis.data.reading import Reading
from ganamis.data.source import Skipped
from ganamis.errors import UserError
from tests.builders import encode, snapshot
from tests.data.medical import nifti_bytes

DAMAGED = "is truncated or damaged; copy the file again"
Name = str | zipfile.ZipInfo


def png(seed: int) -> bytes:
    return encode(np.random.default_rng(seed).integers(0, 256, (64, 64), dtype=np.uint8))


def pack(path: Path, members: Mapping[Name, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as target:
        for name, content in members.items():
            target.writestr(name, content)
    return path


def read(root: Path) -> tuple[ImageFolder, dict[str, np.ndarray]]:
    folder = open_folder(root, reading=Reading(axis="k"))
    images = {}
    for batch in folder.stream([*folder.taught, *folder.asked], batch=3):
        images.update(zip(batch.paths, batch.images, strict=True))
    return folder, images


@pytest.mark.parametrize("method", archive.METHODS)
def test_an_archive_gives_what_its_folder_gives(tmp_path: Path, method: int) -> None:
    volume = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    members: dict[Name, bytes] = {
        "a/b/1.png": png(1),
        "0.png": png(2),
        "a/v.nii.gz": nifti_bytes(volume),
        "a/2.tif": encode(np.zeros((64, 64), np.uint8), kind="TIFF"),
        "a/notes.txt": b"hello",
        "__MACOSX/a/._1.png": b"litter",
    }
    packed = pack(tmp_path / "images.zip", members, method=method)
    with zipfile.ZipFile(packed) as source:
        source.extractall(tmp_path / "unpacked")
    before = snapshot(tmp_path)
    folder, images = read(packed)
    plain, expected = read(tmp_path / "unpacked")
    assert list(images) == list(expected) and len(images) == 6
    np.testing.assert_array_equal(list(images.values()), list(expected.values()))
    assert folder.skipped == plain.skipped and len(folder.skipped) == 1
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("top", ["", "study/"])
def test_a_labelled_archive_teaches(tmp_path: Path, top: str) -> None:
    members: dict[Name, bytes] = {
        f"{top}development/gan{seed % 2}/{seed}.png": png(seed) for seed in range(4)
    }
    members |= {f"{top}test/t.png": png(9), "__MACOSX/x": b"litter"}
    folder, images = read(pack(tmp_path / "x.zip", members))
    assert [item.generator for item in folder.taught] == ["gan0", "gan0", "gan1", "gan1"]
    assert [item.path for item in folder.asked] == ["test/t.png"]
    assert len(images) == 5


def test_members_that_are_not_to_be_trusted_are_skipped(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    members: dict[Name, bytes] = {
        "good.png": png(1),
        "../out.png": png(2),
        "a/../../out.png": png(2),
        "/etc/out.png": png(2),
        "C:/out.png": png(2),
        link: b"/etc/passwd",
        "zeros.png": bytes(2**21),
        "Nameless.png": png(4),
    }
    path = pack(tmp_path / "x.zip", members)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as target:
        target.writestr("ballast.txt", np.random.default_rng(0).bytes(2**16))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the double name
            target.writestr("good.png", png(3))
    # Names end at a zero.
    path.write_bytes(path.read_bytes().replace(b"Nameless.png", b"\0ameless.png"))
    leads = "its name leads out of the archive"
    folder, images = read(path)
    assert list(images) == ["good.png"]
    assert folder.skipped == [
        Skipped("", "has no name; pack it again"),
        Skipped("../out.png", leads),
        Skipped("/etc/out.png", leads),
        Skipped("C:/out.png", leads),
        Skipped("a/../../out.png", leads),
        Skipped("good.png", "stands in the archive twice"),
        Skipped("link.png", "is a link; put its target into the archive"),
        Skipped("zeros.png", "unpacks to more than a hundred times its size"),
        Skipped("ballast.txt", "is no image that can be read (PNG, JPEG, TIFF, DICOM or NIfTI)"),
    ]


def _patched(path: Path, field: int, value: int) -> Path:
    """Set a 16-bit field of the first member, where it stands in the list of members."""
    content = bytearray(path.read_bytes())
    struct.pack_into("<H", content, content.index(b"PK\1\2") + field, value)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        (8, 1, "is encrypted; unpack it and name the folder"),
        (10, 97, "is packed in a way that is not read; unpack it and name the folder"),
    ],
)
def test_members_that_cannot_be_unpacked_are_skipped(
    tmp_path: Path, field: int, value: int, why: str
) -> None:
    path = pack(tmp_path / "x.zip", {"a.png": png(1), "b.png": png(2)})
    folder, images = read(_patched(path, field, value))
    assert list(images) == ["b.png"]
    assert folder.skipped == [Skipped("a.png", why)]


def test_a_damaged_member_is_skipped(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", {"a.png": png(1), "b.png": png(2)})
    content = bytearray(path.read_bytes())
    content[400] ^= 0xFF
    path.write_bytes(content)
    folder, images = read(path)
    assert list(images) == ["b.png"]
    assert folder.skipped == [Skipped("a.png", DAMAGED)]


def test_bombs_are_refused_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = pack(tmp_path / "bomb.zip", {f"{n}.png": bytes(2**22) for n in range(4)})
    with pytest.raises(UserError) as error:
        read(bomb)
    size = bomb.stat().st_size
    assert str(error.value) == (
        f"'{bomb}' holds 16777216 bytes in {size}; it may be a bomb; unpack it and name the folder"
    )
    many = pack(tmp_path / "many.zip", {f"{n}.png": b"" for n in range(30)})
    monkeypatch.setattr(archive, "MOST_MEMBERS", 29)
    with pytest.raises(UserError, match="holds 30 members; at most 29 are read; unpack it"):
        read(many)
    monkeypatch.setattr(archive, "LARGEST_DIRECTORY", 1000)
    with pytest.raises(UserError, match="holds a list of members of 1550 bytes; unpack it"):
        read(many)


def test_a_broken_archive_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", {"a.png": png(1)})
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"PK\1\2")] + content[content.index(b"PK\5\6") :])
    with pytest.raises(UserError) as error:
        read(path)
    assert str(error.value) == f"'{path}' is a damaged ZIP file; copy it again"
    path.write_bytes(content[:100])
    with pytest.raises(UserError, match="is neither a folder nor a ZIP file; name a folder of"):
        read(path)


def test_an_archive_of_zip64_is_read(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        target.writestr("a.png", png(1))
    content = stream.getvalue()
    end = content.index(b"PK\5\6")
    size, offset = struct.unpack_from("<2I", content, end + 12)
    record = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, size, offset)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    tail = content[end : end + 8] + b"\xff\xff\xff\xff" + b"\xff" * 8 + b"\0\0"
    path = tmp_path / "x.zip"
    path.write_bytes(content[:end] + record + locator + tail)
    assert list(read(path)[1]) == ["a.png"]
