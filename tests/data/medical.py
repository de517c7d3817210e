"""Builders of DICOM and NIfTI files of an invented patient, for the tests of their readers."""

import gzip
import io
import struct

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

SECRET = "Mustermann"  # stands in every field of a header that can hold text
IDENTIFIER = "19671224-4711"
PERSONAL = {
    "PatientName": f"{SECRET}^Erika",
    "PatientID": IDENTIFIER,
    "PatientBirthDate": "19671224",
    "PatientAddress": f"{SECRET} Street 7",
    "InstitutionName": f"{SECRET} Clinic",
    "ReferringPhysicianName": f"{SECRET}^Max",
    "StudyDescription": f"CT of {SECRET}",
    "ImageComments": f"{SECRET} {IDENTIFIER}",
}


def hounsfield(seed: int, *, side: int = 64, frames: int = 1) -> np.ndarray:
    """Invented values `[frames, side, side]` int16 of -1024 to 1500."""
    random = np.random.default_rng(seed)
    return random.integers(-1024, 1501, (frames, side, side), dtype=np.int16)


def dicom(
    values: np.ndarray, *, syntax: str = ExplicitVRLittleEndian, **elements: object
) -> FileDataset:
    """A CT image of stored values `[H, W]`, or frames `[F, H, W]`, or colours `[H, W, 3]`."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    for name, text in PERSONAL.items():
        setattr(image, name, text)
    image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, "1.2.3"
    image.Modality = "CT"
    image.SamplesPerPixel = 3 if values.shape[-1] == 3 else 1
    image.PhotometricInterpretation = "RGB" if values.shape[-1] == 3 else "MONOCHROME2"
    if values.shape[-1] == 3:
        image.PlanarConfiguration = 0
    elif values.ndim == 3:
        image.NumberOfFrames = len(values)
    image.Rows, image.Columns = values.shape[:2] if values.shape[-1] == 3 else values.shape[-2:]
    image.BitsAllocated = image.BitsStored = 8 * values.itemsize
    image.HighBit = image.BitsStored - 1
    image.PixelRepresentation = int(values.dtype.kind == "i")
    image.PixelData = values.tobytes()
    for name, value in elements.items():
        setattr(image, name, value)
    if syntax != ExplicitVRLittleEndian:
        image.compress(syntax, generate_instance_uid=False)
    return image


def dicom_bytes(values: np.ndarray, **options: object) -> bytes:
    """The file of `dicom`."""
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, dicom(values, **options), enforce_file_format=True)
    return stream.getvalue()


def nifti_bytes(
    volume: np.ndarray,
    *,
    affine: np.ndarray | None = None,
    slope: float = 1.0,
    intercept: float = 0.0,
    compressed: bool = True,
) -> bytes:
    """A NIfTI-1 file of a volume `[I, J, K]`, by hand; no affine: nobody knows how it lies."""
    codes = {"int16": 4, "uint8": 2, "float32": 16, "uint16": 512}
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, volume.ndim, *volume.shape, *[1] * (7 - volume.ndim))
    struct.pack_into("<2h", header, 70, codes[volume.dtype.name], 8 * volume.itemsize)
    struct.pack_into("<8f", header, 76, *[1.0] * 8)
    struct.pack_into("<3f", header, 108, 352.0, slope, intercept)
    header[148:228] = SECRET.encode().ljust(80, b"\0")  # description
    header[228:252] = IDENTIFIER.encode().ljust(24, b"\0")  # auxiliary file
    if affine is not None:
        struct.pack_into("<2h", header, 252, 0, 1)
        struct.pack_into("<12f", header, 280, *affine[:3].ravel())
    header[328:344] = SECRET.encode().ljust(16, b"\0")  # intent
    header[344:348] = b"n+1\0"
    content = bytes(header) + volume.tobytes(order="F")
    return gzip.compress(content, mtime=0) if compressed else content
