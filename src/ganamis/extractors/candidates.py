"""The extractors by name, each as something the search can fit."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna

from ganamis.errors import UserError
from ganamis.extractors.architectures import NETWORKS
from ganamis.extractors.network import NetworkExtractor
from ganamis.extractors.training import NetworkTrainer
from ganamis.params import Hyperparameters, Params, Space


@dataclass(frozen=True)
class NetworkCandidate:
    """One of the paper's networks under search."""

    trainer: NetworkTrainer
    space: Space
    epochs: int

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        """Draw hyper-parameters from the space of params.yaml."""
        space = self.space
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
        self, images: np.ndarray, labels: np.ndarray, values: dict[str, Any]
    ) -> NetworkExtractor:
        """Train for the search's epochs."""
        return self.trainer.fit(images, labels, Hyperparameters(**values), epochs=self.epochs)


def network_candidate(name: str, params: Params) -> NetworkCandidate:
    """The candidate of one network, with the numbers of the active profile."""
    profile = params.active
    trainer = NetworkTrainer(
        name=name,
        network=profile.networks[name],
        training=profile.training,
        seed=params.seed,
    )
    return NetworkCandidate(trainer=trainer, space=profile.space, epochs=profile.search.epochs)


def check_architecture(name: str, params: Params) -> None:
    """Refuse a name that cannot be trained, before any work.

    Raises:
        UserError: the architecture is unknown or has no section in the active profile.
    """
    if name not in NETWORKS:
        raise UserError(f"architecture '{name}' is unknown; choose one of {', '.join(NETWORKS)}")
    if name not in params.active.networks:
        raise UserError(f"profiles.{params.profile}.networks has no '{name}'; add it")
