"""Fixtures shared by every test folder, and which worker runs which tests."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.builders import build_folder

BROWSER = "tests/browser/"
# Begun first, so that no worker is left waiting.
LONGEST = (
    BROWSER,
    "tests/stages/test_attribute_batch.py",
    "tests/test_pipeline.py",
    "tests/test_team.py",
)


def together(nodeid: str) -> str:
    """What one worker runs: a file, which shares what it builds; in a browser, the whole folder."""
    return BROWSER if nodeid.startswith(BROWSER) else nodeid.split("::")[0]


class OneWorkerAFile(LoadScopeScheduling):
    """Not the mark `xdist_group`: pytest 9.2 no longer heeds what xdist makes of it."""

    def _split_scope(self, nodeid: str) -> str:
        return together(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneWorkerAFile:
    return OneWorkerAFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: together(item.nodeid) not in LONGEST)


@pytest.fixture(scope="session", autouse=True)
def quick_stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """MLflow builds its first store in this worker; the later ones are copies."""
    if "mlflow" not in sys.modules:  # no test that was collected uses it
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        from tests import stores

        patch.setattr(
            stores.utils, "_initialize_tables", stores.copying(tmp_path_factory.mktemp("stores"))
        )
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good labelled data set: two generators, two images of each in each split."""
    return build_folder(tmp_path / "images")
