"""A tiny model registered for real, and requests that a server has to survive."""

import base64
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities.model_registry import ModelVersion
from PIL import Image

from ganamis.extractors.spectrum import Spectrum
from ganamis.model.catalogue import fit_on_images
from ganamis.model.fingerprint import FingerprintModel
from ganamis.model.storage import save_model
from ganamis.registry import names, versions
from ganamis.tracking import runs
from tests.builders import PARAMS, encode, noise, raw_png
from tests.data.mutations import SEEDS, mutate

SIZE = 64
MARK = "LEAKMARK"  # sent in malformed requests; no answer may hold it
NO_PARAMS = object()  # a request without parameters; one may hold None
Request = tuple[bytes, dict[str, str]]


def register_version(
    folder: Path, evidence: pd.DataFrame, *, digest: str, conditions: Sequence[str] = ("clean",)
) -> ModelVersion:
    """A spectrum and three noise generators of different contrast, registered in `folder`."""
    bundle = folder / f"bundle-{'-'.join(conditions)}"
    if not bundle.exists():
        save_model(tiny_model(conditions), bundle)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        with runs.stage_run("register", name="tiny", params={}, tags={}):
            return versions.register(
                bundle,
                evidence,
                limits=PARAMS.serve.model_dump(),
                tags={"data_digest": digest, "clusterer": "open_world"},
            )


def tiny_model(conditions: Sequence[str] = ("clean",)) -> FingerprintModel:
    """What `register_version` registers."""
    return fit_on_images(
        Spectrum(grid=2, periods=(16,), threads=1),
        np.stack([noise(s, size=SIZE) // (1 + s % 3) for s in range(36)]),
        np.array([f"gan{s % 3}" for s in range(36)]),
        conditions=conditions,
        settings=PARAMS.model,
        seed=0,
    )


def register_champion(folder: Path) -> None:
    """A tiny model under the alias `champion`."""
    evidence = pd.DataFrame(columns=["held_out", "id", "generator", "label"])
    version = register_version(folder, evidence, digest="tiny")
    mlflow.MlflowClient().set_registered_model_alias(names.MODEL, names.CHAMPION, version.version)


def good_image(seed: int) -> bytes:
    return encode(noise(seed, size=SIZE) // (1 + seed % 3))


def request(
    images: list[object], form: str = "dataframe_records", *, params: object = NO_PARAMS
) -> bytes:
    texts = [base64.b64encode(i).decode() if isinstance(i, bytes) else i for i in images]
    rows = [{"image": text} for text in texts]
    content: object = rows
    if form == "dataframe_split":
        content = {"columns": ["image"], "data": [[text] for text in texts]}
    elif form == "inputs":
        content = {"image": texts}
    extra = {} if params is NO_PARAMS else {"params": params}
    return json.dumps({form: content, **extra}).encode()


def malformed(count: int, *, seed: int) -> Iterator[Request]:
    """Requests of every broken kind, mutated at random; the same for the same seed."""
    draw = random.Random(seed)
    json_type = {"Content-Type": "application/json"}
    png = good_image(0)
    jpeg = encode(Image.fromarray(noise(1, size=SIZE)), kind="JPEG", progressive=True)
    bomb = raw_png(60000, 60000, depth=8, colour=2, scanlines=b"\0")
    good = request([png])
    junk: list[object] = [None, 1, 1e308, True, [], {}, [[MARK]], {"image": MARK}, MARK, "\ud800"]
    files = [make() for format in SEEDS.values() for make in format]
    for index in range(count):
        kind = index % 10
        if kind == 0:  # bytes of the JSON changed, cut or doubled
            body = bytearray(good)
            for _ in range(draw.randint(1, 5)):
                body[draw.randrange(40)] = draw.randrange(256)
            yield bytes(body[: draw.randint(0, len(body))]), json_type
        elif kind == 1:  # wrong shapes and types
            form = draw.choice([*"abc", "dataframe_split", "dataframe_records", "inputs"])
            form = draw.choice([form, "instances", "params", "messages"])
            value = draw.choice([*junk, {"columns": draw.choice(junk), "data": draw.choice(junk)}])
            yield (
                json.dumps({form: draw.choice([value, [value], {"image": value}])}).encode(),
                (json_type),
            )
        elif kind == 2:  # wrong cells
            yield request([draw.choice(junk), png], draw.choice(["inputs", "instances"])), json_type
        elif kind in (3, 4):  # damaged images in good requests
            image = bytearray(png if kind == 3 else jpeg)
            for _ in range(draw.randint(1, 20)):
                image[draw.randrange(len(image))] = draw.randrange(256)
            yield request([bytes(image[: draw.randint(0, len(image))]), bomb]), json_type
        elif kind == 5:  # deep nesting and huge numbers
            depth = draw.randint(1, 100_000)
            yield (
                draw.choice(
                    [b"[" * depth, b'{"a":' * depth, b"[" * depth + b"]" * depth, b"9" * depth]
                ),
                json_type,
            )
        elif kind == 6:  # wrong content types
            types = [
                "text/csv",
                "application/vnd.apache.parquet",
                MARK,
                "",
                "application/json; x=1",
            ]
            yield (
                draw.choice([good, b"image\n" + MARK.encode()]),
                {"Content-Type": draw.choice(types)},
            )
        elif kind == 7:  # parameters of every kind, with good images and bad
            params = draw.choice([*junk, {"together": draw.choice([*junk, True, False, 0])}])
            if draw.random() < 0.7:
                clusters = draw.choice([*junk, -1, 0, 1, 2, 3, 10**40, 1.5, "2"])
                params = {"together": draw.choice([True, True, False, 1]), "clusters": clusters}
            if draw.random() < 0.2 and isinstance(params, dict):
                params = {**params, draw.choice([MARK, "", "size", "seed"]): draw.choice(junk)}
            cells = [png, draw.choice([png, b"broken", good_image(5), bomb])]
            yield request(cells, params=params), json_type
        elif kind == 8:  # files of every other format, whole or damaged
            content = draw.choice(files)
            if draw.random() < 0.8:
                content = mutate(content, np.random.default_rng(index))
            yield request([content, png], params={"together": draw.random() < 0.3}), json_type
        else:  # text that is no base64
            yield request([MARK + "!" * draw.randint(1, 9)]), json_type
