"""Where stages leave their results, and how later stages read them."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ganamis.contracts import DEVELOPMENT, Embeddings, Manifest
from ganamis.errors import UserError
from ganamis.files import read_json, require
from ganamis.params import Params

IMPORTED, ZOO = Path("data/imported"), Path("data/zoo")
RESULTS = Path("results")
WORK = Path("work")  # what an interrupted stage goes on from; never a result
INGEST = RESULTS / "ingest"
TRAIN = RESULTS / "train"
TRIALS_FILE = "trials.csv"  # below TRAIN, of each extractor
CLUSTER = RESULTS / "cluster"
SELECT = RESULTS / "select"
REGISTER = RESULTS / "register"
PROMOTE = RESULTS / "promote"
ROLLBACK = RESULTS / "rollback"
REPORT = RESULTS / "report"
BENCHMARK = RESULTS / "benchmark" / "scores.csv"  # where `report` looks for a benchmark


@dataclass(frozen=True)
class Ingested:
    """What `ingest` wrote.

    digest: DVC's digest of the data. labels: columns `id`, `path`, `generator`; empty without
    a labels file. content: 32x32 thumbnails as embeddings.
    """

    root: Path
    digest: str
    manifest: Manifest
    summary: dict[str, Any]

    @property
    def development(self) -> pd.DataFrame:
        """The development images, one row per id, in the fixed order that every stage keeps."""
        return self.manifest.split(DEVELOPMENT).drop_duplicates("id").reset_index(drop=True)

    @property
    def labels(self) -> pd.DataFrame:
        """The test labels: columns `id`, `path`, `generator`; no rows where there are none."""
        return pd.read_csv(INGEST / "labels.csv", dtype=str, keep_default_na=False)

    @property
    def content(self) -> Embeddings:
        """The content-only baseline's embeddings."""
        return Embeddings.load(INGEST / "content.npz")

    @property
    def descriptors(self) -> Embeddings:
        """What the model sees of the images' content."""
        return Embeddings.load(INGEST / "descriptors.npz")


def data_root(params: Params) -> Path:
    """The data set that params.yaml names.

    Raises:
        UserError: it is not there.
    """
    root = Path(params.data.root)
    if not root.is_dir():
        raise UserError(
            f"data.root '{root}' is missing; run `ganamis sample` for the default data, or "
            "`ganamis import <folder>` (make run DATA=<folder>) for your own"
        )
    return root


def read_ingested(params: Params) -> Ingested:
    """Read the manifest and its summary.

    Raises:
        UserError: `ingest` has not run.
    """
    summary = read_json(INGEST / "summary.json", stage="ingest")
    manifest = Manifest.load(require(INGEST / "manifest.csv", stage="ingest"))
    return Ingested(data_root(params), summary["data_digest"], manifest, summary)


def settings_digest(settings: dict[str, Any]) -> str:
    """A short name for everything a result depends on."""
    canonical = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
