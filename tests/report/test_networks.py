"""Architecture by recipe, and the chart of the searches."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from ganamis.extractors.importance import importances
from ganamis.report import wording
from ganamis.report.networks import trained_rows
from ganamis.report.search_chart import AXES, search_chart

COLUMNS = ["architecture", "clusterer", "mode", "ari", "clusters"]


def _summary(name: str, values: dict[str, object]) -> dict[str, object]:
    return {
        "architecture": name,
        "development_accuracy": 0.5,
        "learned": False,
        "seconds": 7.0,
        "images_per_second": 9.0,
        "values": values,
    }


def _trials() -> pd.DataFrame:
    """The loss decides, the depth helps, and nothing else matters."""
    random = np.random.default_rng(0)
    rows = [
        {
            "architecture": architecture,
            "depth": depth,
            "loss": loss,
            "crop": 64,
            "learning_rate": 10 ** random.uniform(-3.5, -2.5),
            "state": "complete" if depth == 4 else "pruned",
            "development_ari": 0.6 * (loss == "contrastive") + 0.1 * (depth == 4),
        }
        for architecture in ("resnet50", "vgg19")
        for depth in (4, 8)
        for loss in ("contrastive", "softmax")
    ]
    return pd.DataFrame(rows)


def test_recipes_stand_side_by_side_and_other_extractors_last() -> None:
    scores = pd.DataFrame(
        [
            ("vgg19_paper", "kmeans", "known", 0.01, 5),
            ("vgg19_paper", "open_world", "unknown", 0.25, 2),
            ("spectrum", "open_world", "unknown", 1.0, 5),
        ],
        columns=COLUMNS,
    )
    network = {"depth": 4, "crop": 64, "loss": "softmax", "learning_rate": 1e-3}
    summaries = [
        (_summary("spectrum", {"grid": 3}), ("spectrum", "spectrum")),
        (_summary("vgg19_paper", {"dropout": 0.0}), ("vgg19", "paper")),
        (_summary("vgg19_fingerprint", network), ("vgg19", "fingerprint")),
    ]
    rows = trained_rows(summaries, scores)
    assert [row.name for row in rows] == ["vgg19_fingerprint", "vgg19_paper", "spectrum"]
    assert [row.recipe for row in rows] == ["fingerprint", "paper", ""]
    assert rows[0].read == "stride 4, crop 64, softmax" and rows[1].read == ""
    assert (rows[1].raw, rows[1].unknown, rows[1].found) == (0.01, 0.25, 2)
    assert rows[0].unknown is None and rows[1].whitened is None


def test_importances_find_what_the_score_depends_on() -> None:
    shares = importances(_trials(), ["architecture", *AXES], seed=0)
    assert max(shares, key=lambda name: shares[name]) == "loss"
    assert shares["crop"] == 0.0 and 0.99 < sum(shares.values()) < 1.01


def test_too_few_or_equal_trials_have_no_importances() -> None:
    assert importances(_trials()[:3], list(AXES), seed=0) == {}
    assert importances(_trials().assign(development_ari=0.5), list(AXES), seed=0) == {}


def test_the_searches_become_a_chart_and_a_sentence(tmp_path: Path) -> None:
    trials = _trials()
    search_chart(trials, {"loss": 0.9, "depth": 0.1}, tmp_path / "searches.png")
    with Image.open(tmp_path / "searches.png") as image:
        assert image.width > 1000
    told = wording.searches(trials, {"loss": 0.9, "learning_rate": 0.1})
    assert "8 trials" in told and "resnet50 at stride 4 by the contrastive loss: 0.700" in told
    assert "loss 0.90 and learning rate 0.10" in told
    assert "Importance" not in wording.searches(trials, {})
