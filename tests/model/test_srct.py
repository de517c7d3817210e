"""The whole method on real re-generated CT, where that data set is at hand."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import adjusted_rand_score

from ganamis.data.degradations import degrade
from ganamis.extractors.loading import load_extractor
from ganamis.extractors.simulated_network import shipped_folder
from ganamis.model.catalogue import fit_on_images
from tests.builders import PARAMS

BESIDE = Path(__file__).parents[3] / "shared" / "data" / "srct"
SRCT = Path(os.environ.get("GANAMIS_SRCT", BESIDE))


def read(paths: list[Path]) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)) for path in paths])


@pytest.mark.skipif(not SRCT.is_dir(), reason="set GANAMIS_SRCT to the folder of the data set")
def test_four_generators_of_which_one_was_never_seen() -> None:
    development = sorted(SRCT.glob("development/*/*.png"))
    generators = np.array([path.parent.name for path in development])
    with open(SRCT / "test_labels.csv", encoding="utf-8") as file:
        truth = {row["image"]: row["model"] for row in csv.DictReader(file)}
    images = read([SRCT / "test" / name for name in truth])
    models = np.array(list(truth.values()))
    model = fit_on_images(
        load_extractor(shipped_folder()),
        read(development),
        generators,
        conditions=("clean", "jpeg75"),
        settings=PARAMS.model,
        seed=0,
    )
    known = np.isin(models, generators)
    for condition, least in (("clean", 0.97), ("jpeg75", 0.85)):
        result = model.together(model.embed(degrade(images, condition, seed=1)))
        assert result.count == 4
        assert adjusted_rand_score(models, result.labels) > least
        named = np.where(known, models, "unknown-1")
        assert (result.names == named).mean() > 0.95
