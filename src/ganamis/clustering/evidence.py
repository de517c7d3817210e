"""Statistics on whether two groups of images come from one generator or from two.

Cutting one population in two always gives groups that some axis separates. So the axis is fitted
to other images than those it is judged on, and to images of other content: ten copies of one
picture are one piece of evidence. No statistic decides alone; `same_or_another` weighs them.
"""

from dataclasses import dataclass

import numpy as np
from diptest import dipstat
from scipy.spatial.distance import cdist

from ganamis.clustering.content import content_blocks, content_coordinates, effective_number

FOLDS = 5
WINDOW = 2  # images of the larger group, nearest the smaller one, for each of the smaller
NEAR = 4  # neighbours of an image
LEAST_DISTANCE = 0.5  # in within-group standard deviations; nothing closer is looked at
NAMES = (
    "distance",  # logarithm, along the axis, in within-group standard deviations
    "gap",  # logarithm of the dip where the groups face each other, times n ** (1/3)
    "significance",  # the same, times n ** (1/2); n: how many different images they are worth
    "smaller",  # logarithms of the numbers of images
    "larger",
    "contents_smaller",  # and of the different contents they are worth
    "contents_larger",
    "neighbours",  # share of neighbours, of other content, in the same group; the worse group's
    "matched",  # gap between images of like content, relative to the whole gap
    "content",  # how far content alone tells the smaller group from the larger
    "processing",  # how different the kinds of processing of the groups are
    "kinds",  # kinds of processing of the group that has fewer
    "views",  # gap in the view where it is smallest, relative to the mean
    "apart",  # logarithm of the distance of the means, in units of the background
    "spread",  # logarithm of the variance inside the groups, in units of the background
)


@dataclass(frozen=True, eq=False)
class Scene:
    """N images as the search sees them.

    points: `[N, C]`, whitened: unit variance is what one generator shows. views: `[N, V, C]`, of
    each view. coordinates: `[N, B]`, of content. blocks: `[N]` int, images that show about the
    same. kinds: `[N]` int, how each image seems to have been processed.
    """

    points: np.ndarray
    views: np.ndarray
    coordinates: np.ndarray
    blocks: np.ndarray
    kinds: np.ndarray

    @classmethod
    def of(
        cls, points: np.ndarray, views: np.ndarray, content: np.ndarray, kinds: np.ndarray
    ) -> "Scene":
        """See the class; content: `[N, B]` descriptors."""
        coordinates = content_coordinates(content)
        return cls(points, views, coordinates, content_blocks(coordinates), kinds)

    def rows(self, chosen: np.ndarray) -> "Scene":
        """The images that `chosen`, `[M]` row numbers, takes."""
        parts = (self.points, self.views, self.coordinates, self.blocks, self.kinds)
        return Scene(*(part[chosen] for part in parts))

    def __len__(self) -> int:
        return len(self.points)


