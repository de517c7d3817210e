"""Agreement of a clustering with the generators, with its uncertainty, from one table of counts.

Every score depends on the images only through the contingency table (clusters x generators), so
resamples are weights on the images, counted into tables: thousands of them take milliseconds.
"""

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import random_table
from sklearn.metrics import (
    homogeneity_completeness_v_measure,
    normalized_mutual_info_score,
)
from sklearn.metrics.cluster import contingency_matrix

from ganamis.contracts import UNASSIGNED, Scorecard

INTERVAL = (2.5, 97.5)  # percentiles of the 95 % bootstrap interval


def adjusted_rand_index(tables: np.ndarray, copies: np.ndarray | None = None) -> np.ndarray:
    """Adjusted Rand index (Hubert and Arabie 1985, equation 5) of each table.

    Args:
        tables: `[..., K, G]` counts of images per cluster and generator.
        copies: `[..., K, G]` sums of squared multiplicities, where a resample holds images more
            than once. An image always agrees with its own copies, so those pairs are left out;
            otherwise every resample would score above the truth. None: each image is there once.

    Returns:
        `[...]` float64; 1 where both partitions are trivial and equal.
    """
    tables = np.asarray(tables, dtype=np.float64)
    copies = tables if copies is None else np.asarray(copies, dtype=np.float64)

    def pairs(*summed: int) -> np.ndarray:
        counts, own = tables.sum(axis=summed), copies.sum(axis=summed)
        kept = tuple(range(tables.ndim - 2, counts.ndim))
        return ((counts**2 - own) / 2).sum(axis=kept)

    together, total = pairs(), pairs(-2, -1)
    in_cluster, in_generator = pairs(-1), pairs(-2)
    expected = in_cluster * in_generator / np.maximum(total, 1)
    span = (in_cluster + in_generator) / 2 - expected
    return np.where(span == 0, 1.0, (together - expected) / np.where(span == 0, 1.0, span))


def _resample(
    cells: np.ndarray, size: int, *, draws: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw images with replacement; count them, and their squared multiplicities, by cell.

    Args:
        cells: `[N]` int, each image's cell among `size`.

    Returns:
        Two arrays `[draws, size]`.
    """
    cells = np.sort(cells)  # images of one cell are alike: their order must not reach the draws
    count = len(cells)
    membership = csr_array((np.ones(count), (np.arange(count), cells)), shape=(count, size))
    weights = random.multinomial(count, np.full(count, 1 / count), size=draws)
    return weights @ membership, weights**2 @ membership


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
    shape = (bootstrap, *table.shape)
    rows = np.unique(labels, return_inverse=True)[1]
    columns = np.unique(generators, return_inverse=True)[1]
    cells = np.ravel_multi_index((rows, columns), table.shape)
    counts, copies = _resample(cells, table.size, draws=bootstrap, random=random)
    spread = adjusted_rand_index(counts.reshape(shape), copies.reshape(shape))
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
    drawn = _resample(cells, int(np.prod(shape)), draws=bootstrap, random=random)
    counts, copies = (table.reshape(bootstrap, *shape) for table in drawn)
    by_first = adjusted_rand_index(counts.sum(axis=2), copies.sum(axis=2))
    return by_first - adjusted_rand_index(counts.sum(axis=1), copies.sum(axis=1))
