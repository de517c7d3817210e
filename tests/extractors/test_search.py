"""The search resumes where it stopped, with the result it would have had, and never peeks."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial
from sklearn.decomposition import PCA

from ganamis.contracts import Fold
from ganamis.extractors.search import DevelopmentSet, search, trial_folder
from ganamis.model.evaluation import search_objective
from ganamis.params import Search
from tests.builders import PARAMS, blobs

MODEL = PARAMS.model.model_copy(
    update={"baselines": PARAMS.model.baselines.model_copy(update={"components": 4})}
)
FOLDS = 3


@dataclass(frozen=True)
class Components:
    """Principal components of the pixels, drowned in noise of a given size."""

    pca: PCA
    noise: float
    views: ClassVar[int] = 1

    def embed(self, images: np.ndarray) -> np.ndarray:
        points = self.pca.transform(images.reshape(len(images), -1))
        drown = np.random.default_rng(0).normal(0, self.noise, points.shape)
        return (points + drown).astype(np.float32)

    def save(self, folder: Path) -> None:
        raise NotImplementedError


@dataclass
class ComponentsCandidate:
    """A cheap extractor under search; it can be interrupted at its n-th fit."""

    interrupted_at: int | None = None
    fitted: list[tuple[np.ndarray, np.ndarray, int]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    degradations: tuple[str, ...] = ()
    first: tuple[dict[str, Any], ...] = ({"noise": 60.0, "components": 3},)

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        return {
            "noise": trial.suggest_float("noise", 0.0, 200.0),
            "components": trial.suggest_categorical("components", [1, 2, 3]),
        }

    def fit(
        self, images: np.ndarray, labels: np.ndarray, values: dict[str, Any], *, classes: int
    ) -> Components:
        if len(self.fitted) + 1 == self.interrupted_at:
            raise KeyboardInterrupt
        self.fitted.append((images, labels, classes))
        pca = PCA(values["components"], svd_solver="full").fit(images.reshape(len(images), -1))
        return Components(pca, values["noise"])

    def fit_final(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        values: dict[str, Any],
        *,
        held_out: np.ndarray,
        folder: Path,
    ) -> Components:
        return self.fit(images, labels, values, classes=FOLDS)


def development_set() -> DevelopmentSet:
    """Images of 4 x 4 pixels, six of them loud in a generator's own way."""
    features, names = blobs(generators=FOLDS, images=12, seed=0, spread=0.2)
    images = np.full((len(names), 16), 100.0)
    images[:, :6] += 40 * features
    return DevelopmentSet(
        ids=np.array([f"{i:064x}" for i in range(len(names))]),
        images=images.clip(0, 255).astype(np.uint8).reshape(-1, 4, 4),
        generators=names,
        query=np.arange(len(names)) % 2 == 0,
    )


DEVELOPMENT = development_set()


def run(
    candidate: ComponentsCandidate,
    folder: Path,
    *,
    trials: int = 6,
    name: str = "study",
    finished: Callable[[FrozenTrial], None] = lambda trial: None,
    objective: Callable[[Fold], float] = lambda fold: search_objective(
        fold, settings=MODEL, seed=0
    ),
) -> FrozenTrial:
    return search(
        candidate,
        DEVELOPMENT,
        objective,
        settings=Search(
            trials=trials, startup_trials=2, query_share=0.5, held_out_share=0.2, learned=0.5
        ),
        seed=7,
        study_name=name,
        folder=folder,
        finished=finished,
    )


def outcome(trial: FrozenTrial) -> tuple[Any, ...]:
    """All of a trial but its number and times, which an interruption may change."""
    return trial.state, trial.params, trial.value, trial.intermediate_values, trial.user_attrs


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, list[FrozenTrial], FrozenTrial]:
    """Number of fits, finished trials and best trial of an uninterrupted search."""
    candidate, trials = ComponentsCandidate(), []
    best = run(candidate, tmp_path_factory.mktemp("whole"), finished=trials.append)
    return len(candidate.fitted), trials, best


def test_search_tries_the_first_setting_prunes_and_finds_better(
    whole: tuple[int, list[FrozenTrial], FrozenTrial],
) -> None:
    fits, trials, best = whole
    assert len(trials) == 6
    assert trials[0].params == ComponentsCandidate().first[0]
    states = [trial.state.name for trial in trials]
    assert set(states) == {"COMPLETE", "PRUNED"}
    assert fits < 6 * FOLDS  # a pruned trial saves fits
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    for trial in complete:
        folds = [trial.user_attrs[f"development_ari_without_{n}"] for n in DEVELOPMENT.names]
        assert trial.value == pytest.approx(np.mean(folds))
    assert best.value == max(trial.value for trial in complete if trial.value is not None)
    assert best.value is not None and trials[0].value is not None
    assert best.value > trials[0].value
    assert best.user_attrs["values"] == best.params


