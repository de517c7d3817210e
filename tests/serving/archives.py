"""ZIP files that the page's server has to survive, and queries beside them."""

import io
import random
import zipfile
from collections.abc import Iterator, Mapping

import numpy as np

from tests.builders import encode, noise, raw_png
from tests.data.medical import dicom_bytes, hounsfield, nifti_bytes
from tests.data.mutations import SEEDS, mutate
from tests.serving.tiny_model import MARK, SIZE, good_image

ZIP = {"Content-Type": "application/zip"}
MARKUP = f"<img src=x onerror={MARK}>"
NAMES = (
    "../../etc/passwd",
    "/etc/passwd",
    "a\\b.png",
    "C:x.png",
    MARKUP,
    "a/../b.png",
    "a\0.png",
    "=1+1.png",
)
QUERIES = (
    *("", "clusters=2", "clusters=auto", "clusters=0", "clusters=99", "clusters=-1", "clusters=x"),
    *("size=64x64", "size=9x9", "size=64", "axis=k", "axis=q", "window=lung", "window=1,0"),
    *(
        "window=-600,1500",
        "a=1",
        "clusters=2&clusters=3",
        "%00=%ff",
        f"window={MARK}%3Cb%3E",
        "&&",
        "=",
    ),
)
Sent = tuple[bytes, str, dict[str, str]]


def archive(files: Mapping[str, bytes], *, method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return stream.getvalue()


def good_archive(images: int) -> bytes:
    return archive({f"{number}.png": good_image(number) for number in range(images)})


def damaged(count: int, *, seed: int) -> Iterator[Sent]:
    """Body, query and headers of requests of every broken kind; the same for the same seed."""
    draw = random.Random(seed)
    good = good_archive(4)
    bomb = archive({"a.png": bytes(5_000_000)}, method=zipfile.ZIP_DEFLATED)
    large = archive({"a.png": good_image(0) + bytes(2_000_000), "b.png": good_image(1)})
    pixels = archive({"a.png": raw_png(60000, 60000, depth=8, colour=0, scanlines=b"\0")})
    mixed = archive({"a.png": good_image(0), "b.png": encode(noise(1, size=96))})
    deep = archive({"a.dcm": dicom_bytes(hounsfield(1)[0]), "b.nii": nifti_bytes(hounsfield(3))})
    taught = archive({f"development/{MARKUP}/{n}.png": good_image(n) for n in range(4)})
    nested = archive({"a.zip": good})
    sound = {format: [make() for make in makers] for format, makers in SEEDS.items()}
    for index in range(count):
        kind, query, headers = index % 7, draw.choice(QUERIES), ZIP
        if kind == 0:  # bytes changed, cut or doubled
            body = bytearray(good)
            for _ in range(draw.randint(1, 20)):
                body[draw.randrange(len(body))] = draw.randrange(256)
            yield bytes(body[: draw.randint(0, len(body))]), "", headers
        elif kind == 1:  # the list of members damaged
            body = bytearray(good)
            for _ in range(draw.randint(1, 5)):
                body[-draw.randint(1, 300)] = draw.choice((0, 1, 0x7F, 0xFF))
            yield bytes(body), "", headers
        elif kind == 2:  # whole archives that hold something else
            yield (
                draw.choice((bomb, large, pixels, mixed, deep, taught, nested, archive({}))),
                query,
                headers,
            )
        elif kind == 3:  # names that climb out, or hold markup
            names = draw.sample(NAMES, 3)
            files = {name: good_image(place) for place, name in enumerate(names)}
            yield archive({**files, f"{SIZE}.png": b"broken", "z.png": good_image(9)}), "", headers
        elif kind == 4:  # queries
            yield good, query, headers
        elif kind == 5:  # damaged files of every format, beside a sound one of its own
            of_format = draw.choice(list(sound.values()))
            files = {
                f"{place}.x": mutate(
                    draw.choice(of_format), np.random.default_rng((seed, index, place))
                )
                for place in range(3)
            }
            yield archive({**files, "z.x": of_format[0]}), query, headers
        else:  # other kinds of content
            wrong = draw.choice(("application/json", "text/html", "multipart/form-data", "", MARK))
            yield draw.choice((good, b"", MARK.encode())), query, {"Content-Type": wrong}
