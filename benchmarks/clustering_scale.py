"""Clustering a million embeddings: seconds, memory and growth, beside scikit-learn's HDBSCAN.

Run `python benchmarks/clustering_scale.py`. Points as the search sees them, in 8 dimensions and in
as many as the product keeps; then one generator of 0.3 % among 100,000 images.
"""

import os
import resource
import time

import numpy as np
from sklearn.cluster import HDBSCAN
from sklearn.metrics import adjusted_rand_score

from ganamis.clustering.evidence import Scene
from ganamis.clustering.open_world import OpenWorld, discover
from ganamis.clustering.same_or_another import shipped_test
from ganamis.params import load_params

GENERATORS, RARE = 10, 0.003
SEARCH = load_params().model.open_world
VIEWS, CONTENT = 2, 6  # of each image: how many windows, and numbers that describe its content


def drawn(count: int, *, dimensions: int, rare: bool = False) -> tuple[Scene, np.ndarray]:
    """Ten generators as a scene, and their labels `[N]`; of the last there may be few."""
    random = np.random.default_rng(0)
    shares = np.full(GENERATORS, 1.0)
    shares[-1] = RARE * (GENERATORS - 1) / (1 - RARE) if rare else 1.0
    labels = random.choice(GENERATORS, size=count, p=shares / shares.sum())
    centres = random.normal(size=(GENERATORS, dimensions)) * 8
    points = centres[labels] + random.normal(size=(count, dimensions))
    noise = random.normal(size=(count, 1, dimensions)).astype(np.float32)
    views = points[:, None].astype(np.float32) + np.concatenate([noise, -noise], axis=1)
    content = random.normal(size=(count, CONTENT))
    return Scene(points, views, content, np.arange(count), np.zeros(count, dtype=int)), labels


def timed(count: int, *, dimensions: int, rare: bool = False) -> float:
    scene, truth = drawn(count, dimensions=dimensions, rare=rare)
    settings = OpenWorld(**SEARCH.search.model_dump())
    start = time.process_time()  # it is one thread's work: what a calm machine takes
    labels = discover(scene, shipped_test(), settings, count=None, seed=0).labels
    seconds = time.process_time() - start
    score = adjusted_rand_score(truth, labels)
    few = truth == GENERATORS - 1
    found = np.bincount(labels[few]).max() / few.sum()
    alone = (labels[~few] != np.bincount(labels[few]).argmax()).mean()
    print(
        f"{count:>9,} x {dimensions}: {seconds:6.1f} s of CPU, {labels.max() + 1} clusters, "
        f"ARI {score:.4f}; the last generator, {few.sum():,} images: {found:.1%} in one cluster, "
        f"{alone:.1%} of all others elsewhere",
        flush=True,
    )
    return seconds


def main() -> None:
    print(f"load {os.getloadavg()[0]:.1f}")
    timed(2000, dimensions=8)
    for dimensions in (8, SEARCH.dimensions):
        small, large = (timed(count, dimensions=dimensions) for count in (100_000, 1_000_000))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"  growth {large / small:.1f} times; {peak:.1f} GiB so far")
    timed(100_000, dimensions=SEARCH.dimensions, rare=True)
    points = drawn(10_000, dimensions=8)[0].points
    start = time.process_time()
    HDBSCAN(min_cluster_size=50, copy=True).fit(points)
    reference = time.process_time() - start
    ours = timed(10_000, dimensions=8)
    print(f"10,000: HDBSCAN {reference:.1f} s of CPU, {reference / ours:.1f} times ours")


if __name__ == "__main__":
    main()
