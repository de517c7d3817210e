"""Clustering a million embeddings: seconds, memory and growth, beside scikit-learn's HDBSCAN.

Run `python benchmarks/clustering_scale.py`.
"""

import resource
import time

import numpy as np
from sklearn.cluster import HDBSCAN
from sklearn.metrics import adjusted_rand_score

from ganamis.clustering.open_world import OpenWorld, discover

DIMENSIONS, GENERATORS = 8, 10
SETTINGS = OpenWorld(dimensions=8, prior=30.0, threshold=0.4, smallest=4, sample=1000)


def embeddings(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Ten generators `[N, 8]` and their labels."""
    random = np.random.default_rng(0)
    labels = random.integers(GENERATORS, size=count)
    centres = random.normal(size=(GENERATORS, DIMENSIONS)) * 8
    return centres[labels] + random.normal(size=(count, DIMENSIONS)), labels


def timed(count: int) -> float:
    points, truth = embeddings(count)
    start = time.perf_counter()
    labels = discover(points, SETTINGS, count=None, seed=0)
    seconds = time.perf_counter() - start
    score = adjusted_rand_score(truth, labels)
    print(f"{count:>9,} embeddings: {seconds:6.1f} s, {labels.max() + 1} clusters, ARI {score:.3f}")
    return seconds


def main() -> None:
    timed(2000)
    small, large = timed(100_000), timed(1_000_000)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"growth from 100,000 to 1,000,000: {large / small:.1f} times; peak memory {peak:.1f} GiB"
    )
    points, _ = embeddings(10_000)
    start = time.perf_counter()
    HDBSCAN(min_cluster_size=50, copy=True).fit(points)
    reference = time.perf_counter() - start
    start = time.perf_counter()
    discover(points, SETTINGS, count=None, seed=0)
    ours = time.perf_counter() - start
    print(f"10,000 embeddings: {ours:.1f} s; HDBSCAN {reference:.1f} s ({reference / ours:.1f}x)")


if __name__ == "__main__":
    main()
