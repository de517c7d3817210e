"""`select`: choose extractor and clusterer on development data alone."""

import pandas as pd

from ganamis.files import require, try_output, write_json
from ganamis.model.evaluation import choose, learned
from ganamis.params import Params
from ganamis.stages.paths import CLUSTER, SELECT


def select(params: Params) -> None:
    """Read `development.csv`, write `selection.json`."""
    try_output(SELECT / "selection.json", folder=False)
    table = require(CLUSTER / "development.csv", stage="cluster")
    best = choose(learned(pd.read_csv(table)), order=params.architectures)
    write_json(
        SELECT / "selection.json",
        {
            "architecture": best["architecture"],
            "clusterer": best["clusterer"],
            "development_ari_unknown": float(best["unknown"]),
            "development_ari_known": None if pd.isna(best["known"]) else float(best["known"]),
        },
    )
    print(
        f"Selected {best['architecture']} with {best['clusterer']}: open-world development ARI "
        f"{best['unknown']:.4f}, the number of generators unknown."
    )
