"""How well an extractor tells generators apart that it has never seen: held-out worlds judge."""

from collections.abc import Sequence

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from ganamis.contracts import Extractor
from ganamis.extractors.discriminant import generator_features
from ganamis.simulation.world import World

EXTRA = 6  # dimensions kept beyond the number of generators


def held_out_score(
    extractor: Extractor,
    world: World,
    *,
    conditions: Sequence[str],
    draws: int,
    draw: int,
    seed: int,
) -> dict[str, float]:
    """Adjusted Rand index of k-means, the number given, over draws of held-out generators.

    Args:
        conditions: of the images; a draw is in one condition. draws: sets of `draw` generators.

    Returns:
        The mean for each condition.
    """
    random = np.random.default_rng(seed)
    sets = [random.permutation(len(world.families))[:draw] for _ in range(draws)]
    scores = {}
    for condition in conditions:
        features = generator_features(extractor, world.images, condition, seed=seed)
        count = features.shape[1]
        found = []
        for rows in sets:
            points = features[rows].reshape(len(rows) * count, -1)
            left, sizes, _ = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
            kept = (left * sizes)[:, : len(rows) + EXTRA]
            labels = KMeans(len(rows), n_init=20, random_state=seed).fit_predict(kept)
            found.append(adjusted_rand_score(np.repeat(np.arange(len(rows)), count), labels))
        scores[condition] = float(np.mean(found))
    return scores
