"""What people see in the MLflow UI at the addresses that `make ui` prints."""

import re
from pathlib import Path

import mlflow
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from ganamis.tracking.runs import EXPERIMENT
from ganamis.tracking.view import CHARTS, HEADLINE, SCORE, SEARCHED
from tests.browser.conftest import ARCHITECTURES, ROOT

PATIENCE = 60  # seconds


def _open(browser: Chrome, address: str, label: str) -> None:
    """Go to the address that `make ui` prints after `label`."""
    makefile = (ROOT / "Makefile").read_text()
    (found,) = re.findall(rf'@echo "{label}: +\$\(UI\)(\S+)"', makefile)
    browser.get("about:blank")  # a change after the hash alone would not load the page again
    browser.get(address + found)


def _column(browser: Chrome, name: str) -> list[str]:
    cells = browser.find_elements(By.CSS_SELECTOR, f'.ag-row [col-id="metrics.`{name}`"]')
    return [cell.text for cell in cells]


def test_the_table_compares_ari_of_six_architectures(
    browser: Chrome, address: str, project: Path
) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{project / 'mlflow.db'}")
    runs = mlflow.search_runs(
        experiment_names=[EXPERIMENT], filter_string="tags.stage = 'train'"
    ).set_index("tags.mlflow.runName")
    assert sorted(runs.index) == sorted(ARCHITECTURES)
    expected = runs[f"metrics.{HEADLINE}"].sort_values(ascending=False)

    _open(browser, address, "Runs")
    WebDriverWait(browser, PATIENCE).until(
        lambda page: len([text for text in _column(page, HEADLINE) if text]) == len(ARCHITECTURES)
    )
    page = browser.find_element(By.TAG_NAME, "body").text
    assert all(name in page for name in ARCHITECTURES)
    assert HEADLINE in page
    shown = [float(text) for text in _column(browser, HEADLINE)]
    assert sorted(shown, reverse=True) == pytest.approx(expected.tolist(), abs=1e-6)


def test_the_charts_compare_ari_of_six_architectures(browser: Chrome, address: str) -> None:
    def bars(page: Chrome) -> list[int]:
        charts = page.find_elements(By.CSS_SELECTOR, ".js-plotly-plot")
        return [len(chart.find_elements(By.CSS_SELECTOR, ".bars .point")) for chart in charts]

    _open(browser, address, "Charts")
    WebDriverWait(browser, PATIENCE).until(
        lambda page: len(bars(page)) >= 4 and min(bars(page)) == len(ARCHITECTURES)
    )
    page = browser.find_element(By.TAG_NAME, "body").text
    assert sum(name in page for name in CHARTS) >= 4


def test_the_search_is_seen_as_parallel_coordinates(browser: Chrome, address: str) -> None:
    def axes(page: Chrome) -> set[str]:
        found = page.find_elements(By.CSS_SELECTOR, ".parcoords svg text.label")
        return {text.text for text in found}

    _open(browser, address, "Search")
    WebDriverWait(browser, PATIENCE).until(lambda page: {*SEARCHED, SCORE} <= axes(page))


def test_the_registered_model_shows_its_champion(browser: Chrome, address: str) -> None:
    _open(browser, address, "Model")
    body = WebDriverWait(browser, PATIENCE).until(
        lambda page: (
            text if "@ champion" in (text := page.find_element(By.TAG_NAME, "body").text) else False
        )
    )
    assert "Which generative model made a medical image?" in body
    assert "Version 1" in body
    assert "data" in body and "commit" in body and "ari" in body