def deal(blocks: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Fold `[N]` int of each image; images of one block share it.

    Blocks are dealt to and fro, those with most images of the smaller group first, so that every
    fold gets about as many of them.

    Args:
        blocks: `[N]` int. second: `[N]` bool, the second of the two groups.
    """
    _, block = np.unique(blocks, return_inverse=True)
    small = second if 2 * second.sum() <= len(second) else ~second
    blocks_in_all = int(block.max()) + 1
    of_small = np.bincount(block[small], minlength=blocks_in_all)
    of_all = np.bincount(block, minlength=blocks_in_all)
    turn = np.arange(blocks_in_all) % (2 * FOLDS)
    fold = np.empty(blocks_in_all, dtype=int)
    fold[np.lexsort((-of_all, -of_small))] = np.where(turn < FOLDS, turn, 2 * FOLDS - 1 - turn)
    return fold[block]


def fisher_projection(
    points: np.ndarray, second: np.ndarray, fold: np.ndarray, *, prior: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """Project each point on the Fisher axis of the other folds' points (Fisher 1936).

    The two groups' means in the training folds come to lie at -1 and 1.

    Args:
        points: `[N, C]`, whitened: the within-group covariance is expected to be the identity.
        second: `[N]` bool. fold: `[N]` int.
        prior: weight of that expectation, in points.

    Returns:
        `[N]` positions and the mean axis `[C]`; None where a fold leaves a group with less than
        two points, or an axis separates nothing.
    """
    count, dimensions = points.shape
    # Sums over each group in each fold; those of the other folds follow by subtraction.
    member = np.zeros((2 * FOLDS, count))
    member[fold + FOLDS * second, np.arange(count)] = 1.0
    products = (points[:, :, None] * points[:, None, :]).reshape(count, -1)
    sizes, sums, moments = (
        of_all.sum(axis=1, keepdims=True) - of_all
        for of_all in (
            (member @ values).reshape(2, FOLDS, -1)
            for values in (np.ones((count, 1)), points, products)
        )
    )
    if sizes.min() < 2:
        return None
    means = sums / sizes
    scatters = moments.reshape(2, FOLDS, dimensions, dimensions) - np.einsum(
        "gfi,gfj->gfij", sums, means
    )
    covariances = scatters.sum(axis=0) + prior * np.eye(dimensions)
    apart = means[1] - means[0]
    axes = np.linalg.solve(covariances, apart[..., None])[..., 0]
    halves = (axes * apart).sum(axis=1) / 2
    if not (halves > 0).all():
        return None
    middles = (axes * means.sum(axis=0)).sum(axis=1) / 2
    positions = (points @ axes.T)[np.arange(count), fold]
    return (positions - middles[fold]) / halves[fold], (axes / halves[:, None]).mean(axis=0)


def _nearest(distances: np.ndarray) -> np.ndarray:
    """Column numbers `[N, k]` of the smallest of each row."""
    kept = min(NEAR, distances.shape[1] - 1)
    return np.argpartition(distances, kept - 1, axis=1)[:, :kept]


class Group:
    """Some images of a scene: what all ways to cut them share."""

    def __init__(self, scene: Scene, *, dimensions: int, prior: float) -> None:
        self._scene, self._prior = scene, prior
        centred = scene.points - scene.points.mean(axis=0)
        _, directions = np.linalg.eigh(centred.T @ centred)
        self._directions = directions[:, ::-1][:, :dimensions]
        self.local = centred @ self._directions
        self._content = cdist(scene.coordinates, scene.coordinates)
        np.fill_diagonal(self._content, np.inf)
        self._like_content = _nearest(self._content)
        distances = cdist(self.local, self.local, "sqeuclidean")
        distances[scene.blocks[:, None] == scene.blocks] = np.inf
        self._like_features = _nearest(distances)

    def statistics(self, second: np.ndarray) -> np.ndarray | None:
        """`NAMES` `[15]` of one cut `[N]` bool; None where nothing can be said or is apart."""
        if min(second.sum(), (~second).sum()) < 3:
            return None
        fold = deal(self._scene.blocks, second)
        projected = fisher_projection(self.local, second, fold, prior=self._prior)
        if projected is None:
            return None
        positions, axis = projected
        distance = standard_distance(positions, second)
        if distance < LEAST_DISTANCE:
            return None
        small = second if 2 * second.sum() <= len(second) else ~second
        facing = _facing(positions, second)
        dip = dipstat(facing)
        blocks = self._scene.blocks
        worth = len(facing) / design_effect(positions, second, blocks)
        sizes = [small.sum(), (~small).sum()]
        contents = [effective_number(blocks[small]), effective_number(blocks[~small])]
        return np.array(
            [
                np.log(distance),
                np.log(dip * worth ** (1 / 3)),
                np.log(dip * np.sqrt(worth)),
                *np.log(sizes),
                *np.log(contents),
                self._agreement(second),
                *self._by_content(positions, small),
                *self._by_processing(small),
                self._by_view(axis, second),
                *self._by_background(second),
            ]
        )

    def _agreement(self, second: np.ndarray) -> float:
        same = (second[self._like_features] == second[:, None]).mean(axis=1)
        return float(min(same[second].mean(), same[~second].mean()))

    def _by_content(self, positions: np.ndarray, small: np.ndarray) -> tuple[float, float]:
        rows, others = np.flatnonzero(small), np.flatnonzero(~small)
        like = others[self._content[np.ix_(rows, others)].argmin(axis=1)]
        whole = positions[rows].mean() - positions[others].mean()
        share = len(rows) / len(small)
        told = small[self._like_content[rows]].mean()
        matched = (positions[rows] - positions[like]).mean() / whole
        return abs(float(matched)), float((told - share) / (1 - share))

    def _by_processing(self, small: np.ndarray) -> tuple[float, float]:
        kinds = self._scene.kinds
        length = int(kinds.max()) + 1
        shares = [
            np.bincount(kinds[part], minlength=length) / part.sum() for part in (small, ~small)
        ]
        numbers = [np.exp(-(share * np.log(share + 1e-12)).sum()) for share in shares]
        return float(np.abs(shares[0] - shares[1]).sum() / 2), float(min(numbers))

    def _by_view(self, axis: np.ndarray, second: np.ndarray) -> float:
        positions = self._scene.views @ (self._directions @ axis)
        gaps = positions[second].mean(axis=0) - positions[~second].mean(axis=0)
        return float(gaps.min() / max(gaps.mean(), 1e-6))

    def _by_background(self, second: np.ndarray) -> tuple[float, float]:
        one, other = self._scene.points[second], self._scene.points[~second]
        apart = np.linalg.norm(one.mean(axis=0) - other.mean(axis=0))
        squares = one.var(axis=0).mean() * len(one) + other.var(axis=0).mean() * len(other)
        return float(np.log(apart)), float(np.log(squares / len(second) + 1e-9))


def design_effect(positions: np.ndarray, second: np.ndarray, blocks: np.ndarray) -> float:
    """How many images tell as little as one, since images of one block are alike: 1 or more.

    Kish (1965), with the intraclass correlation of the positions inside each of the two groups.

    Args:
        positions: `[N]`. second: `[N]` bool. blocks: `[N]` int.
    """
    means = np.array([positions[~second].mean(), positions[second].mean()])
    apart = positions - means[second.astype(int)]
    _, cell = np.unique(2 * blocks + second, return_inverse=True)
    sizes, sums = np.bincount(cell), np.bincount(cell, weights=apart)
    pairs = (sizes * (sizes - 1)).sum()
    squares = (apart**2).sum()
    if pairs == 0 or not squares > 0:
        return 1.0
    alike = ((sums**2).sum() - squares) / pairs / (squares / len(apart))
    return float(max(1.0, 1 + ((sizes**2).sum() / sizes.sum() - 1) * alike))


def standard_distance(positions: np.ndarray, second: np.ndarray) -> float:
    """Distance of two groups' mean positions in their pooled standard deviation."""
    first_group, second_group = positions[~second], positions[second]
    within = first_group.var() * len(first_group) + second_group.var() * len(second_group)
    distance = second_group.mean() - first_group.mean()
    return float(distance / np.sqrt(max(within / len(positions), 1e-12)))


def _facing(positions: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The smaller group and the part of the larger one that faces it.

    The dip (Hartigan and Hartigan 1985) of a few images beside many hardly moves. Cutting off a
    far end leaves one population as unimodal as it was.
    """
    first_group, second_group = np.sort(positions[~second]), np.sort(positions[second])
    reach = WINDOW * min(len(first_group), len(second_group))
    return np.concatenate([first_group[-reach:], second_group[:reach]])
