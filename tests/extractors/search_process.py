"""One worker of a shared search, as a process of its own: see test_shared_search.py."""

import json
import sys
import time
from pathlib import Path

import optuna

from ganamis.contracts import Fold
from ganamis.extractors.search import VALUES, evaluate
from ganamis.extractors.shared_search import run_shared
from ganamis.extractors.shared_storage import open_study
from ganamis.model.evaluation import search_objective
from ganamis.params import Search, SharedSearch
from tests.extractors.test_search import DEVELOPMENT, MODEL, ComponentsCandidate

SHARED = SharedSearch(heartbeat=1, grace=3, retries=2, poll=0.2)
HELD_SECONDS = 60


def work(url: str, name: str, folder: Path, *, trials: int, hold: bool = False) -> None:
    """Take part in the search `name`; note in `folder` every trial that is begun and told.

    Args:
        hold: wait in the first trial until the process is killed or `go` lies in the folder.
    """
    settings = Search(
        trials=trials, startup_trials=2, query_share=0.5, held_out_share=0.2, learned=0.5
    )
    candidate = ComponentsCandidate()
    told: list[int] = []

    def objective(fold: Fold) -> float:
        deadline = time.monotonic() + HELD_SECONDS
        while hold and not (folder / "go").exists():
            (folder / "held").touch()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.05)
        return search_objective(fold, settings=MODEL, seed=0)

    def score(trial: optuna.Trial) -> float:
        try:
            value = evaluate(trial, candidate, DEVELOPMENT, objective)
        except optuna.TrialPruned:
            note(trial)
            raise
        note(trial)
        return value

    def note(trial: optuna.Trial) -> None:
        with (folder / "scored").open("a") as stream:
            print(trial.number, file=stream)

    with open_study(url, name, settings=settings, shared=SHARED, create=True) as opened:
        run_shared(
            opened,
            score,
            first=candidate.first,
            settings=settings,
            shared=SHARED,
            seed=7,
            finished=lambda trial: told.append(trial.number),
        )
        best = opened.best
    outcome = {"told": told, "best": best.number, "values": best.user_attrs[VALUES]}
    (folder / "outcome.json").write_text(json.dumps(outcome))


if __name__ == "__main__":
    url, name, folder, trials, hold = sys.argv[1:]
    work(url, name, Path(folder), trials=int(trials), hold=hold == "hold")
