"""Where a single image belongs: the nearest cluster centre, or none of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax
from scipy.stats import chi2

from ganamis.clustering.whitening import Whitening
from ganamis.contracts import UNASSIGNED, Reference, view_means


@dataclass(frozen=True)
class Assignment:
    """Cluster centres in the space where the within-class covariance is the identity.

    centres: `[K, C]`. names: K names, a development generator's or `unknown-1`, ...
    radius: squared distance beyond which an image belongs to no centre.
    """

    whitening: Whitening
    views: int
    centres: np.ndarray
    names: tuple[str, ...]
    radius: float

    def assign(self, features: np.ndarray) -> pd.DataFrame:
        """Attribute `[N, V * D]` embeddings.

        Returns:
            `cluster` (int, -1 beyond the radius of every centre), `generator` (the centre's name),
            `score` (posterior of the nearest centre under equal priors and unit covariance) and
            `unknown` (bool, True where the cluster is no development generator or there is none).
        """
        points = self.whitening.transform(view_means(features, self.views))
        squared = ((points[:, None, :] - self.centres[None]) ** 2).sum(axis=2)
        nearest = squared.argmin(axis=1)
        inside = squared.min(axis=1) <= self.radius
        names = np.where(inside, np.array(self.names)[nearest], "unknown")
        return pd.DataFrame(
            {
                "cluster": np.where(inside, nearest, UNASSIGNED),
                "generator": names,
                "score": np.where(inside, softmax(-squared / 2, axis=1).max(axis=1), 0.0),
                "unknown": np.array([name.startswith("unknown") for name in names]),
            }
        )

    def save(self, path: Path) -> None:
        """Write one `.npz` file without pickled objects."""
        np.savez(
            path,
            mean=self.whitening.mean,
            matrix=self.whitening.matrix,
            views=self.views,
            centres=self.centres,
            names=np.array(self.names),
            radius=self.radius,
        )

    @classmethod
    def load(cls, path: Path) -> "Assignment":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(
                whitening=Whitening(stored["mean"], stored["matrix"]),
                views=int(stored["views"]),
                centres=stored["centres"],
                names=tuple(stored["names"].tolist()),
                radius=float(stored["radius"]),
            )


def fit_assignment(
    features: np.ndarray,
    labels: np.ndarray,
    reference: Reference,
    whitening: Whitening,
    *,
    views: int,
    coverage: float,
) -> Assignment:
    """Turn clusters into an assignment rule for images seen one at a time.

    A cluster takes the name of the development generator whose centre is nearest, if it is nearer
    than a Gaussian's radius and no other cluster is nearer to it; other clusters are called
    unknown. A development generator with no cluster keeps its own centre.

    Args:
        features: `[N, V * D]` clustered embeddings and labels: `[N]` int, -1 for unassigned.
        whitening: the space in which they were clustered.
        coverage: share of a generator's own images inside the radius: of Gaussian ones when a
            cluster is named, of those clustered here when an image is assigned.
    """
    points = whitening.transform(view_means(features, views))
    known, generators = whitening.transform(reference.features), reference.generators
    names = sorted(set(generators.tolist()))
    homes = np.stack([known[generators == name].mean(axis=0) for name in names])
    clusters = sorted(set(labels.tolist()) - {UNASSIGNED})
    centres = [points[labels == cluster].mean(axis=0) for cluster in clusters]
    radius = float(chi2.ppf(coverage, df=points.shape[1]))
    given: dict[int, str] = {}
    if centres:
        squared = ((np.stack(centres)[:, None] - homes[None]) ** 2).sum(axis=2)
        for home, name in enumerate(names):
            cluster = int(squared[:, home].argmin())
            if squared[cluster, home] <= radius and squared[cluster].argmin() == home:
                given[cluster] = name
    unknown = (f"unknown-{number}" for number in range(1, len(clusters) + 1))
    titles = [given.get(index) or next(unknown) for index in range(len(clusters))]
    # Real generators have heavier tails than a Gaussian: take in what was clustered here.
    inside = [points[labels == c] - centre for c, centre in zip(clusters, centres, strict=True)]
    spread = [np.quantile((group**2).sum(axis=1), coverage) for group in inside]
    absent = [index for index, name in enumerate(names) if name not in titles]
    return Assignment(
        whitening=whitening,
        views=views,
        centres=np.stack(centres + [homes[index] for index in absent]),
        names=tuple(titles + [names[index] for index in absent]),
        radius=max([radius, *spread]),
    )
