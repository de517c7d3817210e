"""NIfTI volumes (`.nii`, `.nii.gz`), cut into slices across a named axis.

Only the fields of the header that say how the pixels lie are read; descriptions and extensions,
where names of people may stand, are passed over.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from ganamis.data.images import DAMAGED, ImageError
from ganamis.data.reading import AXES, Frame, Look, Reading, UnsaidError, check_look
from ganamis.data.window import Window

GZIP = b"\x1f\x8b"
HEADER_1, HEADER_2 = 348, 540  # bytes: NIfTI-1 and NIfTI-2
MAGIC_1, MAGIC_2 = b"n+1\0", b"n+2\0\r\n\x1a\n"
LARGEST_GAP = 2**24  # bytes between header and pixels


def recognises(head: bytes) -> bool:
    """Whether a file that begins with `head`, perhaps compressed, is a NIfTI volume."""
    if head.startswith(GZIP):
        try:
            head = zlib.decompressobj(31).decompress(head, HEADER_2)
        except zlib.error:
            return False
    return head[344:348] == MAGIC_1 or head[4:12] == MAGIC_2


@dataclass(frozen=True)
class _Plan:
    """How the slices of a volume are cut.

    header: nibabel's. shape: of the volume, `[I, J, K]`. order: of its axes so that they run across
    the slices, down the rows and along the columns. flips: which of them run backwards.
    """

    header: Any
    shape: tuple[int, int, int]
    order: tuple[int, int, int]
    flips: tuple[int, int, int]

    @property
    def look(self) -> Look:
        frames, height, width = (self.shape[axis] for axis in self.order)
        return Look(width, height, frames=frames)


@dataclass(frozen=True)
class Nifti:
    """NIfTI-1 and NIfTI-2 in one file, compressed or not."""

    def look(self, stream: BinaryIO, reading: Reading) -> Look:
        """See `Format`."""
        try:
            return _plan(_content(stream), reading).look
        except (ImageError, UnsaidError):
            raise
        except Exception:  # nibabel's errors quote the header
            raise ImageError(DAMAGED) from None

    def frames(self, stream: BinaryIO, reading: Reading) -> Iterator[Frame]:
        """See `Format`."""
        try:
            content = _content(stream)
            plan = _plan(content, reading)
            check_look(plan.look)
            volume = _volume(content, plan).transpose(plan.order)[
                tuple(slice(None, None, step) for step in plan.flips)
            ]
            slope, intercept = plan.header.get_slope_inter()
            for values in volume:
                if _is_gray(plan.header):
                    yield Frame(np.ascontiguousarray(values))
                    continue
                scaled = values.astype(np.float64) * (1 if slope is None else slope)
                yield Frame(
                    _window(plan.header, reading).apply(scaled + (intercept or 0)), windowed=True
                )
        except (ImageError, UnsaidError):
            raise
        except Exception:  # nibabel's errors quote the header
            raise ImageError(DAMAGED) from None


def _content(stream: BinaryIO) -> BinaryIO:
    compressed = stream.read(2) == GZIP
    stream.seek(0)
    return io.BufferedReader(gzip.GzipFile(fileobj=stream)) if compressed else stream


def _plan(content: BinaryIO, reading: Reading) -> _Plan:
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    start = content.read(HEADER_1)
    first = start[344:348] == MAGIC_1
    if not first:
        start += content.read(HEADER_2 - HEADER_1)
    header = (Nifti1Header if first else Nifti2Header)(start, check=False)
    shape = [int(side) for side in header.get_data_shape()]
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    if len(shape) != 3 or min(shape) < 1:
        raise ImageError(f"has {len(shape)} dimensions; export one volume per file")
    if header.get_data_dtype().kind not in "iuf":
        raise ImageError("holds colours or complex numbers; export it as gray levels")
    if not _is_gray(header):
        _window(header, reading)
    order, flips = _cut(header, reading)
    return _Plan(header, (shape[0], shape[1], shape[2]), order, flips)


def _cut(header: Any, reading: Reading) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    from nibabel.orientations import aff2axcodes

    if reading.axis is None:
        raise UnsaidError(f"is a volume; say across what it is cut, by --axis {', '.join(AXES)}")
    if reading.axis in ("i", "j", "k"):
        across = "ijk".index(reading.axis)
        column, row = (axis for axis in range(3) if axis != across)
        return (across, row, column), (1, 1, 1)
    if not (header["sform_code"] > 0 or header["qform_code"] > 0):
        raise UnsaidError("does not say how it lies in the body; give --axis i, j or k")
    codes = aff2axcodes(header.get_best_affine())
    # Seen as radiologists see them: the patient's right is on the left, front or head up.
    wanted = {"axial": ("S", "P", "L"), "coronal": ("A", "I", "L"), "sagittal": ("R", "I", "P")}
    order, flips = [], []
    for code in wanted[reading.axis]:
        axis = next(n for n, found in enumerate(codes) if found in _PAIRS[code])
        order.append(axis)
        flips.append(1 if codes[axis] == code else -1)
    return (order[0], order[1], order[2]), (flips[0], flips[1], flips[2])


_PAIRS = {code: pair for pair in ("LR", "PA", "IS") for code in pair}


def _is_gray(header: Any) -> bool:
    """Whether the stored bytes are gray levels already."""
    slope, intercept = header.get_slope_inter()
    plain = (slope is None or slope == 1) and not intercept
    return bool(plain and header.get_data_dtype() == np.uint8)


def _window(header: Any, reading: Reading) -> Window:
    bits = 8 * header.get_data_dtype().itemsize
    # NIfTI names no unit of its values; those of CT are Hounsfield units by custom.
    return reading.window_for(f"{bits}-bit values", hounsfield=True)


def _volume(content: BinaryIO, plan: _Plan) -> np.ndarray:
    dtype = plan.header.get_data_dtype()
    gap = int(plan.header.get_data_offset()) - content.tell()
    if not 0 <= gap <= LARGEST_GAP:
        raise ImageError(DAMAGED)
    content.read(gap)
    size = int(np.prod(plan.shape)) * dtype.itemsize
    stored = content.read(size)
    if len(stored) != size:
        raise ImageError(DAMAGED)
    return np.frombuffer(stored, dtype=dtype).reshape(plan.shape, order="F")
