"""The page of a folder in a real browser: narrow screens, contrast, nothing fetched."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from ganamis.data.reading import Reading
from ganamis.stages.attribute import attribute
from tests.browser.looking import CONTRASTS, READABLE, resize
from tests.two_generators import write_images


@pytest.fixture(scope="module")
def written(browser: Chrome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a plain folder; built only where there is a browser."""
    root = tmp_path_factory.mktemp("folder")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        write_images(root / "images", images=12)
        attribute(
            root / "images",
            out=root / "found.csv",
            clusters="2",
            model=None,
            submission=None,
            report=root / "page.html",
            reading=Reading(),
        )
    return root / "page.html"


@pytest.fixture
def page(browser: Chrome, written: Path) -> Iterator[Chrome]:
    browser.get("about:blank")
    browser.get_log("browser")
    resize(browser, 1280)
    browser.get(written.as_uri())
    yield browser
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_every_picture_is_there_and_nothing_is_fetched(page: Chrome) -> None:
    for image in page.find_elements(By.TAG_NAME, "img"):
        assert page.execute_script("return arguments[0].naturalWidth", image) > 0
        assert len(image.get_attribute("alt") or "") > 10
    plates = {plate.text for plate in page.find_elements(By.CSS_SELECTOR, "figure.plate h3")}
    assert plates == {
        "Fingerprint of each cluster",
        "Fingerprints that the model knows",
        "Side by side",
        "Map of the images",
        "Lineage of the clusters",
    }
    assert page.get_log("browser") == []
    names = "return performance.getEntriesByType('resource').map(entry => entry.name)"
    assert [name for name in page.execute_script(names) if not name.startswith("data:")] == []


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_the_page_itself_never_scrolls_sideways(page: Chrome, width: int) -> None:
    resize(page, width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(page: Chrome, scheme: str) -> None:
    resize(page, 1280, scheme=scheme)
    contrasts = page.execute_script(CONTRASTS)
    assert len(contrasts) > 50
    assert [(ratio, text) for ratio, text in contrasts if ratio < READABLE] == []
