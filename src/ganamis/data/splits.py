"""Splits of the development images that depend on identity alone, never on file order."""

import hashlib

import numpy as np
import pandas as pd


def held_out_share(rows: pd.DataFrame, *, share: float, seed: int) -> np.ndarray:
    """Choose a share of each generator's images, the same ones in whatever order they come.

    Args:
        rows: development rows of a manifest, with `id` and `generator`.
        share: of each generator's images, rounded, at least one.

    Returns:
        `[N]` bool, True for the held-out images.
    """
    keys = np.array(
        [hashlib.sha256(f"{seed}:{identity}".encode()).hexdigest() for identity in rows["id"]]
    )
    chosen = np.zeros(len(rows), dtype=bool)
    for _, members in rows.reset_index(drop=True).groupby("generator"):
        positions = members.index.to_numpy()
        count = max(1, round(share * len(positions)))
        chosen[positions[np.argsort(keys[positions])[:count]]] = True
    return chosen
