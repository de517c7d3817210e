"""Optuna search of one extractor on the open-world objective, resumable after any interruption.

Objective (development data only): hold one generator out of training, cluster the held-out
images of all generators, score against their labels; average over the held-out generators.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, TrialState

from ganamis.contracts import Embeddings, Extractor, Fold, view_means
from ganamis.errors import UserError
from ganamis.files import resuming, whole_lines
from ganamis.params import Search

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
LOCK_SECONDS = 5  # after which the lock of a process that died is freed
JOURNAL = "journal.log"
VALUES = "values"  # a trial's attribute: its hyper-parameters, set before any fit


class Candidate(Protocol):
    """One extractor under search."""

    @property
    def settings(self) -> dict[str, Any]:
        """Every parameter the result depends on, for the run and for resuming."""
        ...

    @property
    def first(self) -> tuple[dict[str, Any], ...]:
        """The hyper-parameters that are tried first, in this order."""
        ...

    @property
    def degradations(self) -> tuple[str, ...]:
        """Which degraded copies of the development images are embedded as well."""
        ...

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        """Draw hyper-parameters."""
        ...

    def fit(
        self, images: np.ndarray, labels: np.ndarray, values: dict[str, Any], *, classes: int
    ) -> Extractor:
        """Fit quickly on `[N, H, W]` uint8 and `[N]` int labels below `classes`."""
        ...

    def fit_final(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        values: dict[str, Any],
        *,
        held_out: np.ndarray,
        folder: Path,
    ) -> Extractor:
        """Fit in full.

        Args:
            held_out: `[N]` bool, images that may tell when to stop, and are never trained on.
            folder: keeps what an interrupted fit goes on from.
        """
        ...


@dataclass(frozen=True)
class DevelopmentSet:
    """The labelled images.

    ids: `[N]` str. images: `[N, H, W]` uint8. generators: `[N]` str.
    query: `[N]` bool, images that no fold trains on. degraded: name of a degradation to the
    degraded images `[N, H, W]` uint8, for extractors that learn from them what to ignore.
    """

    ids: np.ndarray
    images: np.ndarray
    generators: np.ndarray
    query: np.ndarray
    degraded: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The generators' names, sorted."""
        return sorted(set(self.generators.tolist()))

    @property
    def labels(self) -> np.ndarray:
        """`[N]` int, the position of each image's generator in `names`."""
        return np.searchsorted(self.names, self.generators)

    def fold(self, held_out: str, extractor: Extractor) -> Fold:
        """The fold of an extractor that was fitted without `held_out`, without copies."""
        return Fold(
            held_out=held_out,
            embeddings=Embeddings(self.ids, extractor.embed(self.images), extractor.views),
            generators=self.generators,
            reference=~self.query & (self.generators != held_out),
            query=self.query,
        )

    def copies(self, extractor: Extractor, chosen: np.ndarray) -> dict[str, np.ndarray]:
        """Features `[R, D]` of degraded images, averaged over views; chosen: `[N]` bool, R true."""
        return {
            name: view_means(extractor.embed(images[chosen]), extractor.views)
            for name, images in self.degraded.items()
        }

    def with_copies(self, fold: Fold, extractor: Extractor) -> Fold:
        """A fold with the degraded copies of its reference images."""
        return replace(fold, copies=self.copies(extractor, fold.reference))


Objective = Callable[[Fold], float]


def _journal(folder: Path) -> JournalStorage:
    """The trials' journal; a process killed while it wrote leaves half a line and its lock.

    Optuna frees a lock that stays unchanged, but waits for ever on the link that a relative path
    makes, since that leads nowhere from its own folder.
    """
    path = str(whole_lines(folder.absolute() / JOURNAL))
    lock = JournalFileSymlinkLock(path, grace_period=LOCK_SECONDS)
    return JournalStorage(JournalFileBackend(path, lock_obj=lock))


