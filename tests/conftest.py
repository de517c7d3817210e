"""Fixtures shared by every test folder."""

from pathlib import Path

import pytest

from tests.builders import build_folder

TESTS = Path(__file__).parent
BROWSER = TESTS / "browser"
LONGEST = (BROWSER, TESTS / "test_pipeline.py")  # begun first, so that no worker is left waiting


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker runs all tests of a file; those in a browser share one trained project as well."""
    for item in items:
        group = BROWSER if BROWSER in item.path.parents else item.path
        item.add_marker(pytest.mark.xdist_group(str(group)))
    items.sort(key=lambda item: not {item.path, item.path.parent} & set(LONGEST))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good labelled data set: two generators, two images of each in each split."""
    return build_folder(tmp_path / "images")
