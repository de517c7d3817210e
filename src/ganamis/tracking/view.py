"""The view in which the MLflow UI compares extractors: filter, order, columns and charts.

The UI keeps a shared view as JSON in a tag of the experiment, and opens it from an address that
ends in `viewStateShareKey=<key>`. The form is the one of MLflow 3.17.
"""

import json

KEY = "compare"
TAG = f"mlflow.sharedViewState.{KEY}"
HEADLINE = "test_ari/open_world_unknown"
SECTIONS = {"test_ari": "Test ARI", "development_ari": "Development ARI, one generator held out"}
CHARTS = (
    HEADLINE,
    "test_ari/open_world_known",
    "test_ari/kmeans_whitened_known",
    "test_ari/kmeans_known",
    "development_ari/open_world_unknown",
)
WIDTH = 220  # pixels of a column: a metric's whole name


def _view() -> str:
    """The view as the UI stores it."""
    columns = [f"metrics.`{name}`" for name in (*CHARTS, "seconds")]
    columns += ["params.`data_digest`", "tags.`git_commit`"]
    charts = [
        {
            "type": "BAR",
            "uuid": name,
            "metricSectionId": name.split("/")[0],
            "isGenerated": True,
            "deleted": False,
            "metricKey": name,
        }
        for name in CHARTS
    ]
    sections = [
        {"uuid": key, "name": title, "display": True, "isReordered": False, "columns": 2}
        for key, title in SECTIONS.items()
    ]
    return json.dumps(
        {
            "searchFilter": "tags.stage = 'train'",
            "orderByKey": columns[0],
            "orderByAsc": False,
            "selectedColumns": columns,
            "columnOrder": columns,
            "columnWidths": dict.fromkeys(columns, WIDTH),
            "compareRunCharts": charts,
            "compareRunSections": sections,
            "isAccordionReordered": True,
        }
    )


VIEW = _view()
