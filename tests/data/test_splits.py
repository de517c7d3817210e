"""The held-out share depends on identity and seed, and on nothing else."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from ganamis.data.splits import held_out_share


def rows(counts: dict[str, int]) -> pd.DataFrame:
    named = [(name, i) for name, count in counts.items() for i in range(count)]
    return pd.DataFrame(
        {
            "id": [hashlib.sha256(f"{name}{i}".encode()).hexdigest() for name, i in named],
            "generator": [name for name, _ in named],
        }
    )


@pytest.mark.parametrize(
    ("count", "share", "expected"), [(20, 0.25, 5), (20, 0.5, 10), (3, 0.1, 1), (1, 0.5, 1)]
)
def test_share_of_each_generator(count: int, share: float, expected: int) -> None:
    table = rows({"a": count, "b": 2 * count + 2, "c": count})
    chosen = pd.Series(held_out_share(table, share=share, seed=1)).groupby(table["generator"]).sum()
    assert chosen["a"] == chosen["c"] == expected
    assert chosen["b"] == max(1, round(share * (2 * count + 2)))


def test_order_of_rows_does_not_matter() -> None:
    table = rows({"a": 20, "b": 31})
    shuffled = table.sample(frac=1, random_state=0)  # its index is shuffled too
    whole = set(table["id"][held_out_share(table, share=0.3, seed=5)])
    assert set(shuffled["id"][held_out_share(shuffled, share=0.3, seed=5)]) == whole


def test_another_generator_does_not_change_the_choice() -> None:
    small, large = rows({"a": 20}), rows({"a": 20, "b": 9})
    alone = held_out_share(small, share=0.3, seed=5)
    np.testing.assert_array_equal(held_out_share(large, share=0.3, seed=5)[:20], alone)


def test_seed_changes_the_choice() -> None:
    table = rows({"a": 40})
    first, second = (held_out_share(table, share=0.5, seed=seed) for seed in (1, 2))
    assert (first != second).any()
