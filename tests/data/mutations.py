"""Image files damaged on purpose, for the fuzz of the decoders: in the tests and, many more, in
`python -m tests.data.mutations --files 10000`, which prints a table.
"""

import argparse
import json
import resource
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.uid import RLELossless

from ganamis.data.listing import open_folder
from ganamis.data.reading import Reading, parse_window
from ganamis.errors import UserError
from tests.builders import encode
from tests.data.medical import dicom_bytes, hounsfield, nifti_bytes

GRAY = np.random.default_rng(5).integers(0, 256, (64, 64), dtype=np.uint8)
SMOOTH = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
HU = hounsfield(1)[0]
AFFINE = np.eye(4)
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
PER_PROCESS = 250


def _png(**options: object) -> bytes:
    return encode(SMOOTH, **options)


def _colours() -> Image.Image:
    return Image.fromarray(np.stack([SMOOTH, GRAY, SMOOTH], axis=2))


def _jpeg_2000() -> bytes:
    from tests.data.test_formats import jpeg_2000_dicom

    return jpeg_2000_dicom()


def _archive() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
            target.writestr("a.png", _png())
            target.writestr("b/c.dcm", dicom_bytes(HU))
            target.writestr("notes.txt", "hello")
        return path.read_bytes()


SEEDS: dict[str, list[Callable[[], bytes]]] = {
    "PNG": [
        _png,
        lambda: encode(SMOOTH.astype(np.uint16) * 257),
        lambda: encode(_colours().convert("P")),
        lambda: encode(_colours().convert("RGBA")),
    ],
    "JPEG": [
        lambda: encode(SMOOTH, kind="JPEG"),
        lambda: encode(_colours(), kind="JPEG", progressive=True),
        lambda: encode(_colours().convert("CMYK"), kind="JPEG"),
    ],
    "TIFF": [
        lambda: encode(SMOOTH, kind="TIFF"),
        lambda: encode(SMOOTH, kind="TIFF", compression="tiff_lzw"),
        lambda: encode(SMOOTH, kind="TIFF", compression="tiff_adobe_deflate"),
        lambda: encode(_colours(), kind="TIFF", compression="jpeg"),
        lambda: encode(SMOOTH.astype(np.float32), kind="TIFF"),
        lambda: encode(
            Image.fromarray(SMOOTH), kind="TIFF", save_all=True, append_images=[_colours()]
        ),
    ],
    "DICOM": [
        lambda: dicom_bytes(HU),
        lambda: dicom_bytes(HU, syntax=RLELossless),
        lambda: dicom_bytes(hounsfield(2, frames=3), syntax=RLELossless),
        lambda: dicom_bytes(np.asarray(_colours())),
        _jpeg_2000,
    ],
    "NIfTI": [
        lambda: nifti_bytes(hounsfield(2, frames=64), affine=AFFINE),
        lambda: nifti_bytes(hounsfield(2, frames=64), affine=AFFINE, compressed=False),
        lambda: nifti_bytes(np.zeros((64, 64, 2), np.float32), affine=AFFINE, compressed=False),
    ],
    "ZIP": [_archive],
}


def mutate(content: bytes, random: np.random.Generator) -> bytes:
    """A few random damages: bits, bytes, numbers, cuts, insertions, repetitions; headers first."""
    damaged = bytearray(content)
    for _ in range(random.integers(1, 6)):
        # Most of what a decoder believes stands at the beginning.
        reach = min(len(damaged), 700) if random.random() < 0.6 else len(damaged)
        place = int(random.integers(0, max(1, reach)))
        kind = random.integers(0, 7)
        if kind == 0:
            damaged[place : place + 1] = bytes([random.integers(0, 256)])
        elif kind == 1 and place < len(damaged):
            damaged[place] ^= 1 << int(random.integers(0, 8))
        elif kind == 2:
            number = INTERESTING[random.integers(0, len(INTERESTING))]
            form = ("<I", ">I")[random.integers(0, 2)]
            damaged[place : place + 4] = struct.pack(form, number)
        elif kind == 3:
            del damaged[place : place + int(random.integers(1, 64))]
        elif kind == 4:
            damaged[place:place] = random.bytes(int(random.integers(1, 64)))
        elif kind == 5:
            damaged[place:place] = damaged[place : place + int(random.integers(1, 2000))]
        elif random.random() < 0.3:
            del damaged[place:]
    return bytes(damaged)


def outcome(content: bytes, folder: Path, *, archive: bool) -> str:
    """What reading a file as the only one of a folder (or as a ZIP) comes to: read, or refused.

    Raises whatever is raised that is not ours.
    """
    path = folder / "x.zip"
    path.write_bytes(content)
    reading = Reading(window=parse_window("-600,1500"), axis="axial")
    try:
        opened = open_folder(path if archive else folder, reading=reading)
        count = sum(len(batch.images) for batch in opened.stream(opened.asked, batch=32))
    except UserError as error:
        assert str(error)
        return "refused"
    assert all(entry.reason for entry in opened.skipped)
    return "read" if count else "refused"


def run(kind: str, *, first: int, files: int) -> dict[str, object]:
    """Read `files` damaged files of one kind: outcomes, the slowest, and the peak of memory."""
    seeds = [build() for build in SEEDS[kind]]
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(first, first + files):
            content = mutate(seeds[number % len(seeds)], np.random.default_rng((7, number)))
            start = time.perf_counter()
            try:
                outcomes[outcome(content, Path(folder), archive=kind == "ZIP")] += 1
            except Exception as error:  # what is looked for
                outcomes[f"{type(error).__name__} of file {number}: {error}"] += 1
            slowest = max(slowest, time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"outcomes": dict(outcomes), "slowest": slowest, "peak": peak}


def _table(files: int) -> int:
    """Run everything in fresh processes and print one row per kind; 1 if anything came through."""
    each, bad = -(-files // len(SEEDS)), 0
    print("| decoder | files | read | refused | anything else | slowest, s | peak, MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for kind in SEEDS:
        outcomes: Counter[str] = Counter()
        slowest, peak = 0.0, 0
        for first in range(0, each, PER_PROCESS):
            share = str(min(PER_PROCESS, each - first))
            command = [sys.executable, "-m", __spec__.name, "--kind", kind, "--files", share]
            done = subprocess.run(
                [*command, "--first", str(first)], capture_output=True, text=True, timeout=600
            )
            if done.returncode:  # libtiff tells of damage on stderr by itself
                outcomes[f"exit {done.returncode}: {done.stderr[-2000:]}"] += 1
            if done.returncode == 0:
                found = json.loads(done.stdout)
                outcomes.update(found["outcomes"])
                slowest, peak = max(slowest, found["slowest"]), max(peak, found["peak"])
        other = {text: n for text, n in outcomes.items() if text not in ("read", "refused")}
        bad += len(other)
        counts = f"{outcomes['read']} | {outcomes['refused']} | {sum(other.values())}"
        print(f"| {kind} | {each} | {counts} | {slowest:.2f} | {peak} |", flush=True)
        for text in other:
            print(text, file=sys.stderr)
    return min(bad, 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, required=True)
    parser.add_argument("--kind", choices=list(SEEDS))
    parser.add_argument("--first", type=int, default=0)
    asked = parser.parse_args()
    if asked.kind is None:
        sys.exit(_table(asked.files))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        print(json.dumps(run(asked.kind, first=asked.first, files=asked.files)))
