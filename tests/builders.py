"""Builders of tiny data sets in the ImageCLEF layout, good and bad, and of toy embeddings."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from ganamis.contracts import Reference
from ganamis.params import load_params

SIZE = 32  # pixels
PARAMS = load_params(Path(__file__).parents[1] / "params.yaml")
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def noise(seed: int, *, size: int = SIZE) -> np.ndarray:
    """Gray pixels `[size, size]` uint8 that no other seed has."""
    return np.random.default_rng(seed).integers(0, 256, (size, size), dtype=np.uint8)


def encode(image: Image.Image | np.ndarray, *, kind: str = "PNG", **options: object) -> bytes:
    """The bytes of an image file."""
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    """One PNG chunk with its checksum."""
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def raw_png(width: int, height: int, *, depth: int, colour: int, scanlines: bytes) -> bytes:
    """A PNG written by hand, for what Pillow cannot write (colour: 0 gray, 2 RGB)."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(scanlines))
    return SIGNATURE + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def palette_image(pixels: np.ndarray, *, seed: int) -> Image.Image:
    """The same gray values through a shuffled palette: index and value differ everywhere."""
    order = np.random.default_rng(seed).permutation(256).astype(np.uint8)
    image = Image.fromarray(np.argsort(order).astype(np.uint8)[pixels], mode="P")
    image.putpalette(np.repeat(order, 3).tobytes())
    return image


def write(path: Path, content: bytes | np.ndarray | str) -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        content = content.encode()
    path.write_bytes(content if isinstance(content, bytes) else encode(content))
    return path


def build_folder(root: Path, *, generators: int = 2, images: int = 2) -> Path:
    """A good labelled data set: `images` per generator and split, no two alike."""
    labels = ["image,model"]
    for g in range(generators):
        for i in range(images):
            write(root / "development" / f"gan{g}" / f"d{i}.png", noise(1000 * g + i))
            write(root / "test" / f"t{g}{i}.png", noise(100_000 + 1000 * g + i))
            labels.append(f"t{g}{i}.png,gan{g}")
    write(root / "test_labels.csv", "\n".join(labels) + "\n")
    return root


def snapshot(root: Path) -> dict[str, tuple[bytes, int]]:
    """Content and modification time of every file below `root`."""
    return {
        path.relative_to(root).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def blobs(
    *, generators: int, images: int, seed: int, spread: float = 0.05
) -> tuple[np.ndarray, np.ndarray]:
    """Features `[N, 6]` float32 in well-separated groups, shuffled, and names `[N]` of groups."""
    random = np.random.default_rng(seed)
    group = random.permutation(np.repeat(np.arange(generators), images))
    centres = 3 * np.eye(6)[np.arange(generators)]
    features = centres[group] + random.normal(0, spread, (len(group), 6))
    return features.astype(np.float32), np.array([f"gan{g}" for g in group])


def taught(features: np.ndarray, generators: np.ndarray) -> Reference:
    """Development images with one degraded copy of each, slightly noisier."""
    noisier = features + np.random.default_rng(9).normal(0, 0.05, features.shape)
    return Reference(features, generators, {"noise1": noisier.astype(np.float32)})
