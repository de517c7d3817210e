"""Files as hospitals keep them give the pixels of the PNG that holds the same gray levels."""

import io
import logging
import traceback
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    RLELossless,
)

from ganamis.data.folder import ImageFolder
from ganamis.data.images import pixel_digest
from ganamis.data.listing import open_folder
from ganamis.data.reading import Reading
from ganamis.data.window import NAMED, Window, parse_window
from ganamis.errors import UserError
from tests.builders import encode, write
from tests.data.medical import IDENTIFIER, SECRET, dicom_bytes, hounsfield, nifti_bytes

LUNG = parse_window("lung")
WHOLE = parse_window("32767.5,65535")  # of 16 bits: v * 257 becomes v
GRAY = np.random.default_rng(5).integers(0, 256, (64, 64), dtype=np.uint8)
DEEP = GRAY.astype(np.uint16) * 257
HU = hounsfield(1)[0]
CT = {"RescaleSlope": 1, "RescaleIntercept": -1024}
RAS = np.diag([1.0, 1.0, 1.0, 1.0])


def by_hand(values: np.ndarray, window: Window = LUNG) -> np.ndarray:
    """The window as a loop over values, in fractions."""
    out = np.zeros(values.shape, np.uint8)
    for place, value in np.ndenumerate(values):
        share = (Fraction(float(value)) - Fraction(window.level)) / Fraction(window.width)
        out[place] = round(255 * min(Fraction(1), max(Fraction(0), share + Fraction(1, 2))))
    return out


def tiff(array: np.ndarray, **options: object) -> bytes:
    return encode(array, kind="TIFF", **options)


def stored(values: np.ndarray) -> np.ndarray:
    """Hounsfield units as a scanner stores them: unsigned, 1024 above."""
    return (values.astype(np.int32) + 1024).astype(np.uint16)


def recoded(syntax: UID) -> bytes:
    """The same image in another native transfer syntax."""
    image = pydicom.dcmread(io.BytesIO(dicom_bytes(stored(HU), **CT)))
    if syntax == ExplicitVRBigEndian:
        image.PixelData = stored(HU).byteswap().tobytes()
    image.file_meta.TransferSyntaxUID = syntax
    stream = io.BytesIO()
    implicit, little = syntax.is_implicit_VR, syntax.is_little_endian
    pydicom.dcmwrite(stream, image, implicit_vr=implicit, little_endian=little)
    return stream.getvalue()


def read(root: Path, content: bytes, **said: object) -> tuple[ImageFolder, list[np.ndarray]]:
    write(root / "x", content)
    folder = open_folder(root, reading=Reading(**said))
    return folder, [
        image for batch in folder.stream(folder.asked, batch=5) for image in batch.images
    ]


def refusal(root: Path, content: bytes, **said: object) -> str:
    """Why the only file of a folder is not read."""
    try:
        folder, images = read(root, content, **said)
    except UserError as error:
        return str(error).partition(": ")[2] if "is read" in str(error) else str(error)
    assert images == []
    return folder.skipped[0].reason


