"""Agreement of a clustering with the generators, with its uncertainty, from one table of counts.

Every score depends on the images only through the contingency table (clusters x generators), so
bootstrap and permutation draw tables, not images: thousands of draws take milliseconds.
"""

import numpy as np
from scipy.stats import random_table
from sklearn.metrics import (
    homogeneity_completeness_v_measure,
    normalized_mutual_info_score,
)
from sklearn.metrics.cluster import contingency_matrix

from ganamis.contracts import UNASSIGNED, Scorecard

INTERVAL = (2.5, 97.5)  # percentiles of the 95 % bootstrap interval


def adjusted_rand_index(tables: np.ndarray) -> np.ndarray:
    """Adjusted Rand index (Hubert and Arabie 1985, equation 5) of each table.

    Args:
        tables: `[..., K, G]` counts of images per cluster and generator.

    Returns:
        `[...]` float64; 1 where both partitions are trivial and equal.
    """
    tables = np.asarray(tables, dtype=np.float64)
    pairs = (tables * (tables - 1)).sum(axis=(-2, -1)) / 2
    clusters, generators = tables.sum(axis=-1), tables.sum(axis=-2)
    in_cluster = (clusters * (clusters - 1)).sum(axis=-1) / 2
    in_generator = (generators * (generators - 1)).sum(axis=-1) / 2
    total = tables.sum(axis=(-2, -1))
    expected = in_cluster * in_generator / np.maximum(total * (total - 1) / 2, 1)
    span = (in_cluster + in_generator) / 2 - expected
    return np.where(span == 0, 1.0, (pairs - expected) / np.where(span == 0, 1.0, span))


def score(
    labels: np.ndarray, generators: np.ndarray, *, bootstrap: int, permutations: int, seed: int
) -> Scorecard:
    """Score clusters against generators.

    Images left unassigned (-1) count as one cluster of their own.

    Args:
        labels: `[N]` int. generators: `[N]` str, in the same order of images.
        bootstrap: resamples of the images behind the 95 % percentile interval of the ARI.
        permutations: random tables with the same margins behind the one-sided p-value.
    """
    random = np.random.default_rng(seed)
    table = contingency_matrix(generators, labels).T
    ari = float(adjusted_rand_index(table))
    resampled = random.multinomial(len(labels), table.ravel() / table.sum(), size=bootstrap)
    spread = adjusted_rand_index(resampled.reshape(bootstrap, *table.shape))
    low, high = np.percentile(spread, INTERVAL)
    homogeneity, completeness, _ = homogeneity_completeness_v_measure(generators, labels)
    return Scorecard(
        images=len(labels),
        ari=ari,
        ari_low=float(low),
        ari_high=float(high),
        p_value=_p_value(table, ari, permutations=permutations, random=random),
        nmi=float(normalized_mutual_info_score(generators, labels)),
        homogeneity=float(homogeneity),
        completeness=float(completeness),
        clusters=len(set(labels.tolist()) - {UNASSIGNED}),
        generators=len(set(generators.tolist())),
        unassigned=float(np.mean(labels == UNASSIGNED)),
    )


def _p_value(
    table: np.ndarray, ari: float, *, permutations: int, random: np.random.Generator
) -> float:
    """Chance of an ARI at least this large when labels are shuffled (Phipson and Smyth 2010)."""
    margins = random_table(table.sum(axis=1), table.sum(axis=0), seed=random)
    by_chance = adjusted_rand_index(margins.rvs(permutations))
    return float((1 + np.sum(by_chance >= ari - 1e-12)) / (1 + permutations))


def ari_difference(
    first: np.ndarray, second: np.ndarray, generators: np.ndarray, *, bootstrap: int, seed: int
) -> np.ndarray:
    """Paired bootstrap of ARI(first) - ARI(second) over the same images.

    Args:
        first, second: `[N]` int labels of two clusterings. generators: `[N]` str.

    Returns:
        `[bootstrap]` differences.
    """
    random = np.random.default_rng(seed)
    one, two = np.unique(first, return_inverse=True), np.unique(second, return_inverse=True)
    names = np.unique(generators, return_inverse=True)
    shape = (len(one[0]), len(two[0]), len(names[0]))
    cells = np.ravel_multi_index((one[1], two[1], names[1]), shape)
    counts = np.bincount(cells, minlength=int(np.prod(shape)))
    tables = random.multinomial(len(first), counts / counts.sum(), size=bootstrap)
    tables = tables.reshape(bootstrap, *shape)
    return adjusted_rand_index(tables.sum(axis=2)) - adjusted_rand_index(tables.sum(axis=1))
