"""The gate's rule: is the challenger surely better than the champion on the same images?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from ganamis.clustering.scores import ari_difference
from ganamis.errors import UserError

KEYS = ["held_out", "id", "generator"]


@dataclass(frozen=True)
class Comparison:
    """Mean open-world ARI of both, and the paired bootstrap of their difference.

    low, high: bounds of the difference's interval, each one-sided at the gate's confidence.
    """

    challenger_ari: float
    champion_ari: float
    difference: float
    low: float
    high: float


def same_images(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    """Whether two tables of open-world clusters hold the same images in the same folds."""
    one, two = (set(t[KEYS].itertuples(index=False, name=None)) for t in (first, second))
    return one == two


def open_world_ari(
    evidence: pd.DataFrame, *, bootstrap: int, seed: int
) -> tuple[float, float, float]:
    """Mean ARI over the open-world folds, and its 95 % bootstrap interval.

    Args:
        evidence: columns `held_out`, `id`, `generator` and `label`.
        bootstrap: resamples of the images of each fold.
    """
    draws, aris = [], []
    for _, fold in evidence.sort_values(KEYS).groupby("held_out"):
        truth, labels = fold["generator"].to_numpy(dtype=str), fold["label"].to_numpy()
        # Against one cluster of all images, whose index is 0, the difference is the index itself.
        one = np.zeros_like(labels)
        draws.append(ari_difference(labels, one, truth, bootstrap=bootstrap, seed=seed))
        aris.append(adjusted_rand_score(truth, labels))
    low, high = np.quantile(np.mean(draws, axis=0), [0.025, 0.975]).tolist()
    return float(np.mean(aris)), low, high


def compare(
    challenger: pd.DataFrame,
    champion: pd.DataFrame,
    *,
    confidence: float,
    bootstrap: int,
    seed: int,
) -> Comparison:
    """Compare two clusterings of the same open-world folds.

    Args:
        challenger, champion: columns `held_out`, `id`, `generator` and `label`, in any order.
        bootstrap: paired resamples of the images of each fold.

    Raises:
        UserError: the tables do not hold the same images.
    """
    both = challenger.merge(
        champion, on=KEYS, suffixes=("_challenger", "_champion"), validate="one_to_one"
    )
    if not len(both) == len(challenger) == len(champion) or both.empty:
        raise UserError(
            f"challenger and champion were scored on {len(challenger)} and {len(champion)} images "
            f"of which they share {len(both)}; register both on the same data, splits and seed"
        )
    draws, aris = [], []
    for _, fold in both.sort_values(KEYS).groupby("held_out"):
        truth = fold["generator"].to_numpy(dtype=str)
        first, second = fold["label_challenger"].to_numpy(), fold["label_champion"].to_numpy()
        draws.append(ari_difference(first, second, truth, bootstrap=bootstrap, seed=seed))
        aris.append([adjusted_rand_score(truth, labels) for labels in (first, second)])
    differences = np.mean(draws, axis=0)
    ours, theirs = np.mean(aris, axis=0).tolist()
    low, high = np.quantile(differences, [1 - confidence, confidence]).tolist()
    return Comparison(ours, theirs, ours - theirs, low, high)