SAME: dict[str, tuple[Callable[[], bytes], np.ndarray, dict[str, object]]] = {
    "PNG, 16 bits": (lambda: encode(DEEP), GRAY, {"window": WHOLE}),
    "TIFF, 8 bits": (lambda: tiff(GRAY), GRAY, {}),
    "TIFF, LZW": (lambda: tiff(GRAY, compression="tiff_lzw"), GRAY, {}),
    "TIFF, 16 bits": (lambda: tiff(DEEP), GRAY, {"window": WHOLE}),
    "TIFF, 16 bits, deflated": (
        lambda: tiff(DEEP, compression="tiff_adobe_deflate"),
        GRAY,
        {"window": WHOLE},
    ),
    "TIFF, floating": (
        lambda: tiff(HU.astype(np.float32)),
        by_hand(HU, parse_window("-600,1500")),
        {"window": parse_window("-600,1500")},
    ),
    "JPEG, gray": (
        lambda: encode(GRAY, kind="JPEG", quality=90),
        np.asarray(Image.open(io.BytesIO(encode(GRAY, kind="JPEG", quality=90)))),
        {},
    ),
    "DICOM": (lambda: dicom_bytes(stored(HU), **CT), by_hand(HU), {"window": LUNG}),
    "DICOM, signed": (lambda: dicom_bytes(HU), by_hand(HU), {"window": LUNG}),
    "DICOM, slope": (
        lambda: dicom_bytes(stored(HU) * 2, RescaleSlope=0.5, RescaleIntercept=-1024),
        by_hand(HU),
        {"window": LUNG},
    ),
    "DICOM, implicit": (lambda: recoded(ImplicitVRLittleEndian), by_hand(HU), {"window": LUNG}),
    "DICOM, big-endian": (lambda: recoded(ExplicitVRBigEndian), by_hand(HU), {"window": LUNG}),
    "DICOM, RLE": (
        lambda: dicom_bytes(stored(HU), syntax=RLELossless, **CT),
        by_hand(HU),
        {"window": LUNG},
    ),
    "DICOM, its preamble that of a TIFF": (
        lambda: b"II*\0" + dicom_bytes(GRAY)[4:],
        GRAY,
        {},
    ),
    "DICOM, 8 bits": (lambda: dicom_bytes(GRAY), GRAY, {}),
    "DICOM, inverted": (
        lambda: dicom_bytes(GRAY, PhotometricInterpretation="MONOCHROME1"),
        255 - GRAY,
        {},
    ),
    "DICOM, gray RGB": (lambda: dicom_bytes(np.repeat(GRAY[..., None], 3, axis=2)), GRAY, {}),
    "DICOM, not CT": (
        lambda: dicom_bytes(DEEP, Modality="MR"),
        GRAY,
        {"window": WHOLE},
    ),
}


@pytest.mark.parametrize(("build", "expected", "said"), SAME.values(), ids=SAME.keys())
def test_every_format_gives_the_pixels_of_the_png(
    tmp_path: Path,
    build: Callable[[], bytes],
    expected: np.ndarray,
    said: dict[str, object],
) -> None:
    folder, images = read(tmp_path, build(), **said)
    assert (len(images), folder.skipped) == (1, [])
    np.testing.assert_array_equal(images[0], expected)
    _, (png,) = read(tmp_path, encode(expected))
    assert pixel_digest(images[0]) == pixel_digest(png)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(
    ("axis", "take"),
    [
        # Right is left, and front or head is up, as a radiologist looks at it.
        ("axial", lambda v, n: v[::-1, ::-1, n].T),
        ("coronal", lambda v, n: v[::-1, n, ::-1].T),
        ("sagittal", lambda v, n: v[n, ::-1, ::-1].T),
        ("i", lambda v, n: v[n, :, :].T),
        ("j", lambda v, n: v[:, n, :].T),
        ("k", lambda v, n: v[:, :, n].T),
    ],
)
def test_volumes_are_cut_across_a_named_axis(
    tmp_path: Path, axis: str, take: Callable[[np.ndarray, int], np.ndarray], compressed: bool
) -> None:
    volume = np.random.default_rng(2).integers(-1024, 1500, (64, 70, 66), dtype=np.int16)
    content = nifti_bytes(volume, affine=RAS, compressed=compressed)
    folder, images = read(tmp_path, content, window=LUNG, axis=axis)
    for number in (0, 17, len(images) - 1):
        np.testing.assert_array_equal(images[number], LUNG.apply(take(volume, number)))
    assert folder.size == images[0].shape[::-1]
    assert [item.path for item in folder.asked] == [f"x[{n:02}]" for n in range(len(images))]


