"""The code of docs/python.md runs, block after block, as a reader would type it."""

import re
from pathlib import Path

import pytest

from tests.two_generators import write_images

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


def test_the_blocks_of_the_python_page_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    write_images(Path("images"), images=12)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 6
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert "expected images of shape [N, H, W]" in capsys.readouterr().out
    assert names["table"]["id"].str.startswith(("0/", "1/")).all()