@pytest.mark.parametrize("fit", [1, 5, 8, 10])
def test_interrupted_search_ends_as_the_uninterrupted_one(
    tmp_path: Path, whole: tuple[int, list[FrozenTrial], FrozenTrial], fit: int
) -> None:
    fits, expected, expected_best = whole
    stopped, resumed = ComponentsCandidate(interrupted_at=fit), ComponentsCandidate()
    seen: list[FrozenTrial] = []
    with pytest.raises(KeyboardInterrupt):
        run(stopped, tmp_path, finished=seen.append)
    done = len(seen)
    with (tmp_path / "journal.log").open("a") as journal:
        journal.write('{"op_code": 6, "wor')  # the line that was being written
    trials: list[FrozenTrial] = []
    best = run(resumed, tmp_path, finished=trials.append)
    assert [outcome(trial) for trial in trials] == [outcome(trial) for trial in expected]
    assert outcome(best) == outcome(expected_best)
    lost = len(stopped.fitted) - sum(len(trial.intermediate_values) for trial in expected[:done])
    assert len(stopped.fitted) + len(resumed.fitted) == fits + lost
    assert lost < FOLDS


def test_finished_search_fits_nothing_more_and_tells_of_every_trial(tmp_path: Path) -> None:
    first = run(ComponentsCandidate(), tmp_path, trials=3)
    again, trials = ComponentsCandidate(), []
    best = run(again, tmp_path, trials=3, finished=trials.append)
    assert again.fitted == []
    assert [trial.number for trial in trials] == [0, 1, 2]
    assert best == first


def test_the_lock_of_a_killed_process_is_freed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("work")
    folder.mkdir()
    lock = (folder / "journal.log").absolute()
    lock.touch()
    Path(f"{lock}.lock").symlink_to(lock)
    candidate = ComponentsCandidate()
    run(candidate, folder, trials=1)
    assert len(candidate.fitted) == FOLDS


def test_another_study_starts_anew(tmp_path: Path) -> None:
    run(ComponentsCandidate(), tmp_path, trials=2)
    other, trials = ComponentsCandidate(), []
    run(other, tmp_path, trials=1, name="other", finished=trials.append)
    assert len(other.fitted) == FOLDS
    assert [trial.params for trial in trials] == list(other.first)


def test_fits_never_see_the_held_out_generator_nor_the_query_images(tmp_path: Path) -> None:
    candidate = ComponentsCandidate()
    run(candidate, tmp_path, trials=1)
    clustered = {image.tobytes() for image in DEVELOPMENT.images[DEVELOPMENT.query]}
    for held_out, (images, labels, classes) in enumerate(candidate.fitted):
        assert classes == FOLDS
        assert set(labels.tolist()) == set(range(FOLDS)) - {held_out}
        assert clustered.isdisjoint(image.tobytes() for image in images)
        for image, label in zip(images, labels, strict=True):
            (position,) = np.flatnonzero((DEVELOPMENT.images == image).all(axis=(1, 2)))
            assert DEVELOPMENT.generators[position] == DEVELOPMENT.names[label]


def test_folds_of_the_best_trial_are_kept_by_id(tmp_path: Path) -> None:
    folds: list[Fold] = []

    def objective(fold: Fold) -> float:
        folds.append(fold)
        return 0.5

    best = run(ComponentsCandidate(), tmp_path, trials=1, objective=objective)
    assert [fold.held_out for fold in folds] == DEVELOPMENT.names
    for fold in folds:
        stored = Fold.load(trial_folder(tmp_path, "study", best.number) / fold.held_out)
        np.testing.assert_array_equal(
            stored.embeddings.select(DEVELOPMENT.ids), fold.embeddings.select(DEVELOPMENT.ids)
        )
        np.testing.assert_array_equal(stored.query, DEVELOPMENT.query)
        np.testing.assert_array_equal(stored.reference, fold.reference)
        assert set(fold.generators[fold.query]) == set(DEVELOPMENT.names)


def test_journal_is_readable_text(tmp_path: Path) -> None:
    run(ComponentsCandidate(), tmp_path, trials=1)
    lines = (tmp_path / "journal.log").read_text().splitlines()
    assert all(isinstance(json.loads(line), dict) for line in lines)