def test_a_volume_that_lies_otherwise_gives_the_same_slices(tmp_path: Path) -> None:
    volume = np.random.default_rng(2).integers(-1024, 1500, (64, 70, 66), dtype=np.int16)
    _, upright = read(tmp_path, nifti_bytes(volume, affine=RAS), window=LUNG, axis="axial")
    turned = volume[::-1].transpose(2, 0, 1)  # the first axis runs up, the second to the left
    affine = np.array([[0, -1, 0, 63], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    _, same = read(tmp_path, nifti_bytes(turned, affine=affine), window=LUNG, axis="axial")
    np.testing.assert_array_equal(same, upright)


def test_values_of_a_volume_go_through_slope_and_intercept(tmp_path: Path) -> None:
    volume = np.random.default_rng(2).integers(0, 2500, (64, 64, 2), dtype=np.uint16)
    content = nifti_bytes(volume, slope=2.0, intercept=-1024.0)
    _, images = read(tmp_path, content, window=LUNG, axis="k")
    expected = by_hand(volume.T * 2.0 - 1024)
    np.testing.assert_array_equal(images, expected)


def test_gray_volumes_need_no_window_and_nan_is_black(tmp_path: Path) -> None:
    volume = np.random.default_rng(2).integers(0, 256, (64, 64, 2), dtype=np.uint8)
    _, images = read(tmp_path, nifti_bytes(volume), axis="k")
    np.testing.assert_array_equal(images, volume.T)
    floats = volume.astype(np.float32)
    floats[0, 0, 0] = np.nan
    _, images = read(tmp_path, nifti_bytes(floats), axis="k", window=parse_window("127.5,255"))
    np.testing.assert_array_equal(images[1], volume.T[1])
    assert images[0][0, 0] == 0


def test_frames_and_pages_are_images_of_their_own(tmp_path: Path) -> None:
    frames = hounsfield(3, frames=3)
    folder, images = read(tmp_path, dicom_bytes(frames), window=LUNG)
    np.testing.assert_array_equal(images, LUNG.apply(frames))
    assert [item.path for item in folder.asked] == ["x[0]", "x[1]", "x[2]"]
    first, *others = [Image.fromarray(np.roll(GRAY, n)) for n in range(3)]
    _, images = read(tmp_path, encode(first, kind="TIFF", save_all=True, append_images=others))
    np.testing.assert_array_equal(images, [np.roll(GRAY, n) for n in range(3)])


def test_each_frame_of_an_enhanced_image_has_its_own_rescale(tmp_path: Path) -> None:
    frames = hounsfield(3, frames=2)
    groups = []
    for intercept in (0, 100):
        transformation, group = pydicom.Dataset(), pydicom.Dataset()
        transformation.RescaleSlope, transformation.RescaleIntercept = 1, intercept
        group.PixelValueTransformationSequence = [transformation]
        groups.append(group)
    content = dicom_bytes(frames, PerFrameFunctionalGroupsSequence=groups)
    _, images = read(tmp_path, content, window=LUNG)
    np.testing.assert_array_equal(images, LUNG.apply(frames + np.array([0, 100])[:, None, None]))


def test_coloured_dicom_is_read_as_luma(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    folder, (image,) = read(tmp_path, dicom_bytes(colours))
    np.testing.assert_array_equal(image, np.asarray(Image.fromarray(colours).convert("L")))
    assert folder.coloured == ["x"]


def test_jpeg_2000_is_decoded(tmp_path: Path) -> None:
    _, (pixels,) = read(tmp_path, jpeg_2000_dicom())
    np.testing.assert_array_equal(pixels, GRAY)


def jpeg_2000_dicom() -> bytes:
    return encapsulated(encode(GRAY, kind="JPEG2000", no_jp2=True), JPEG2000Lossless)


def encapsulated(code: bytes, syntax: UID) -> bytes:
    image = pydicom.dcmread(io.BytesIO(dicom_bytes(GRAY)))
    image.PixelData = pydicom.encaps.encapsulate([code])
    image["PixelData"].VR = "OB"
    image.file_meta.TransferSyntaxUID = syntax
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, image, enforce_file_format=True)
    return stream.getvalue()


NEED = "say how they become 8 bits by --window lung, --window soft-tissue or --window LEVEL,WIDTH"
UNITS = "that are no Hounsfield units; give --window LEVEL,WIDTH in its own"
VOLUME = nifti_bytes(hounsfield(4, frames=64))
REFUSED: dict[str, tuple[Callable[[], bytes], dict[str, object], str]] = {
    "16-bit PNG": (lambda: encode(DEEP), {}, f"holds 16-bit gray levels; {NEED}"),
    "16-bit TIFF": (lambda: tiff(DEEP), {}, f"holds 16-bit gray levels; {NEED}"),
    "DICOM": (lambda: dicom_bytes(HU), {}, f"holds 16-bit values; {NEED}"),
    "NIfTI": (lambda: VOLUME, {"axis": "i"}, f"holds 16-bit values; {NEED}"),
    "PNG and lung": (lambda: encode(DEEP), {"window": LUNG}, f"holds 16-bit gray levels {UNITS}"),
    "MR and lung": (
        lambda: dicom_bytes(HU, Modality="MR"),
        {"window": LUNG},
        f"holds 16-bit values {UNITS}",
    ),
    "no axis": (
        lambda: VOLUME,
        {"window": LUNG},
        "is a volume; say across what it is cut, by --axis axial, coronal, sagittal, i, j, k",
    ),
    "lies nobody knows how": (
        lambda: VOLUME,
        {"window": LUNG, "axis": "axial"},
        "does not say how it lies in the body; give --axis i, j or k",
    ),
}


@pytest.mark.parametrize(("build", "said", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_what_its_owner_must_say_is_asked_for(
    tmp_path: Path, build: Callable[[], bytes], said: dict[str, object], why: str
) -> None:
    with pytest.raises(UserError) as error:
        read(tmp_path, build(), **said)
    assert str(error.value) == (
        f"'{tmp_path}' holds files that can be read once you say how:\n  1 files, first 'x': {why}"
    )


DAMAGED = "is truncated or damaged; copy the file again"
SKIPPED: dict[str, tuple[Callable[[], bytes], str]] = {
    "no image": (
        lambda: _without(dicom_bytes(HU), "Rows"),
        "is a DICOM file without an image",
    ),
    "no pixels": (lambda: _without(dicom_bytes(HU), "PixelData"), DAMAGED),
    "cut DICOM": (lambda: dicom_bytes(HU)[:4000], DAMAGED),
    "no decoder": (
        lambda: encapsulated(b"\xff\xd8\xff\xd9", JPEGLosslessSV1),
        f"is compressed as {JPEGLosslessSV1.name}, for which no decoder is installed; "
        "install python-gdcm (`pip install ganamis[dicom]`)",
    ),
    "broken code": (
        lambda: encapsulated(b"\xff\x4f\xff\x51", JPEG2000Lossless),
        f"is damaged, or compressed in a kind of {JPEG2000Lossless.name} that no decoder here "
        "knows; install python-gdcm (`pip install ganamis[dicom]`)",
    ),
    "palette": (
        lambda: dicom_bytes(GRAY, PhotometricInterpretation="PALETTE COLOR"),
        "is neither gray nor RGB; export it as gray levels",
    ),
    "bomb": (
        lambda: dicom_bytes(HU, Rows=60000, Columns=60000),
        "has 60000x60000 pixels; sides of 64 to 1024 are read",
    ),
    "many frames": (
        lambda: dicom_bytes(HU, NumberOfFrames=100_000),
        "has 100000 frames of 64x64 pixels; 1 to 65536 of them are read",
    ),
    "cut volume": (lambda: nifti_bytes(hounsfield(4, frames=64))[:5000], DAMAGED),
    "four dimensions": (
        lambda: nifti_bytes(np.zeros((64, 64, 2, 2), np.int16)),
        "has 4 dimensions; export one volume per file",
    ),
}


def _without(content: bytes, name: str) -> bytes:
    image = pydicom.dcmread(io.BytesIO(content))
    delattr(image, name)
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, image)
    return stream.getvalue()


@pytest.mark.parametrize(("build", "why"), SKIPPED.values(), ids=SKIPPED.keys())
def test_what_cannot_be_read_is_skipped_with_the_reason(
    tmp_path: Path, build: Callable[[], bytes], why: str
) -> None:
    write(tmp_path / "good.png", GRAY)
    if why.startswith("is compressed") and _decodes(JPEGLosslessSV1):
        pytest.skip("a decoder is installed")
    folder, images = read(tmp_path, build(), window=LUNG, axis="i")
    assert len(images) == 1
    assert [(entry.path, entry.reason) for entry in folder.skipped] == [("x", why)]


def _decodes(syntax: UID) -> bool:
    return pydicom.pixels.get_decoder(syntax).is_available


@pytest.mark.parametrize("text", ["lungs", "-600", "1,0", "1,-5", "nan,1", "1e3,5", "1,2,3", ""])
def test_a_bad_window_is_refused(text: str) -> None:
    assert (LUNG.level, LUNG.width) == NAMED["lung"]
    with pytest.raises(UserError) as error:
        parse_window(text)
    assert str(error.value) == (
        f"--window is '{text}'; expected lung, soft-tissue, or LEVEL,WIDTH such as -600,1500"
    )


def test_a_bad_axis_is_refused() -> None:
    with pytest.raises(UserError) as error:
        Reading(axis="up")
    assert str(error.value) == ("--axis is 'up'; expected one of axial, coronal, sagittal, i, j, k")


def test_nothing_of_a_patient_comes_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Good and broken files of an invented patient, in a program that shows every warning."""
    good = dicom_bytes(HU, **CT)
    secret = SECRET.encode()
    broken = {
        "good": good,
        "cut": good[:4000],
        "slope": good.replace(b"-1024", secret[:5]),
        "rows": good.replace(b"MONOCHROME2 ", (secret * 2)[:12]),
        "frames": dicom_bytes(HU, NumberOfFrames="1").replace(b"IS\x02\x001 ", b"IS\x02\x00Mu"),
        "syntax": good.replace(b"1.2.840.10008.1.2.1\0", (secret * 2)[:20]),
        "volume": nifti_bytes(hounsfield(4, frames=64)),
        "broken volume": nifti_bytes(hounsfield(4, frames=64))[:5000],
        "dimensions": nifti_bytes(np.zeros((64, 64, 2, 2), np.int16)),
    }
    for name, content in broken.items():
        write(tmp_path / name, content)
    caplog.set_level(logging.DEBUG)
    pydicom.config.logger.setLevel(logging.DEBUG)
    said: list[str] = []
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        folder = open_folder(tmp_path, reading=Reading(window=LUNG, axis="i"))
        said += [repr(batch.paths) for batch in folder.stream(folder.asked, batch=9)]
        try:
            open_folder(tmp_path, reading=Reading())
        except UserError as error:
            said += traceback.format_exception(error)
    said += [repr(vars(folder)), *map(str, warned), caplog.text, *capfd.readouterr()]
    assert len(folder.skipped) >= 5
    for text in said:
        assert SECRET not in text and IDENTIFIER not in text and "Muste" not in text


def test_the_window_is_told_with_the_result(tmp_path: Path) -> None:
    folder, _ = read(tmp_path, dicom_bytes(hounsfield(3, frames=3)), window=parse_window("lung"))
    assert folder.notes() == [
        "3 images of more than 8 bits were read through the window lung (level -600, width 1500); "
        "generators that were taught through another one are called unknown"
    ]
