"""A few hundred damaged files: nothing but our errors, in bounded memory and time."""

import pytest

from tests.data.mutations import SEEDS, run


@pytest.mark.parametrize("kind", SEEDS)
def test_damaged_files_are_read_or_refused(kind: str) -> None:
    found = run(kind, first=0, files=80)
    assert set(found["outcomes"]) <= {"read", "refused"}
    assert found["outcomes"].get("refused", 0) >= 20
    assert found["slowest"] < 5
