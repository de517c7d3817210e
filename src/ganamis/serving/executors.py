"""The model on many machines: files to embeddings, and embeddings to answers, batch by batch.

Both map the batches of one Spark partition (`mapInPandas`) on an executor, which gets the model
from the driver and needs neither the registry nor MLflow.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from ganamis.contracts import UNASSIGNED, Embedded
from ganamis.data.formats import decode, look
from ganamis.data.images import ImageError, pixel_digest
from ganamis.data.reading import Reading, UnsaidError, check_look, size_name
from ganamis.data.source import OneFile
from ganamis.model.answer import UNKNOWN, Attribution
from ganamis.model.fingerprint import FingerprintModel
from ganamis.model.storage import load_model

# mean, views and content: float32 as bytes, because Spark stores arrays of numbers one by one.
EMBEDDED = (
    "path string, image string, error string, width int, height int, id string, mean binary, "
    "views binary, content binary"
)
ANSWERED = (
    "path string, image string, cluster long, generator string, known boolean, score double, "
    "error string"
)
PREFIX = 8  # hexadecimal digits of an id that place it among all possible ones


@dataclass(frozen=True)
class Decoded:
    """One image of a file. path: of the file. image: its name. pixels: None where `error` is."""

    path: str
    image: str
    pixels: np.ndarray | None
    error: str = ""


@lru_cache(maxsize=1)  # a worker answers for many partitions
def sent_model(name: str) -> FingerprintModel:
    """The model that the driver sent to this executor under `name`."""
    from pyspark import SparkFiles

    return load_model(Path(SparkFiles.get(name)))


def place(identity: str) -> float:
    """Where a digest lies among all possible ones, in [0, 1); uniform over images."""
    return int(identity[:PREFIX], 16) / 16**PREFIX


def embed_files(
    batches: Iterator[pd.DataFrame],
    model: FingerprintModel,
    *,
    reading: Reading,
    kept: float,
    images: int,
) -> Iterator[pd.DataFrame]:
    """Embed every image once: columns `path` and `content` (bytes) in, those of `EMBEDDED` out.

    Args:
        kept: images whose digest has a lower `place` may be searched: all their views and their
            content are kept, of the others the mean over views alone.
        images: decoded at once.
    """
    decoded = (
        image
        for batch in batches
        for path, content in zip(batch["path"], batch["content"], strict=True)
        for image in _decoded(path, content, reading)
    )
    while chunk := list(islice(decoded, images)):
        yield _embedded(chunk, model, kept)


def _decoded(path: str, content: bytes, reading: Reading) -> Iterator[Decoded]:
    """The images of one file, or one that says why there is none."""
    name = path.rsplit("/", 1)[-1]
    file = OneFile(name, content)
    try:
        format, seen = look(file, name, reading)
        check_look(seen)
        for number, frame in enumerate(decode(file, name, format, reading)):
            image = name if seen.frames == 1 else f"{name}[{number}]"
            size = frame.pixels.shape[1], frame.pixels.shape[0]
            if reading.size not in (None, size):
                raise ImageError(_other_size(size, f"{size_name(reading.size)} was chosen"))
            yield Decoded(path, image, frame.pixels)
    except (ImageError, UnsaidError) as error:
        yield Decoded(path, name, None, str(error))


def _other_size(size: tuple[int, int], why: str) -> str:
    return f"has {size_name(size)} pixels; images attributed together have one size, and {why}"


def _embedded(chunk: list[Decoded], model: FingerprintModel, kept: float) -> pd.DataFrame:
    """One row per image; those of one size are embedded at once."""
    rows: list[tuple[object, ...]] = []
    sizes: dict[tuple[int, ...], list[tuple[Decoded, np.ndarray]]] = {}
    for one in chunk:
        if one.pixels is None:
            rows.append((one.path, one.image, one.error, 0, 0, None, None, None, None))
        else:
            sizes.setdefault(one.pixels.shape, []).append((one, one.pixels))
    for (height, width), found in sizes.items():
        pixels = np.stack([image for _, image in found])
        batch = model.embed(pixels, [pixel_digest(image) for image in pixels])
        means = batch.means
        for row, (one, _) in enumerate(found):
            identity = str(batch.ids[row])
            searched = place(identity) < kept
            views = batch.features[row].tobytes() if searched else None
            content = batch.content[row].tobytes() if searched else None
            sized = (one.path, one.image, "", width, height)
            rows.append((*sized, identity, means[row].tobytes(), views, content))
    return pd.DataFrame(rows, columns=_names(EMBEDDED))


def stack(ids: Iterable[str], views: list[bytes], content: list[bytes], count: int) -> Embedded:
    """Rows that `embed_files` kept whole, sorted by id, of an extractor with `count` views."""
    batch = Embedded(np.array(ids, dtype=str), _floats(views), _floats(content), count)
    return batch.rows(np.argsort(batch.ids))


def _floats(rows: Iterable[bytes]) -> np.ndarray:
    return np.stack([np.frombuffer(row, dtype=np.float32) for row in rows])


def assign_rows(
    batches: Iterator[pd.DataFrame], found: Attribution, *, size: tuple[int, int]
) -> Iterator[pd.DataFrame]:
    """Give images their generator: columns of `EMBEDDED` in, those of `ANSWERED` out.

    Args:
        found: the answer for the images that were searched; they keep their cluster.
        size: width and height of those that are answered for; the others get an error.
    """
    most = f"most have {size_name(size)}"
    for batch in batches:
        table = batch[["path", "image", "error"]].assign(
            cluster=UNASSIGNED, generator=UNKNOWN, known=False, score=0.0
        )
        usable = (batch["error"] == "").to_numpy()
        fits = ((batch["width"] == size[0]) & (batch["height"] == size[1])).to_numpy()
        sizes = zip(batch["width"], batch["height"], strict=True)
        errors = np.array([_other_size(other, most) for other in sizes], dtype=object)
        table.loc[usable & ~fits, "error"] = errors[usable & ~fits]
        chosen = batch[usable & fits]
        if len(chosen):
            answer = found.extended(_mean_views(chosen))
            for column, values in {
                "cluster": answer.labels,
                "generator": answer.names,
                "known": answer.known,
                "score": answer.scores,
            }.items():
                table.loc[usable & fits, column] = values
        yield table[_names(ANSWERED)]


def _mean_views(chosen: pd.DataFrame) -> Embedded:
    """What a rule needs of images: their mean over views, as if it were the only view."""
    ids = chosen["id"].to_numpy().astype(str)
    return Embedded(ids, _floats(chosen["mean"]), np.empty((len(ids), 0), np.float32), 1)


def _names(schema: str) -> list[str]:
    return [column.split()[0] for column in schema.split(", ")]