def search(
    candidate: Candidate,
    development: DevelopmentSet,
    objective: Objective,
    *,
    settings: Search,
    seed: int,
    study_name: str,
    folder: Path,
    finished: Callable[[FrozenTrial], None],
) -> FrozenTrial:
    """Run trials until `settings.trials` have finished; finished ones are never run again.

    Args:
        study_name: a digest of everything the result depends on; another name starts anew.
        folder: holds the journal and the trials' fold embeddings between calls.
        finished: called for each finished trial, those of an interrupted search first.

    Returns:
        The best trial; its hyper-parameters are `user_attrs[VALUES]`.

    Raises:
        UserError: every trial failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with resuming(folder / JOURNAL, what="the search"):
        study = optuna.create_study(
            storage=_journal(folder),
            study_name=study_name,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=settings.startup_trials),
            load_if_exists=True,
        )
    _drop_interrupted(study)
    for earlier in study.get_trials(deepcopy=False, states=FINISHED):
        finished(earlier)
    while (done := len(study.get_trials(deepcopy=False, states=FINISHED))) < settings.trials:
        print(f"Trial {done + 1} of {settings.trials}", flush=True)
        # A sampler seeded by the number of finished trials draws the same after a resume.
        study.sampler = optuna.samplers.TPESampler(
            seed=seed + done, n_startup_trials=settings.startup_trials
        )
        waits = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        if done < len(candidate.first) and not waits:
            study.enqueue_trial(candidate.first[done])
        trial = study.ask()
        _run(trial, study, candidate, development, objective, folder=folder)
        ended = study.trials[trial.number]
        print(f"  {ended.state.name.lower()}: {_outcome(ended)}", flush=True)
        finished(ended)
    try:
        best = study.best_trial
    except ValueError as error:
        raise UserError(f"search: none of {settings.trials} trials completed") from error
    kept = trial_folder(folder, study_name, best.number)
    if not all((kept / name).is_dir() for name in development.names):
        raise UserError(
            f"'{kept}', the folds of a finished trial, is incomplete; remove '{folder}', and the "
            "search begins anew"
        )
    return best


def _drop_interrupted(study: optuna.Study) -> None:
    """A trial that was running when the process died is failed, and its place drawn again."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def _run(
    trial: optuna.Trial,
    study: optuna.Study,
    candidate: Candidate,
    development: DevelopmentSet,
    objective: Objective,
    *,
    folder: Path,
) -> None:
    target = trial_folder(folder, study.study_name, trial.number)
    shutil.rmtree(target, ignore_errors=True)
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    try:
        score = evaluate(
            trial,
            candidate,
            development,
            objective,
            keep=lambda fold: fold.save(target / fold.held_out),
            above=max((other.value or 0.0 for other in complete), default=-np.inf),
        )
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, score)


def evaluate(
    trial: optuna.Trial,
    candidate: Candidate,
    development: DevelopmentSet,
    objective: Objective,
    *,
    keep: Callable[[Fold], None] | None = None,
    above: float = -np.inf,
) -> float:
    """Score one trial: the mean of `objective` over the held-out generators.

    Args:
        objective: scores a fold without its degraded copies, which only the best trial so far is
            worth embedding.
        keep: takes the folds of such a trial, with their copies.
        above: the best score so far; what does not exceed it is not kept.

    Raises:
        optuna.TrialPruned: the pruner stopped the trial.
    """
    values = candidate.suggest(trial)
    trial.set_user_attr(VALUES, values)
    scores: list[float] = []
    fitted: list[tuple[Fold, Extractor]] = []
    for step, held_out in enumerate(development.names):
        extractor = _fit_without(held_out, candidate, development, values)
        fold = development.fold(held_out, extractor)
        fitted.append((fold, extractor))
        scores.append(objective(fold))
        trial.set_user_attr(f"development_ari_without_{held_out}", scores[-1])
        trial.report(float(np.mean(scores)), step)
        if step < len(development.names) - 1 and trial.should_prune():
            raise optuna.TrialPruned
    score = float(np.mean(scores))
    if keep is not None and score > above:
        for fold, extractor in fitted:
            keep(development.with_copies(fold, extractor))
    return score


def save_folds(
    candidate: Candidate, development: DevelopmentSet, values: dict[str, Any], *, folder: Path
) -> None:
    """Fit the folds of one trial again, for a trial that another machine ran.

    The result is what `evaluate` scored there: a fit depends on values and settings alone.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for held_out in development.names:
        extractor = _fit_without(held_out, candidate, development, values)
        fold = development.fold(held_out, extractor)
        development.with_copies(fold, extractor).save(folder / held_out)


def _fit_without(
    held_out: str, candidate: Candidate, development: DevelopmentSet, values: dict[str, Any]
) -> Extractor:
    reference = ~development.query & (development.generators != held_out)
    return candidate.fit(
        development.images[reference],
        development.labels[reference],
        values,
        classes=len(development.names),
    )


def _outcome(trial: FrozenTrial) -> str:
    values = ", ".join(
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in trial.params.items()
    )
    return f"open-world development ARI {trial.value or 0.0:.4f} ({values})"


def trial_folder(folder: Path, study_name: str, number: int) -> Path:
    """Where a trial's fold embeddings lie: one folder for each held-out generator."""
    return folder / study_name / f"trial-{number:04d}"
