"""The views in which the MLflow UI compares extractors and searches: filter, columns and charts.

The UI keeps a shared view as JSON in a tag of the experiment, and opens it from an address that
ends in `viewStateShareKey=<key>`. The form is the one of MLflow 3.17.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

TAG = "mlflow.sharedViewState."  # followed by the view's key
HEADLINE = "test_ari/open_world_unknown"
SECTIONS = {
    "test_ari": "Test ARI",
    "development_ari": "Development ARI, one generator held out",
    "training": "Held-out accuracy and cost",
}
CHARTS = (
    HEADLINE,
    "test_ari/open_world_known",
    "test_ari/kmeans_whitened_known",
    "test_ari/kmeans_known",
    "development_ari/open_world_unknown",
)
COST = ("development_accuracy", "seconds", "images_per_second")
SEARCHED = ("extractor", "depth", "loss", "crop", "learning_rate")
SCORE = "development_ari"
WIDTH = 220  # pixels of a column: a metric's whole name


def _view(
    *,
    find: str,
    order: str,
    columns: Sequence[str],
    charts: Sequence[Mapping[str, Any]],
    sections: Mapping[str, str],
    columns_in_row: int = 2,
) -> str:
    """A view as the UI stores it; columns_in_row: charts side by side."""
    shown = [{"isGenerated": True, "deleted": False, **chart} for chart in charts]
    titled = [
        {
            "uuid": key,
            "name": title,
            "display": True,
            "isReordered": False,
            "columns": columns_in_row,
        }
        for key, title in sections.items()
    ]
    return json.dumps(
        {
            "searchFilter": find,
            "orderByKey": order,
            "orderByAsc": False,
            "selectedColumns": list(columns),
            "columnOrder": list(columns),
            "columnWidths": dict.fromkeys(columns, WIDTH),
            "compareRunCharts": shown,
            "compareRunSections": titled,
            "isAccordionReordered": True,
        }
    )


def _bar(metric: str, section: str) -> dict[str, Any]:
    return {"type": "BAR", "uuid": metric, "metricSectionId": section, "metricKey": metric}


def _compare() -> str:
    """Architecture by recipe: one run per extractor."""
    columns = ["tags.`architecture`", "tags.`recipe`"]
    columns += [f"metrics.`{name}`" for name in ("development_accuracy", "learned", *CHARTS)]
    columns += [f"metrics.`{name}`" for name in COST[1:]]
    columns += ["params.`data_digest`", "tags.`git_commit`"]
    charts = [_bar(name, name.split("/")[0]) for name in CHARTS]
    charts += [_bar(name, "training") for name in COST]
    return _view(
        find="tags.stage = 'train'",
        order=f"metrics.`{HEADLINE}`",
        columns=columns,
        charts=charts,
        sections=SECTIONS,
    )


def _search() -> str:
    """What Optuna tried for the six networks: one run per trial."""
    columns = [f"params.`{name}`" for name in SEARCHED] + [f"metrics.`{SCORE}`"]
    chart = {
        "type": "PARALLEL",
        "uuid": "parallel",
        "metricSectionId": "search",
        "selectedParams": list(SEARCHED),
        "selectedMetrics": [SCORE],
        "showAllRuns": False,
    }
    return _view(
        find="tags.stage = 'trial' and tags.recipe = 'fingerprint'",
        order=f"metrics.`{SCORE}`",
        columns=columns,
        charts=[chart],
        sections={"search": "Search of the six networks, open-world ARI on development"},
        columns_in_row=1,
    )


VIEWS = {TAG + "compare": _compare(), TAG + "search": _search()}
