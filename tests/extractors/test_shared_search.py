"""Real worker processes share one search in a real PostgreSQL: no trial is lost or doubled."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from ganamis.errors import UserError
from ganamis.extractors.search import FINISHED, VALUES
from ganamis.extractors.shared_search import run_shared
from ganamis.extractors.shared_storage import SharedStudy, open_study
from ganamis.params import Search
from tests.extractors.search_process import SHARED, work
from tests.extractors.test_search import ComponentsCandidate
from tests.postgres import Server, programs, running

ROOT = Path(__file__).parents[2]
TRIALS = 9
WAIT_SECONDS = 120

Opened = AbstractContextManager[SharedStudy]
needs_server = pytest.mark.skipif(
    programs() is None, reason="PostgreSQL is not installed (Debian: apt install postgresql)"
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as started:
        yield started


@pytest.fixture
def url(server: Server, request: pytest.FixtureRequest) -> str:
    return server.create(request.node.name)


def start(
    url: str, folder: Path, *, name: str = "study", trials: int = TRIALS, hold: bool = False
) -> subprocess.Popen:
    """Start one worker that notes its trials in `folder`."""
    folder.mkdir()
    command = [sys.executable, "-m", "tests.extractors.search_process", url, name, str(folder)]
    command += [str(trials), "hold" if hold else "go"]
    with (folder / "out").open("w") as out:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )


def end(process: subprocess.Popen, folder: Path) -> None:
    assert process.wait(WAIT_SECONDS) == 0, (folder / "out").read_text()


def wait_for(path: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not path.exists():
        assert process.poll() is None and time.monotonic() < deadline, path.parent / "out"
        time.sleep(0.05)


def scored(folder: Path) -> list[int]:
    """Numbers of the trials that the worker of `folder` scored to their end."""
    path = folder / "scored"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def reopen(url: str, name: str = "study", *, create: bool = False, trials: int = TRIALS) -> Opened:
    settings = Search(
        trials=trials, startup_trials=2, query_share=0.5, held_out_share=0.2, learned=0.5
    )
    return open_study(url, name, settings=settings, shared=SHARED, create=create)


def all_trials(url: str, name: str = "study") -> list[FrozenTrial]:
    with reopen(url, name) as opened:
        return opened.study.get_trials()


def take_part(opened: SharedStudy, score: Callable[[optuna.Trial], float], *, trials: int) -> None:
    run_shared(
        opened,
        score,
        first=ComponentsCandidate().first,
        settings=Search(
            trials=trials, startup_trials=2, query_share=0.5, held_out_share=0.2, learned=0.5
        ),
        shared=SHARED,
        seed=7,
        finished=lambda trial: None,
    )


def check(trials: list[FrozenTrial], *, wanted: int = TRIALS) -> None:
    """No number is lost or doubled, exactly `wanted` have finished, and `first` was tried once."""
    assert [trial.number for trial in trials] == list(range(len(trials)))
    finished = [trial for trial in trials if trial.state in FINISHED]
    assert len(finished) == wanted
    assert {trial.state for trial in trials} <= {*FINISHED, TrialState.FAIL}
    (first,) = ComponentsCandidate().first
    assert [trial.params == first for trial in finished].count(True) == 1
    drawn = {json.dumps(trial.params, sort_keys=True) for trial in finished}
    assert len(drawn) == wanted  # no two workers drew the same


@needs_server
def test_three_workers_share_one_search(url: str, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    workers = [start(url, folder) for folder in folders]
    for worker, folder in zip(workers, folders, strict=True):
        end(worker, folder)
    trials = all_trials(url)
    check(trials)
    completed = {trial.number for trial in trials if trial.state is TrialState.COMPLETE}
    finished = {trial.number for trial in trials if trial.state in FINISHED}
    assert sorted(number for folder in folders for number in scored(folder)) == sorted(finished)
    assert sum(bool(scored(folder)) for folder in folders) > 1  # the work was shared
    outcomes = [json.loads((folder / "outcome.json").read_text()) for folder in folders]
    for outcome in outcomes:
        assert sorted(outcome["told"]) == sorted(finished)  # each hears of all, once
    assert len({outcome["best"] for outcome in outcomes}) == 1
    best = trials[outcomes[0]["best"]]
    assert best.value == max(trials[number].value for number in completed)
    surplus = [trial for trial in trials if trial.state is TrialState.FAIL]
    assert all(VALUES not in trial.user_attrs for trial in surplus)  # given back before any work


@needs_server
def test_a_killed_workers_trial_is_repeated_by_another(url: str, tmp_path: Path) -> None:
    doomed = start(url, tmp_path / "doomed", hold=True)
    wait_for(tmp_path / "doomed" / "held", doomed)
    others = {name: start(url, tmp_path / name) for name in "ab"}
    wait_for(tmp_path / "a" / "scored", others["a"])
    doomed.send_signal(signal.SIGKILL)
    doomed.wait()
    for name, worker in others.items():
        end(worker, tmp_path / name)
    trials = all_trials(url)
    check(trials)
    assert trials[0].state is TrialState.FAIL and trials[0].params == ComponentsCandidate().first[0]
    (repeated,) = [trial for trial in trials if trial.system_attrs.get("retry_history") == [0]]
    assert repeated.state in FINISHED
    assert repeated.params == trials[0].params
    assert repeated.number in {*scored(tmp_path / "a"), *scored(tmp_path / "b")}


@needs_server
def test_a_worker_that_slept_too_long_loses_its_trial_and_goes_on(url: str, tmp_path: Path) -> None:
    sleeper = start(url, tmp_path / "sleeper", hold=True)
    wait_for(tmp_path / "sleeper" / "held", sleeper)
    sleeper.send_signal(signal.SIGSTOP)
    try:
        other = start(url, tmp_path / "other")
        end(other, tmp_path / "other")
    finally:
        (tmp_path / "sleeper" / "go").touch()
        sleeper.send_signal(signal.SIGCONT)
    end(sleeper, tmp_path / "sleeper")
    assert "was given to another worker" in (tmp_path / "sleeper" / "out").read_text()
    trials = all_trials(url)
    check(trials)
    assert trials[0].state is TrialState.FAIL
    assert scored(tmp_path / "sleeper") == []


@needs_server
def test_a_trial_whose_worker_died_before_its_first_sign_of_life_is_drawn_anew(
    url: str, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    work(url, "study", tmp_path / "a", trials=2)
    with reopen(url) as opened:
        opened.study._storage.create_new_trial(opened.study._study_id)
    assert all_trials(url)[-1].state is TrialState.RUNNING
    (tmp_path / "b").mkdir()
    work(url, "study", tmp_path / "b", trials=3)
    trials = all_trials(url)
    check(trials, wanted=3)
    assert [trial.state is TrialState.FAIL for trial in trials] == [False, False, True, False]


@needs_server
def test_a_finished_search_runs_nothing_more_and_another_name_starts_anew(
    url: str, tmp_path: Path
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    work(url, "study", tmp_path / "a", trials=3)
    before = all_trials(url)
    work(url, "study", tmp_path / "b", trials=3)
    assert all_trials(url) == before
    assert json.loads((tmp_path / "b" / "outcome.json").read_text())["told"] == [0, 1, 2]
    work(url, "other settings", tmp_path / "c", trials=2)
    assert all_trials(url) == before
    check(all_trials(url, "other settings"), wanted=2)


@needs_server
def test_an_error_in_a_trial_stops_the_worker_and_costs_no_place(url: str, tmp_path: Path) -> None:

    def broken(trial: optuna.Trial) -> float:
        raise ValueError("no convergence")

    with reopen(url, create=True) as opened, pytest.raises(ValueError, match="no convergence"):
        take_part(opened, broken, trials=2)
    (tmp_path / "a").mkdir()
    work(url, "study", tmp_path / "a", trials=2)
    states = [trial.state.name for trial in all_trials(url)]
    assert states[0] == "FAIL" and len(states) == 3


@needs_server
def test_workers_that_open_an_empty_database_at_once_all_succeed(url: str, tmp_path: Path) -> None:
    def opening(number: int) -> str:
        with reopen(url, create=True) as opened:
            return opened.study.study_name

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(opening, range(4))) == ["study"] * 4


@needs_server
def test_an_unknown_search_is_refused_by_name(url: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    work(url, "study", tmp_path / "a", trials=1)
    with pytest.raises(UserError, match=r"no search 'mistyped' \(its searches: study\)"):
        all_trials(url, "mistyped")


@needs_server
def test_a_wrong_password_is_refused_without_being_shown(server: Server) -> None:
    with pytest.raises(UserError, match="authentication failed") as refused:
        all_trials(server.url(password="hunter2%21"))
    assert "hunter2" not in str(refused.value)
    assert f"127.0.0.1:{server.port}" in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://me:hunter2@127.0.0.1:1/db",
        "postgresql+psycopg://me:hunter2@127.0.0.1:port/db",
        "postgresql+psycopg://127.0.0.1:1/db?user=me&password=hunter2",
        "postgresql+psycopg://me:hunter2@127.0.0.1:1",
        "me:hunter2@127.0.0.1/db",
        "nodatabase://me:hunter2@127.0.0.1/db",
        "postgresql+nodriver://me:hunter2@127.0.0.1/db",
        "mysql+mysqldb://me:hunter2@127.0.0.1/db",
        "sqlite:///shared.db",
        "hunter2",
    ],
)
def test_an_unusable_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UserError, match="expected|start the database|pip install") as refused:
        all_trials(url)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None or "hunter2" not in str(refused.value.__cause__)


@needs_server
def test_a_database_that_goes_away_is_reported_and_the_search_goes_on_later(tmp_path: Path) -> None:
    with running() as server:
        url = server.create("search")
        worker = start(url, tmp_path / "a", trials=3, hold=True)
        wait_for(tmp_path / "a" / "held", worker)
        server.stop()
        (tmp_path / "a" / "go").touch()
        assert worker.wait(WAIT_SECONDS) != 0
        output = (tmp_path / "a" / "out").read_text()
        assert "UserError: the shared search at postgresql+psycopg://127.0.0.1" in output
        assert "broke off; start the database" in output
        assert server.password not in output
        server.start()
        end(start(url, tmp_path / "b", trials=3), tmp_path / "b")
        trials = all_trials(url)
        check(trials, wanted=3)
        assert trials[0].state is TrialState.FAIL  # the one that was running
