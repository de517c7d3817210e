"""How well an extractor tells generators apart that it has never seen: held-out worlds judge."""

from collections.abc import Sequence

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from ganamis.contracts import Extractor, view_means
from ganamis.data.degradations import degrade
from ganamis.simulation.worlds import World

TAUGHT_IMAGES = 10  # of each generator that teaches what varies within one
SHRINKAGE = 0.05  # of the within-generator covariance towards its diagonal
EXTRA = 6  # dimensions kept beyond the number of generators


def _features(extractor: Extractor, images: np.ndarray, condition: str, seed: int) -> np.ndarray:
    """Mean over the windows, `[G, N, D]` of `[G, N, H, W]`."""
    flat = images.reshape(-1, *images.shape[2:])
    features = extractor.embed(degrade(np.asarray(flat), condition, seed=seed))
    return view_means(features, extractor.views).reshape(*images.shape[:2], -1)


def within_generators(
    extractor: Extractor, world: World, *, generators: int, seed: int
) -> np.ndarray:
    """What whitens the variation inside one generator: `[D, D]`, from half-degraded images."""
    rows = np.random.default_rng(seed).permutation(len(world.families))[:generators]
    images = world.images[np.sort(rows), :TAUGHT_IMAGES]
    half = images.shape[1] // 2
    features = np.concatenate(
        [
            _features(extractor, images[:, :half], "clean", seed),
            _features(extractor, images[:, half:], "mix", seed),
        ],
        axis=1,
    ).astype(np.float64)
    rest = (features - features.mean(axis=1, keepdims=True)).reshape(-1, features.shape[2])
    spread = rest.T @ rest / len(rest)
    spread = (1 - SHRINKAGE) * spread + SHRINKAGE * np.diag(np.diag(spread))
    values, directions = np.linalg.eigh(spread)
    return directions / np.sqrt(np.maximum(values, values[-1] * 1e-7))


def held_out_score(
    extractor: Extractor,
    whitening: np.ndarray,
    world: World,
    *,
    conditions: Sequence[str],
    draws: int,
    draw: int,
    seed: int,
) -> dict[str, float]:
    """Adjusted Rand index of k-means, the number given, over draws of held-out generators.

    Args:
        whitening: `[D, D]`, see `within_generators`.
        conditions: of the images; a draw is in one condition. draws: sets of `draw` generators.

    Returns:
        The mean for each condition.
    """
    random = np.random.default_rng(seed)
    sets = [random.permutation(len(world.families))[:draw] for _ in range(draws)]
    scores = {}
    for condition in conditions:
        features = _features(extractor, world.images, condition, seed) @ whitening
        count = features.shape[1]
        found = []
        for rows in sets:
            points = features[rows].reshape(len(rows) * count, -1)
            points = points - points.mean(axis=0)
            left, sizes, _ = np.linalg.svd(points, full_matrices=False)
            kept = (left * sizes)[:, : len(rows) + EXTRA]
            labels = KMeans(len(rows), n_init=4, random_state=seed).fit_predict(kept)
            found.append(adjusted_rand_score(np.repeat(np.arange(len(rows)), count), labels))
        scores[condition] = float(np.mean(found))
    return scores
