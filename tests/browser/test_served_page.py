"""The page of `serve` in a real browser: 300 images of the zoo, on a desktop and on a phone."""

import asyncio
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import uvicorn
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from ganamis.model.shipped import load_shipped
from ganamis.registry.choice import Chosen
from ganamis.serving.page import Page
from ganamis.serving.transport import Limits, Message, Receive, Send
from ganamis.stages.served_page import PageAnswerer
from ganamis.zoo.sampling import sample_images
from tests.browser.looking import CONTRASTS, READABLE, resize
from tests.builders import PARAMS, noise, write

PATIENCE = 180  # seconds
DRAWN = ("dcgan", "pixel_shuffle", "vae", "vqvae")
PER_GENERATOR = 75


@pytest.fixture(scope="module")
def images(browser: Chrome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 images whose names say who drew them; drawn only where there is a browser."""
    root = tmp_path_factory.mktemp("served") / "images"
    for place, name in enumerate(DRAWN):
        for number, pixels in enumerate(sample_images(name, PER_GENERATOR, seed=20 + place)):
            write(root / f"{number % 2}" / f"{name}-{number:02}.png", pixels)
    shutil.make_archive(str(root), "zip", root)
    return root


async def _nothing(scope: Message, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture(scope="module")
def address(images: Path) -> Iterator[str]:
    """The page with the shipped model behind it; `test_server` has it behind `ganamis serve`."""
    limits = Limits(**{k: getattr(PARAMS.serve, k) for k in Limits.__dataclass_fields__})
    answerer = PageAnswerer(Chosen(load_shipped(), "the shipped model"), limits)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(Page(_nothing, answerer, limits), lifespan="off", log_level="error")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        deadline = time.monotonic() + 60
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        thread.join()


@pytest.fixture
def page(browser: Chrome, address: str) -> Iterator[Chrome]:
    browser.get("about:blank")
    browser.get_log("browser")
    resize(browser, 1280)
    browser.get(address)
    yield browser
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def drop(page: Chrome, *paths: Path) -> None:
    box = page.find_element(By.ID, "drop").rect
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for step in ("dragEnter", "dragOver", "drop"):
        place = {"x": box["x"] + 30, "y": box["y"] + 30}
        page.execute_cdp_cmd("Input.dispatchDragEvent", {"type": step, **place, "data": data})


def wait_for(page: Chrome, *ids: str) -> str:
    """Wait until one of the elements is seen; its text."""

    def seen(page: Chrome) -> str:
        texts = [page.find_element(By.ID, each).text for each in ids]
        return next((text for text in texts if text), "")

    return WebDriverWait(page, PATIENCE).until(seen)


def answer(page: Chrome) -> str:
    page.find_element(By.ID, "send").click()
    return wait_for(page, "results-title", "failure")


def pictures(page: Chrome) -> int:
    """How many pictures are drawn, once all are."""
    script = """const drawn = [...document.querySelectorAll('.picture img')];
        return [document.querySelectorAll('.picture').length,
            drawn.filter(image => image.naturalWidth === 256).length]"""
    WebDriverWait(page, PATIENCE).until(lambda page: len(set(page.execute_script(script))) == 1)
    return page.execute_script(script)[0]


def test_a_folder_of_300_images_is_answered_by_one_request(
    page: Chrome, tmp_path: Path, images: Path
) -> None:
    told = page.find_element(By.ID, "limits").text
    assert "2,048 images" in told and "128 MiB" in told and "1.0 MiB each" in told
    drop(page, images)
    assert wait_for(page, "choice").startswith("300 files")
    assert answer(page) == "4 generators behind 300 images"
    assert page.switch_to.active_element.get_attribute("id") == "results-title"
    assert page.find_element(By.ID, "sure").text.startswith("That the number is right: ")
    cards = page.find_elements(By.CSS_SELECTOR, "#clusters .card")
    assert sorted(
        card.find_element(By.TAG_NAME, "h3").text.split(": ")[1] for card in cards
    ) == sorted(DRAWN)
    assert pictures(page) == 4 * 9 + 12
    button = cards[0].find_element(By.TAG_NAME, "button")
    button.send_keys(Keys.ENTER)
    size = int(cards[0].find_element(By.TAG_NAME, "p").text.split(" image")[0])
    assert abs(size - PER_GENERATOR) <= 3
    assert pictures(page) == 3 * 9 + size + 12
    names = page.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    own = page.current_url
    paths = [name.removeprefix(own) for name in names if not name.startswith(("blob:", "data:"))]
    assert sorted(paths) == ["archive.js", "attribute?", "drawing.js", "page.css", "page.js"]
    assert page.get_log("browser") == []
    check_downloads(page, tmp_path, largest=size)


def check_downloads(page: Chrome, folder: Path, *, largest: int) -> None:
    behaviour = {"behavior": "allow", "downloadPath": str(folder)}
    page.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
    table, report = folder / "ganamis-clusters.csv", folder / "ganamis-report.html"
    page.find_element(By.ID, "csv").send_keys(Keys.ENTER)
    page.find_element(By.ID, "report").send_keys(Keys.ENTER)
    WebDriverWait(page, PATIENCE).until(lambda _: table.exists() and report.exists())
    rows = pd.read_csv(table)
    assert len(rows) == 300
    assert rows["generator"].value_counts().iloc[0] == largest
    assert (rows["generator"] == rows["image"].str.extract(r"/(\w+)-")[0]).mean() > 0.95
    assert "4 generators behind these 300 images" in report.read_text(encoding="utf-8")


def test_a_zip_on_a_phone(page: Chrome, images: Path) -> None:
    resize(page, 390, scheme="dark")
    page.find_element(By.ID, "files").send_keys(f"{images}.zip")
    assert wait_for(page, "choice").startswith("300 files")
    assert answer(page) == "4 generators behind 300 images"
    assert pictures(page) == 4 * 9 + 12
    for width in (320, 390, 768):
        resize(page, width, scheme="dark")
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
    for button in page.find_elements(By.CSS_SELECTOR, "button, .choose"):
        assert not button.is_displayed() or button.rect["height"] >= 44  # a finger's width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(page: Chrome, images: Path, scheme: str) -> None:
    resize(page, 1280, scheme=scheme)
    page.execute_script("document.querySelector('details').open = true")
    some = sorted((images / "0").glob("*.png"))[::5]
    page.find_element(By.ID, "files").send_keys("\n".join(map(str, some)))
    wait_for(page, "choice")
    answer(page)
    contrasts = page.execute_script(CONTRASTS)
    assert len(contrasts) > 50
    assert [(ratio, text) for ratio, text in contrasts if ratio < READABLE] == []


def test_the_keyboard_alone_is_enough(page: Chrome, images: Path) -> None:
    def focused() -> str:
        return page.switch_to.active_element.get_attribute("id") or ""

    ActionChains(page).send_keys(Keys.TAB).perform()
    assert page.switch_to.active_element.text == "Skip to the form"
    seen = []
    for _ in range(3):
        ActionChains(page).send_keys(Keys.TAB).perform()  # keys sent to a file input are a path
        seen.append(focused())
        assert (
            page.execute_script(
                "const at = document.activeElement.closest('.choose') ?? document.activeElement;"
                "return getComputedStyle(at).outlineStyle"
            )
            != "none"
        )
    assert seen[:2] == ["files", "folder"]
    page.find_element(By.ID, "files").send_keys(str(next((images / "0").iterdir())))
    wait_for(page, "choice")
    assert focused() == "send"
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert wait_for(page, "results-title") == "1 generator behind 1 image"
    assert focused() == "results-title"


def test_what_cannot_be_answered_is_said(page: Chrome, tmp_path: Path) -> None:
    write(tmp_path / "a" / "one.png", noise(1, size=64))
    write(tmp_path / "a" / "<b>two.png", noise(2, size=96))
    drop(page, tmp_path / "a")
    wait_for(page, "choice")
    failure = answer(page)
    assert "different sizes" in failure and "--size" in failure
    page.find_element(By.TAG_NAME, "summary").click()
    page.find_element(By.NAME, "size").send_keys("96x96")
    assert answer(page) == "1 generator behind 1 image"
    assert "<b>two.png" in page.find_element(By.ID, "clusters").text


def test_too_much_is_said_before_anything_is_sent(page: Chrome, tmp_path: Path) -> None:
    for number in range(PARAMS.serve.images + 1):
        write(tmp_path / f"{number}.png", b"x")
    write(tmp_path / "large.png", bytes(PARAMS.serve.largest_file + 1))
    drop(page, tmp_path)
    assert "1 file, first large.png" in wait_for(page, "choice")
    assert "2,049 files: more than 2,048" in page.find_element(By.ID, "problems").text
    assert not page.find_element(By.ID, "send").is_enabled()
