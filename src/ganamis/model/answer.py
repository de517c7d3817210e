"""What the model says of a folder: clusters, their names, and how sure each of it is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ganamis.clustering.mixture import GaussianClusters
from ganamis.clustering.whitening import Whitening
from ganamis.contracts import Embedded

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = "unknown"
BATCH = 65536  # images assigned at once


@dataclass(frozen=True, eq=False)
class Cluster:
    """One generator found.

    name: a known generator's, or `unknown-1`, ... known: whether it is one of the catalogue; names
    are for reading, this is what counts. score: probability in [0, 1] that the name is right.
    """

    name: str
    known: bool
    score: float


@dataclass(frozen=True, eq=False)
class Rule:
    """How further images of the same batch are assigned to the clusters found."""

    whitening: Whitening
    shapes: GaussianClusters

    def assign(self, batch: Embedded) -> tuple[np.ndarray, np.ndarray]:
        """The most probable cluster `[N]` int of each image, and its probability `[N]`."""
        labels, shares = [np.empty(0, dtype=int)], [np.empty(0)]
        for start in range(0, len(batch), BATCH):
            part = batch.rows(np.arange(start, min(start + BATCH, len(batch))))
            posteriors = self.shapes.posteriors(self.whitening.transform(part.means))
            labels.append(posteriors.argmax(axis=1))
            shares.append(posteriors.max(axis=1))
        return np.concatenate(labels), np.concatenate(shares)


@dataclass(frozen=True, eq=False)
class Attribution:
    """Which image came from which generator, for N images attributed together.

    ids: `[N]` str. labels: `[N]` int, 0 to K - 1, larger clusters first, -1 where an image was
    left out. membership: `[N]` in [0, 1], the probability of an image's cluster. clusters: K.
    confidence: probability in [0, 1] that K is right; None where K was given, or the clusterer
    does not say. linkage: `[K - 1, 4]`, scipy's form. conditions: share of each kind of processing
    that the images resemble; empty where none of the generators is known, for a soft or noisy
    generator looks like blur or noise. points: `[N, C]`, whitened embeddings.
    rule: for further images.
    """

    ids: np.ndarray
    labels: np.ndarray
    membership: np.ndarray
    clusters: tuple[Cluster, ...]
    confidence: float | None
    linkage: np.ndarray
    conditions: dict[str, float]
    points: np.ndarray
    rule: Rule

    @property
    def count(self) -> int:
        """Number of generators, K."""
        return len(self.clusters)

    @property
    def names(self) -> np.ndarray:
        """Generator `[N]` str of each image; `unknown` where it was left out."""
        return np.array([*(cluster.name for cluster in self.clusters), UNKNOWN])[self.labels]

    @property
    def known(self) -> np.ndarray:
        """`[N]` bool: the image's generator is one of the catalogue."""
        return np.array([*(cluster.known for cluster in self.clusters), False])[self.labels]

    @property
    def scores(self) -> np.ndarray:
        """`[N]` in [0, 1]: probability of an image's cluster times that of the cluster's name."""
        return self.membership * np.array([*(c.score for c in self.clusters), 0.0])[self.labels]

    def rows(self, chosen: np.ndarray) -> "Attribution":
        """The answer for the images that `chosen`, `[M]` row numbers, takes."""
        return replace(
            self,
            ids=self.ids[chosen],
            labels=self.labels[chosen],
            membership=self.membership[chosen],
            points=self.points[chosen],
        )

    def called(self, names: Sequence[str]) -> "Attribution":
        """The same answer, its images called by other names than the digests of their pixels."""
        return replace(self, ids=np.array(names, dtype=str))

    def extended(self, batch: Embedded) -> "Attribution":
        """The answer for all images of a batch, of which these were a sample.

        Those that were searched keep their cluster, the others are assigned.
        """
        labels, membership = self.rule.assign(batch)
        searched = {identity: row for row, identity in enumerate(self.ids.tolist())}
        place = np.array([searched.get(identity, -1) for identity in batch.ids.tolist()])
        seen = place >= 0
        labels[seen], membership[seen] = self.labels[place[seen]], self.membership[place[seen]]
        points = self.rule.whitening.transform(batch.means)
        return replace(self, ids=batch.ids, labels=labels, membership=membership, points=points)

    def to_pandas(self) -> "pd.DataFrame":
        """One row per image: `id`, `cluster`, `generator`, `known` and `score`."""
        import pandas as pd

        return pd.DataFrame(
            {
                "id": self.ids,
                "cluster": self.labels,
                "generator": self.names,
                "known": self.known,
                "score": self.scores,
            }
        )


@dataclass(frozen=True, eq=False)
class SingleAnswers:
    """What is said of N images, each on its own.

    names: `[N]` str, a known generator's or `unknown`. known: `[N]` bool. scores: `[N]` in [0, 1],
    the probability that the answer is right.
    """

    names: np.ndarray
    known: np.ndarray
    scores: np.ndarray
