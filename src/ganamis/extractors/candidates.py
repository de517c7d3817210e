"""The extractors by name, each as something the search can fit."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from ganamis.errors import UserError
from ganamis.extractors.fingerprints import ResidualCandidate, SpectrumCandidate
from ganamis.extractors.network import NetworkExtractor
from ganamis.extractors.search import Candidate
from ganamis.extractors.training import NetworkTrainer
from ganamis.params import (
    Extractors,
    Hyperparameters,
    Network,
    Params,
    Profile,
    ResidualSettings,
    SpectrumSettings,
)

FUSION = "fusion"
EXTRACTORS = tuple(Extractors.model_fields)


def _digest(network: Network) -> str:
    """Of a weights file's content: a changed file under an old name is another setting."""
    path = Path(network.weights)
    if not path.is_file():
        return "none"
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class NetworkCandidate:
    """One of the paper's networks under search."""

    trainer: NetworkTrainer
    profile: Profile

    @property
    def settings(self) -> dict[str, Any]:
        profile = self.profile.model_dump(exclude={"extractors", "degradations"})
        network = self.trainer.network
        return {**profile, "network": network.model_dump(), "weights_digest": _digest(network)}

    @property
    def degradations(self) -> tuple[str, ...]:
        return ()

    @property
    def first(self) -> dict[str, Any]:
        return self.profile.first_trial.model_dump()

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        space = self.profile.space
        return {
            "learning_rate": trial.suggest_float(
                "learning_rate", space.learning_rate.low, space.learning_rate.high, log=True
            ),
            "dropout": trial.suggest_float("dropout", space.dropout.low, space.dropout.high),
            "weight_decay": trial.suggest_float(
                "weight_decay", space.weight_decay.low, space.weight_decay.high, log=True
            ),
            "augmentation": trial.suggest_categorical("augmentation", space.augmentation),
            "trainable_share": trial.suggest_categorical("trainable_share", space.trainable_share),
        }

    def fit(
        self, images: np.ndarray, labels: np.ndarray, values: dict[str, Any], *, classes: int
    ) -> NetworkExtractor:
        epochs = self.profile.search.epochs
        point = Hyperparameters(**values)
        return self.trainer.fit(images, labels, point, classes=classes, epochs=epochs)

    def fit_final(
        self, images: np.ndarray, labels: np.ndarray, values: dict[str, Any], *, folder: Path
    ) -> NetworkExtractor:
        return self.trainer.fit_final(images, labels, Hyperparameters(**values), folder=folder)


def candidate(name: str, params: Params) -> Candidate:
    """The extractor `name` with the numbers of the active profile.

    Raises:
        UserError: the name is unknown.
    """
    profile = params.active
    if name not in EXTRACTORS:
        raise UserError(f"architecture '{name}' is unknown; choose one of {', '.join(EXTRACTORS)}")
    numbers = dict(profile.extractors)[name]
    degraded = profile.degradations
    if isinstance(numbers, SpectrumSettings):
        return SpectrumCandidate(numbers, degraded)
    if isinstance(numbers, ResidualSettings):
        spectrum = profile.extractors.spectrum if name == FUSION else None
        return ResidualCandidate(numbers, degraded, params.seed, spectrum)
    trainer = NetworkTrainer(
        name=name, network=numbers, training=profile.training, seed=params.seed
    )
    return NetworkCandidate(trainer=trainer, profile=profile)
