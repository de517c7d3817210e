"""What varies inside one generator, learned on development images and their degraded copies.

At clustering time the copies are weighted to look like the batch at hand, and what varies inside
each of its images is added; dividing the result out leaves what differs between generators.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.linalg import eigh
from scipy.special import softmax

MINIMUM_WEIGHT = 0.02  # of a condition, below which it is left out


def within_scatter(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Pooled within-class covariance `[D, D]` of `[N, D]` features (Hatch and Stolcke 2006)."""
    classes, rows = np.unique(labels, return_inverse=True)
    centred = features.astype(np.float64)
    for index in range(len(classes)):
        centred[rows == index] -= centred[rows == index].mean(axis=0)
    return centred.T @ centred / max(1, len(features) - len(classes))


def within_image_scatter(views: np.ndarray) -> np.ndarray:
    """Covariance `[D, D]` of an image's mean feature, from its V views alone.

    Views of one image share its generator whatever that is, so no label is needed; what a view's
    place in the image adds is taken out first.

    Args:
        views: `[N, V, D]`; with one view the covariance is zero.
    """
    count, places, dimensions = views.shape
    if places < 2:
        return np.zeros((dimensions, dimensions))
    centred = views - views.mean(axis=0)
    centred -= centred.mean(axis=1, keepdims=True)
    rows = centred.reshape(-1, dimensions).astype(np.float64)
    return rows.T @ rows / (count * (places - 1) * places)


def shrunk(covariance: np.ndarray, *, shrinkage: float) -> np.ndarray:
    """`[D, D]` moved towards a multiple of the identity: 0 as it is, 1 all the way."""
    target = (np.trace(covariance) / len(covariance) or 1.0) * np.eye(len(covariance))
    return (1 - shrinkage) * covariance + shrinkage * target


def inverse_root(covariance: np.ndarray) -> np.ndarray:
    """`B` `[D, D]` with `B' C B = I`."""
    values, vectors = eigh(covariance)
    return vectors / np.sqrt(np.maximum(values, 1e-12))


def condition_weights(posteriors: np.ndarray, *, steps: int = 50) -> np.ndarray:
    """Shares `[C]` of the conditions in a batch, by EM (Saerens et al. 2002).

    Args:
        posteriors: `[N, C]` of a classifier that saw every condition equally often.
    """
    weights = np.full(posteriors.shape[1], 1 / posteriors.shape[1])
    for _ in range(steps):
        adjusted = posteriors * weights
        weights = (adjusted / adjusted.sum(axis=1, keepdims=True)).mean(axis=0)
    weights = np.where(weights < MINIMUM_WEIGHT, 0.0, weights)
    return weights / weights.sum()


