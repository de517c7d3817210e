"""The report page in a real browser: figures, narrow screens, keyboard, contrast."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

from tests.browser.looking import CONTRASTS, READABLE, resize


@pytest.fixture
def page(browser: Chrome, request: pytest.FixtureRequest) -> Iterator[Chrome]:
    """The page opened as a file, with no server; GANAMIS_REPORT names another page to check."""
    named = os.environ.get("GANAMIS_REPORT")
    made = "results/report/report.html"
    path = Path(named) if named else request.getfixturevalue("project") / made
    browser.get("about:blank")
    browser.get_log("browser")
    resize(browser, 1280)
    browser.get(path.resolve().as_uri())
    yield browser
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_every_figure_is_there_and_says_what_it_shows(page: Chrome) -> None:
    images = page.find_elements(By.TAG_NAME, "img")
    assert len(images) >= 10
    for image in images:
        assert page.execute_script("return arguments[0].complete", image)
        assert page.execute_script("return arguments[0].naturalWidth", image) > 0
        assert len(image.get_attribute("alt") or "") > 10
    plates = page.find_elements(By.CSS_SELECTOR, "figure.plate h3")
    titles = {plate.text for plate in plates}
    assert titles >= {
        "ARI of every extractor",
        "Fingerprint of each generator",
        "Fingerprint of each cluster",
        "Map of the images",
        "Clusters against generators",
    }


def test_it_asks_nothing_of_any_server_and_has_no_errors(page: Chrome) -> None:
    assert page.get_log("browser") == []
    addresses = page.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    assert [address for address in addresses if not address.startswith("data:")] == []


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_the_page_itself_never_scrolls_sideways(page: Chrome, width: int) -> None:
    resize(page, width)
    page.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(page: Chrome, scheme: str) -> None:
    resize(page, 1280, scheme=scheme)
    page.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    contrasts = page.execute_script(CONTRASTS)
    assert len(contrasts) > 100
    assert [(ratio, text) for ratio, text in contrasts if ratio < READABLE] == []


def test_the_keyboard_reaches_the_skip_link_first_and_tables_can_be_scrolled(page: Chrome) -> None:
    page.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    skip = page.switch_to.active_element
    assert skip.text == "Skip to the results"
    assert skip.rect["x"] >= 0
    assert page.execute_script("return getComputedStyle(arguments[0]).outlineStyle", skip) != "none"
    skip.send_keys(Keys.ENTER)
    assert page.switch_to.active_element.get_attribute("id") == "results"
    for region in page.find_elements(By.CSS_SELECTOR, "[role=region]"):
        assert region.get_attribute("tabindex") == "0" and region.get_attribute("aria-label")
