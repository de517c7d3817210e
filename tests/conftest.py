"""Fixtures shared by every test folder."""

from pathlib import Path

import pytest

from tests.builders import build_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good labelled data set: two generators, two images of each in each split."""
    return build_folder(tmp_path / "images")