@dataclass(frozen=True, eq=False)
class Nuisance:
    """Development images under C conditions, in a basis of P principal components.

    mean: `[D]`. basis: `[D, P]`. copies: `[C, M, P]` float32, the same M images under every
    condition. labels: `[M]` str, their generators. conditions: C names.
    """

    mean: np.ndarray
    basis: np.ndarray
    copies: np.ndarray
    labels: np.ndarray
    conditions: tuple[str, ...]

    @classmethod
    def fit(
        cls, copies: dict[str, np.ndarray], labels: np.ndarray, *, components: int
    ) -> "Nuisance":
        """Learn the basis from all copies.

        Args:
            copies: condition to `[M, D]` features of the same images. labels: `[M]` generators.
        """
        stacked = np.stack([np.asarray(copy, dtype=np.float32) for copy in copies.values()])
        flat = stacked.reshape(-1, stacked.shape[-1])
        mean = flat.mean(axis=0)
        kept = min(components, flat.shape[1], len(flat) - 1)
        centred = (flat - mean).astype(np.float64)
        if flat.shape[1] <= len(flat):
            bounds = (flat.shape[1] - kept, flat.shape[1] - 1)
            _, basis = eigh(centred.T @ centred, subset_by_index=bounds)
        else:
            bounds = (len(flat) - kept, len(flat) - 1)
            _, left = eigh(centred @ centred.T, subset_by_index=bounds)
            basis = centred.T @ left
            basis /= np.linalg.norm(basis, axis=0)
        basis = basis[:, ::-1].astype(np.float32)
        reduced = (stacked - mean) @ basis
        return cls(mean, basis, reduced, np.asarray(labels).astype(str), tuple(copies))

    def reduce(self, features: np.ndarray) -> np.ndarray:
        """Map `[..., D]` to `[..., P]` float32, by one product: small ones are slow."""
        flat = features.reshape(-1, features.shape[-1]) - self.mean
        return (flat @ self.basis).reshape(*features.shape[:-1], -1)

    def rows(self, chosen: np.ndarray) -> "Nuisance":
        """The images that `chosen` `[M]` bool takes, in the same basis."""
        return replace(self, copies=self.copies[:, chosen], labels=self.labels[chosen])

    def joined(self, copies: np.ndarray, labels: np.ndarray) -> "Nuisance":
        """With more images `[C, m, P]` of generators `[m]` str, in the same basis."""
        return replace(
            self,
            copies=np.concatenate([self.copies, copies.astype(np.float32)], axis=1),
            labels=np.concatenate([self.labels, labels.astype(str)]),
        )

    def posteriors(self, points: np.ndarray, *, components: int, shrinkage: float) -> np.ndarray:
        """Probabilities `[N, C]` of the conditions of `[N, P]` reduced features, all as likely."""
        if len(self.conditions) == 1:
            return np.ones((len(points), 1))
        classifier = _condition_classifier(self, components=components, shrinkage=shrinkage)
        return classifier.posteriors(points[:, :components])

    def scatter(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Within-generator covariances of a batch whose conditions have these shares `[C]`.

        Returns:
            `[P, P]` inside a condition, averaged; and `[P, P]` of a generator's means under the
            conditions around their own mean, which is zero for a uniformly degraded batch.
        """
        classes, rows = np.unique(self.labels, return_inverse=True)
        pairs = zip(weights, self.copies, strict=True)
        inside = sum(w * within_scatter(copy, rows) for w, copy in pairs if w > 0)
        between = np.zeros((self.basis.shape[1],) * 2)
        for index in range(len(classes)):
            means = self.copies[:, rows == index].mean(axis=1, dtype=np.float64)
            apart = means - weights @ means
            between += (apart.T * weights) @ apart * np.mean(rows == index)
        return np.asarray(inside), between

    def under(self, weights: np.ndarray) -> np.ndarray:
        """The M development images `[M, P]`, each averaged over conditions with these shares."""
        return np.tensordot(weights, self.copies, axes=1)


@dataclass(frozen=True, eq=False)
class ConditionClassifier:
    """Linear discriminants of equally frequent classes (Hastie et al. 2009, section 4.3).

    coefficients: `[D, C]`. constants: `[C]`.
    """

    coefficients: np.ndarray
    constants: np.ndarray

    @classmethod
    def fit(cls, copies: np.ndarray, *, shrinkage: float) -> "ConditionClassifier":
        """Learn from `[C, M, D]` points, M of each class."""
        points = copies.astype(np.float64)
        means = points.mean(axis=1)
        centred = points - means[:, None]
        covariances = np.matmul(centred.transpose(0, 2, 1), centred) / points.shape[1]
        covariance = shrunk(covariances.mean(axis=0), shrinkage=shrinkage)
        coefficients = np.linalg.lstsq(covariance, means.T)[0]
        return cls(coefficients, -0.5 * (means * coefficients.T).sum(axis=1))

    def posteriors(self, points: np.ndarray) -> np.ndarray:
        """Probabilities `[N, C]` of the classes at `[N, D]`."""
        return softmax(points @ self.coefficients + self.constants, axis=1)


@lru_cache(maxsize=1)  # calibration asks the same one about a batch under every condition
def _condition_classifier(
    nuisance: Nuisance, *, components: int, shrinkage: float
) -> ConditionClassifier:
    return ConditionClassifier.fit(nuisance.copies[:, :, :components], shrinkage=shrinkage)


@dataclass(frozen=True)
class BatchWhitening:
    """The affine map of one batch.

    mean: `[P]`. matrix: `[P, C]`. weights: `[conditions]`, their shares in the batch.
    conditions: `[N]` int, the most probable one of each image.
    """

    mean: np.ndarray
    matrix: np.ndarray
    weights: np.ndarray
    conditions: np.ndarray

    def transform(self, points: np.ndarray) -> np.ndarray:
        """Map `[N, P]` to `[N, C]` float64."""
        return (points.astype(np.float64) - self.mean) @ self.matrix


def fit_batch(
    nuisance: Nuisance,
    points: np.ndarray,
    image_scatter: np.ndarray,
    *,
    dimensions: int,
    shrinkage: float,
    emphasis: float,
    condition_components: int,
) -> BatchWhitening:
    """Whiten by the nuisance matched to a batch, then keep its leading directions.

    After whitening, unit variance is what one generator shows; the principal directions of the
    batch are those in which it exceeds this the most. A batch too small to show them is joined by
    the development images.

    Args:
        points: `[N, P]` reduced features of the batch, averaged over views.
        image_scatter: `[P, P]`, `within_image_scatter` of its views.
        dimensions: directions kept.
        emphasis: factor on what the conditions change; above 1 it is projected out the more, as
            in nuisance attribute projection (Solomonoff et al. 2005).
    """
    posteriors = nuisance.posteriors(points, components=condition_components, shrinkage=shrinkage)
    weights = condition_weights(posteriors)
    inside, between = nuisance.scatter(weights)
    inside = shrunk(inside + image_scatter, shrinkage=shrinkage)
    whiten = inverse_root(inside + emphasis * between)
    if len(points) < 2 * dimensions:
        points = np.concatenate([points, nuisance.under(weights)])
    mean = points.mean(axis=0, dtype=np.float64)
    scaled = (points - mean) @ whiten
    kept = min(dimensions, scaled.shape[1])
    bounds = (scaled.shape[1] - kept, scaled.shape[1] - 1)
    _, directions = eigh(scaled.T @ scaled, subset_by_index=bounds)
    return BatchWhitening(
        mean=mean,
        matrix=whiten @ directions[:, ::-1],
        weights=weights,
        conditions=(posteriors * weights).argmax(axis=1),
    )
