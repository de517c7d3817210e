"""The documentation as a site: it builds without a warning, and asks nothing of other servers."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FETCHED = re.compile(r'<(?:script|img|iframe)[^>]+src="(https?:)?//|<link[^>]+stylesheet[^>]+//')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def pages(entry: object) -> list[str]:
    """The files of a part of the navigation."""
    if isinstance(entry, str):
        return [entry]
    parts = entry.values() if isinstance(entry, dict) else entry
    return [page for part in parts for page in pages(part)]


def test_every_page_is_built_and_fetches_nothing_from_elsewhere(site: Path) -> None:
    listed = pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    assert sorted(listed) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))
    for page in listed:
        html = (site / page).with_suffix(".html").read_text(encoding="utf-8")
        assert not FETCHED.search(html), page


def test_the_python_interface_is_told_from_its_docstrings(site: Path) -> None:
    html = (site / "api.html").read_text(encoding="utf-8")
    for name in ("attribute", "load", "Attribution", "FingerprintModel", "Embedded", "confidence"):
        assert name in html
    assert "[N, H, W]" in html


def test_the_model_card_names_what_the_shipped_model_knows() -> None:
    from ganamis.model.shipped import load_shipped

    card = (ROOT / "docs" / "card.md").read_text(encoding="utf-8")
    assert ", ".join(load_shipped().known) in card
