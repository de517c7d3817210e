"""What an interrupted search or training left may be damaged: the file is named, and the remedy."""

import shutil
from pathlib import Path

import pytest

from ganamis.errors import UserError
from ganamis.extractors.search import JOURNAL, trial_folder
from ganamis.extractors.training import LOG_FILE, _finished_epochs
from tests.extractors.test_search import ComponentsCandidate, run

DAMAGES = {
    "a blank line": lambda lines: [*lines[:2], b"\n", *lines[2:]],
    "a line that is no JSON": lambda lines: [*lines[:2], b"{'op\n", *lines[2:]],
    "a line of another kind": lambda lines: [*lines[:2], b'["x"]\n', *lines[2:]],
    "bytes that are no text": lambda lines: [b"\xff\xfe\n", *lines],
}


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searched")
    run(ComponentsCandidate(), folder, trials=2)
    return folder


@pytest.fixture
def left(searched: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(searched, tmp_path / "work"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_journal(left: Path, damage: str) -> None:
    journal = left / JOURNAL
    journal.write_bytes(b"".join(DAMAGES[damage](journal.read_bytes().splitlines(keepends=True))))
    with pytest.raises(UserError, match="journal.log'.*is damaged.*remove it, and the search"):
        run(ComponentsCandidate(), left, trials=3)
    journal.unlink()
    assert run(ComponentsCandidate(), left, trials=2).value is not None


def test_folds_of_a_finished_trial_that_are_gone(left: Path) -> None:
    best = run(ComponentsCandidate(), left, trials=2)
    shutil.rmtree(trial_folder(left, "study", best.number))
    with pytest.raises(UserError, match="is incomplete; remove.*the search begins anew"):
        run(ComponentsCandidate(), left, trials=2)


def test_a_damaged_log_of_epochs(tmp_path: Path) -> None:
    log = tmp_path / LOG_FILE
    log.parent.mkdir(parents=True, exist_ok=True)
    for text in ("epoch,val_loss\n0,abc\n", "epoch,loss\n0,1.0\n"):
        log.write_text(text)
        with pytest.raises(UserError, match="is damaged.*remove it, and the training"):
            _finished_epochs(tmp_path)
