"""The fingerprint extractors under search: spectra, a residual network, and both together."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import optuna

from ganamis.contracts import Extractor
from ganamis.extractors.fusion import Fusion
from ganamis.extractors.residual_network import ResidualNetworkConfig, fit
from ganamis.extractors.spectrum import Spectrum
from ganamis.params import Degradations, ResidualSettings, SpectrumSettings

Numbers = TypeVar("Numbers", SpectrumSettings, ResidualSettings)


@dataclass(frozen=True)
class _FingerprintCandidate(Generic[Numbers]):
    """What the candidates share: numbers from params.yaml, and the copies that teach nuisance."""

    numbers: Numbers
    degraded: Degradations

    @property
    def settings(self) -> dict[str, Any]:
        return {**self.numbers.model_dump(), "degradations": list(self.degraded)}

    @property
    def degradations(self) -> tuple[str, ...]:
        return tuple(self.degraded)

    @property
    def first(self) -> tuple[dict[str, Any], ...]:
        return (self.numbers.first_trial.model_dump(),)


@dataclass(frozen=True)
class SpectrumCandidate(_FingerprintCandidate[SpectrumSettings]):
    """Local log power spectra under search: nothing is fitted, only the windows are chosen."""

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
        self,
        images: np.ndarray,
        labels: np.ndarray,
        values: dict[str, Any],
        *,
        held_out: np.ndarray,
        folder: Path,
    ) -> Spectrum:
        return self.fit(images, labels, values, classes=0)


@dataclass(frozen=True)
class ResidualCandidate(_FingerprintCandidate[ResidualSettings]):
    """The residual network under search, alone or fused with spectra of the same windows.

    spectrum: the spectra's numbers, or None for the network alone.
    """

    seed: int
    spectrum: SpectrumSettings | None

    @property
    def settings(self) -> dict[str, Any]:
        own = super().settings
        return own if self.spectrum is None else {**own, "fused": self.spectrum.model_dump()}

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        space = self.numbers.space
        return {
            "learning_rate": trial.suggest_float(
                "learning_rate", space.learning_rate.low, space.learning_rate.high, log=True
            ),
            "temperature": trial.suggest_float(
                "temperature", space.temperature.low, space.temperature.high, log=True
            ),
        }

    def fit(
        self, images: np.ndarray, labels: np.ndarray, values: dict[str, Any], *, classes: int
    ) -> Extractor:
        return self._fit(images, labels, values, steps=self.numbers.search_steps)

    def fit_final(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        values: dict[str, Any],
        *,
        held_out: np.ndarray,
        folder: Path,
    ) -> Extractor:
        trained = ~held_out
        return self._fit(images[trained], labels[trained], values, steps=self.numbers.steps)

    def _fit(
        self, images: np.ndarray, labels: np.ndarray, values: dict[str, Any], *, steps: int
    ) -> Extractor:
        numbers = self.numbers
        config = ResidualNetworkConfig(
            channels=(numbers.channels[0], numbers.channels[1], numbers.channels[2]),
            grid=numbers.grid,
            crop=numbers.crop,
            steps=steps,
            generators_share=numbers.generators_share,
            **values,
        )
        network = fit(images, labels, config=config, seed=self.seed)
        if self.spectrum is None:
            return network
        first = self.spectrum.first_trial
        spectrum = Spectrum(
            grid=numbers.grid, periods=(first.fine, first.coarse), threads=self.spectrum.threads
        )
        return Fusion.fit((spectrum, network), images)
