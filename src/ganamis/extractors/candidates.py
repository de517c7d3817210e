"""The extractors by name, each as something the search can fit."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from ganamis.errors import UserError
from ganamis.extractors.network import NetworkExtractor
from ganamis.extractors.search import Candidate
from ganamis.extractors.spectrum import Spectrum
from ganamis.extractors.training import NetworkTrainer
from ganamis.params import Extractors, Hyperparameters, Network, Params, Profile, SpectrumSettings

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
        profile = self.profile.model_dump(exclude={"extractors"})
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


@dataclass(frozen=True)
class SpectrumCandidate:
    """Local log power spectra under search: nothing is fitted, only the windows are chosen."""

    numbers: SpectrumSettings

    @property
    def settings(self) -> dict[str, Any]:
        return self.numbers.model_dump()

    @property
    def degradations(self) -> tuple[str, ...]:
        return tuple(self.numbers.degradations)

    @property
    def first(self) -> dict[str, Any]:
        return self.numbers.first_trial.model_dump()

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        space = self.numbers.space
        return {
            "grid": trial.suggest_categorical("grid", space.grid),
            "coarse": trial.suggest_categorical("coarse", space.coarse),
            "fine": trial.suggest_categorical("fine", space.fine),
        }

    def fit(
        self, images: np.ndarray, labels: np.ndarray, values: dict[str, Any], *, classes: int
    ) -> Spectrum:
        return Spectrum(
            grid=values["grid"],
            periods=(values["fine"], values["coarse"]),
            threads=self.numbers.threads,
        )

    def fit_final(
        self, images: np.ndarray, labels: np.ndarray, values: dict[str, Any], *, folder: Path
    ) -> Spectrum:
        return self.fit(images, labels, values, classes=0)


def candidate(name: str, params: Params) -> Candidate:
    """The extractor `name` with the numbers of the active profile.

    Raises:
        UserError: the name is unknown.
    """
    profile = params.active
    if name not in EXTRACTORS:
        raise UserError(f"architecture '{name}' is unknown; choose one of {', '.join(EXTRACTORS)}")
    numbers = dict(profile.extractors)[name]
    if isinstance(numbers, SpectrumSettings):
        return SpectrumCandidate(numbers)
    trainer = NetworkTrainer(
        name=name, network=numbers, training=profile.training, seed=params.seed
    )
    return NetworkCandidate(trainer=trainer, profile=profile)
