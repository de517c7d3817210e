"""How far apart groups of one generator come to lie: learned by leaving generators out."""

from collections.abc import Iterator, Sequence

import numpy as np

from ganamis.clustering.methods import Space, match
from ganamis.clustering.nuisance import Nuisance
from ganamis.model.naming import Calibration, distances
from ganamis.params import ModelSettings

GROUP_SIZES = (1, 2, 3, 5, 10, 30)  # of the groups that the calibration is shown


def known_points(nuisance: Nuisance, space: Space, known: Sequence[str]) -> list[list[np.ndarray]]:
    """Points `[M, C]` of each known generator: processed as the batch seems to be, and in each way.

    What the batch seems to be is a guess: an unknown generator may look like a known processing.
    """
    ways = [space.weights, *np.eye(len(nuisance.conditions))]
    looks = [space.whitening.transform(nuisance.under(weights)) for weights in ways]
    return [[points[nuisance.labels == name] for name in known] for points in looks]


def group_distances(
    groups: list[np.ndarray], looks: list[list[np.ndarray]], *, settings: ModelSettings
) -> np.ndarray:
    """`[K, G]` distances of groups of whitened points from the known generators, in the look, of
    `known_points`, in which they are nearest."""
    apart = [
        distances(
            groups,
            known,
            prior=settings.open_world.search.prior,
            independent=settings.naming.independent,
        )
        for known in looks
        if known
    ]
    return np.min(apart, axis=0) if apart else np.empty((len(groups), 0))


def calibrate_names(
    nuisance: Nuisance, image_scatter: np.ndarray, *, settings: ModelSettings, seed: int
) -> Calibration:
    """Learn from open-world folds which distance still means one generator.

    Args:
        image_scatter: `[P, P]`, of clean images; taken to be alike under other conditions.
    """
    found, same = [np.empty(0)], [np.empty(0, dtype=bool)]
    random = np.random.default_rng(seed)
    for reference, query, generators in _folds(nuisance, settings, seed=seed):
        space = match(query, image_scatter, reference, settings=settings)
        names = np.unique(reference.labels)
        known = known_points(reference, space, names.tolist())
        groups, present = [], []
        for name in np.unique(generators):
            rows = np.flatnonzero(generators == name)
            for size in GROUP_SIZES:
                groups.append(space.points[random.permutation(rows)[:size]])
                present.append(name)
        found.append(group_distances(groups, known, settings=settings).ravel())
        same.append((np.array(present)[:, None] == names).ravel())
    return Calibration.fit(np.concatenate(found), np.concatenate(same))


def _folds(
    nuisance: Nuisance, settings: ModelSettings, *, seed: int
) -> Iterator[tuple[Nuisance, np.ndarray, np.ndarray]]:
    """Open-world folds of the development images, under every condition.

    Half of the images of all generators but one are the reference; the other half and all of the
    generator held out are the query.

    Yields:
        The reference's nuisance, the query's points `[Q, P]` and its generators `[Q]`.
    """
    random = np.random.default_rng(seed)
    half = np.zeros(len(nuisance.labels), dtype=bool)
    names = np.unique(nuisance.labels)
    for name in names:
        rows = random.permutation(np.flatnonzero(nuisance.labels == name))
        half[rows[: len(rows) // 2]] = True
    for held_out in names[:: max(1, -(-len(names) // settings.naming.folds))]:
        taught = half & (nuisance.labels != held_out)
        if taught.sum() < 2:
            continue
        for copies in nuisance.copies:
            yield nuisance.rows(taught), copies[~taught], nuisance.labels[~taught]
