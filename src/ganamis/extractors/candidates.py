"""The extractors by name, each as something the search can fit."""

import hashlib
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from ganamis.errors import UserError
from ganamis.extractors.architectures import NETWORKS
from ganamis.extractors.fingerprint_training import FingerprintTrainer
from ganamis.extractors.fingerprints import ResidualCandidate, SpectrumCandidate
from ganamis.extractors.network import NetworkExtractor
from ganamis.extractors.pretrained import SIMULATED, pretrained_file
from ganamis.extractors.search import Candidate
from ganamis.extractors.training import NetworkTrainer
from ganamis.params import (
    Extractors,
    FingerprintNetwork,
    FingerprintValues,
    Hyperparameters,
    Params,
    Profile,
    ResidualSettings,
    Search,
    SpectrumSettings,
)

FUSION = "fusion"
NAMED, PAPER, FINGERPRINT = "named", "paper", "fingerprint"
EXTRACTORS = tuple(Extractors.model_fields)


def _digest(name: str, weights: str) -> str:
    """Of a weights file's content: a changed file under an old name is another setting."""
    path = pretrained_file(name) if weights == SIMULATED else Path(weights)
    if not path.is_file():
        return "none"
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class PaperCandidate:
    """One of the six networks by the paper's recipe."""

    trainer: NetworkTrainer
    profile: Profile

    @property
    def settings(self) -> dict[str, Any]:
        profile = self.profile.model_dump(exclude={"extractors", "degradations", "fingerprint"})
        network = self.trainer.network
        digest = _digest(self.trainer.name, network.weights)
        return {**profile, "network": network.model_dump(), "weights_digest": digest}

    @property
    def degradations(self) -> tuple[str, ...]:
        return ()

    @property
    def first(self) -> tuple[dict[str, Any], ...]:
        return (self.profile.first_trial.model_dump(),)

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
        epochs = self.profile.training.search_epochs
        point = Hyperparameters(**values)
        return self.trainer.fit(images, labels, point, classes=classes, epochs=epochs)

    def fit_final(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        values: dict[str, Any],
        *,
        held_out: np.ndarray,
        folder: Path,
    ) -> NetworkExtractor:
        point = Hyperparameters(**values)
        return self.trainer.fit_final(images, labels, point, held_out=held_out, folder=folder)


@dataclass(frozen=True)
class FingerprintCandidate:
    """One of the six networks by the recipe `fingerprint`."""

    trainer: FingerprintTrainer
    network: FingerprintNetwork
    profile: Profile

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "fingerprint": self.profile.fingerprint.model_dump(),
            "search": self.profile.search.model_dump(),
            "network": self.network.model_dump(),
            "weights_digest": _digest(self.trainer.name, self.network.weights),
        }

    @property
    def degradations(self) -> tuple[str, ...]:
        return tuple(self.profile.fingerprint.degradations)

    @property
    def first(self) -> tuple[dict[str, Any], ...]:
        """Every depth with every loss, so that a short search has seen them all."""
        shared = self.profile.fingerprint
        crop, rate = self.network.crops[0], shared.learning_rate
        return tuple(
            {"depth": depth, "crop": crop, "loss": loss, "learning_rate": rate}
            for loss, depth in product(shared.space.loss, self.network.depths)
        )

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        space = self.profile.fingerprint.space
        return {
            "depth": trial.suggest_categorical("depth", self.network.depths),
            "crop": trial.suggest_categorical("crop", self.network.crops),
            "loss": trial.suggest_categorical("loss", space.loss),
            "learning_rate": trial.suggest_float(
                "learning_rate", space.learning_rate.low, space.learning_rate.high, log=True
            ),
        }

    def fit(
        self, images: np.ndarray, labels: np.ndarray, values: dict[str, Any], *, classes: int
    ) -> NetworkExtractor:
        point, shared = FingerprintValues(**values), self.profile.fingerprint
        steps, views = shared.search_steps, shared.search_views
        return self.trainer.fit(images, labels, point, classes=classes, steps=steps, views=views)

    def fit_final(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        values: dict[str, Any],
        *,
        held_out: np.ndarray,
        folder: Path,
    ) -> NetworkExtractor:
        point, shared = FingerprintValues(**values), self.profile.fingerprint
        trained = ~held_out
        return self.trainer.fit(
            images[trained],
            labels[trained],
            point,
            classes=int(labels.max()) + 1,
            steps=shared.steps,
            views=shared.views,
        )


def search_of(name: str, profile: Profile) -> Search:
    """How the extractor `name` is searched: each recipe has its own number of trials."""
    own = {PAPER: profile.training.trials, FINGERPRINT: profile.fingerprint.trials}
    trials = own.get(recipe_of(name)[1], profile.search.trials)
    return profile.search.model_copy(update={"trials": trials})


def extractor_name(architecture: str, recipe: str) -> str:
    """The name of an extractor by its parts; `named` means that the first is its whole name."""
    return architecture if recipe == NAMED else f"{architecture}_{recipe}"


def recipe_of(name: str) -> tuple[str, str]:
    """Architecture and recipe of an extractor; one that is no network is its own recipe."""
    architecture, _, recipe = name.rpartition("_")
    return (architecture, recipe) if architecture in NETWORKS else (name, name)


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
    architecture, _ = recipe_of(name)
    if isinstance(numbers, FingerprintNetwork):
        trainer = FingerprintTrainer(
            architecture, numbers.weights, profile.fingerprint, params.seed
        )
        return FingerprintCandidate(trainer, numbers, profile)
    return PaperCandidate(
        NetworkTrainer(
            name=architecture, network=numbers, training=profile.training, seed=params.seed
        ),
        profile,
    )
