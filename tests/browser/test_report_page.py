"""The report page in a real browser: figures, narrow screens, keyboard, contrast."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

# Every text that can be seen, with its contrast by WCAG 2's formula. Backgrounds are opaque.
CONTRASTS = """
const channels = colour => colour.match(/[\\d.]+/g).map(Number);
const luminance = rgb => {
  const [r, g, b] = rgb.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const background = element => {
  for (let at = element; at; at = at.parentElement) {
    const rgb = channels(getComputedStyle(at).backgroundColor);
    if (rgb.length < 4 || rgb[3] > 0) return rgb;
  }
  return [255, 255, 255];
};
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim()) continue;
  const pair = [getComputedStyle(element).color, background(element)];
  const light = [luminance(channels(pair[0])), luminance(pair[1])].sort((a, b) => b - a);
  found.push([(light[0] + 0.05) / (light[1] + 0.05), walker.currentNode.data.trim().slice(0, 40)]);
}
return found;
"""
READABLE = 4.5  # WCAG 2.2, success criterion 1.4.3, level AA


def _resize(browser: Chrome, width: int, *, scheme: str = "light") -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@pytest.fixture
def page(browser: Chrome, request: pytest.FixtureRequest) -> Iterator[Chrome]:
    """The page opened as a file, with no server; GANAMIS_REPORT names another page to check."""
    named = os.environ.get("GANAMIS_REPORT")
    made = "results/report/report.html"
    path = Path(named) if named else request.getfixturevalue("project") / made
    browser.get("about:blank")
    browser.get_log("browser")
    _resize(browser, 1280)
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
    _resize(page, width)
    page.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(page: Chrome, scheme: str) -> None:
    _resize(page, 1280, scheme=scheme)
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
