"""One generator or two? A logistic regression on `evidence`, learned from simulated generators.

So is how sure the number of generators is. Nothing here was settled on an image of a real one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ganamis.files import read_json, write_json

SHIPPED = "same_or_another.json"
LEAST_SCALE = 1e-6  # of a statistic that does not vary
REACH = 4.0  # standard deviations; statistics further out count as this far


@dataclass(frozen=True)
class Logistic:
    """A logistic regression on D standardised statistics, their squares and their products.

    centre, scale: D each. weights: D + D (D + 1) / 2.
    """

    centre: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float

    @classmethod
    def fit(
        cls, statistics: np.ndarray, truth: np.ndarray, weights: np.ndarray, *, strength: float
    ) -> "Logistic":
        """Learn from `[N, D]` statistics, their truth `[N]` bool and weights `[N]`.

        Args:
            strength: inverse of the penalty on the weights.
        """
        from sklearn.linear_model import LogisticRegression

        centre, scale = statistics.mean(axis=0), np.maximum(statistics.std(axis=0), LEAST_SCALE)
        terms = _terms(statistics, centre, scale)
        if truth.all() or not truth.any():  # nothing to tell apart: how often, and no more
            share = (truth.sum() + 0.5) / (len(truth) + 1)
            return cls._rounded(
                centre, scale, np.zeros(terms.shape[1]), np.log(share / (1 - share))
            )
        found = LogisticRegression(C=strength, max_iter=5000).fit(terms, truth, weights)
        return cls._rounded(centre, scale, found.coef_[0], found.intercept_[0])

    @classmethod
    def choosing(
        cls, draws: Sequence[tuple[np.ndarray, np.ndarray]], *, penalty: float
    ) -> "Logistic":
        """Learn which of several answers is right, or that none is (McFadden 1974).

        Every answer has odds against none of them; several may be right, and count together.

        Args:
            draws: of each, statistics `[A, D]` of its answers and which are right, `[A]` bool.
            penalty: of the squared weights, beside the mean negative log-likelihood of a draw.
        """
        from scipy.optimize import minimize

        statistics = np.concatenate([each for each, _ in draws])
        right = np.concatenate([each for _, each in draws])
        sizes = np.array([len(each) for _, each in draws])
        centre, scale = statistics.mean(axis=0), np.maximum(statistics.std(axis=0), LEAST_SCALE)
        terms = np.column_stack([_terms(statistics, centre, scale), np.ones(len(statistics))])
        starts, draw = np.cumsum(sizes) - sizes, np.repeat(np.arange(len(sizes)), sizes)
        none = ~np.logical_or.reduceat(right, starts)

        def together(odds: np.ndarray, also_none: np.ndarray) -> np.ndarray:
            most = np.maximum(np.maximum.reduceat(odds, starts), 0)
            inside = np.add.reduceat(np.exp(odds - most[draw]), starts)
            return most + np.log(inside + also_none * np.exp(-most))

        def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
            odds = terms @ weights
            of_right = np.where(right, odds, -np.inf)
            whole, part = together(odds, np.ones(len(sizes))), together(of_right, none)
            gradient = terms.T @ (np.exp(odds - whole[draw]) - np.exp(of_right - part[draw]))
            kept = np.append(weights[:-1], 0.0)
            value = (whole - part).mean() + penalty * (kept @ kept) / 2
            return float(value), gradient / len(sizes) + penalty * kept

        options = {"maxiter": 5000, "ftol": 1e-12, "gtol": 1e-7}
        start = np.zeros(terms.shape[1])
        weights = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
        return cls._rounded(centre, scale, weights[:-1], weights[-1])

    @classmethod
    def _rounded(
        cls, centre: np.ndarray, scale: np.ndarray, weights: np.ndarray, intercept: float
    ) -> "Logistic":
        first, second, third = (
            tuple(np.round(each, 6).tolist()) for each in (centre, scale, weights)
        )
        return cls(first, second, third, round(float(intercept), 6))

    def log_odds(self, statistics: np.ndarray) -> np.ndarray:
        """`[N]` of `[N, D]` statistics."""
        terms = _terms(statistics, np.array(self.centre), np.array(self.scale))
        return terms @ np.array(self.weights) + self.intercept


def _terms(statistics: np.ndarray, centre: np.ndarray, scale: np.ndarray) -> np.ndarray:
    standard = np.clip((statistics - centre) / scale, -REACH, REACH)
    one, other = np.triu_indices(standard.shape[1])
    return np.concatenate([standard, standard[:, one] * standard[:, other]], axis=1)


@dataclass(frozen=True)
class SameOrAnother:
    """What was learned from simulated generators.

    cut: whether two groups are two generators, from `evidence.NAMES`. count: whether an answer has
    the right number of generators, against all others and against none, from `Search.doubts`.
    """

    cut: Logistic
    count: Logistic

    def save(self, path: Path, *, card: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Write it, and a card that says how it came to be."""
        write_json(path, {**asdict(self), "card": dict(card)})

    @classmethod
    def load(cls, path: Path) -> "SameOrAnother":
        stored = read_json(path, stage="train")
        return cls(cut=_logistic(stored["cut"]), count=_logistic(stored["count"]))


def _logistic(stored: dict[str, Any]) -> Logistic:
    lists = {key: tuple(stored[key]) for key in ("centre", "scale", "weights")}
    return Logistic(**lists, intercept=stored["intercept"])


def shipped_file() -> Path:
    """Where what comes with the package lies: beside this file."""
    return Path(str(resources.files("ganamis.clustering").joinpath(SHIPPED)))


@lru_cache(maxsize=1)
def shipped_test() -> SameOrAnother:
    """What comes with the package; `ganamis teach-search` makes it."""
    return SameOrAnother.load(shipped_file())
