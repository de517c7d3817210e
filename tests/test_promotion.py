"""The gate and the aliases on a real registry: every case, and the state it leaves."""

import multiprocessing
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from ganamis import promotion, tracking
from ganamis.errors import UserError
from ganamis.gate import compare
from ganamis.promotion import Decision
from ganamis.registry import CHALLENGER, CHAMPION, MODEL, PREVIOUS, version_of
from tests.serving import register_version

GATE = {"margin": 0.0, "confidence": 0.95, "bootstrap": 300, "seed": 0}
DIGEST, OTHER = "one.dir", "other.dir"
# Share of wrong labels, and the data, of versions 1, 2, ...
GOOD, SAME, BAD, BARELY, ELSEWHERE, DAMAGED = 1, 2, 3, 4, 5, 6
VERSIONS = ((0.05, DIGEST), (0.05, DIGEST), (0.5, DIGEST), (0.03, DIGEST), (0.5, OTHER))
VERSIONS += ((0.5, DIGEST), *(((0.02 + 0.05 * i), DIGEST) for i in range(8)))
EIGHT = range(7, 15)


def table(wrong: float, names: tuple[str, ...] = ("a", "NA", "null")) -> pd.DataFrame:
    """Two folds of 90 images, of whose labels a share is wrong."""
    truth = np.arange(90) % 3
    rows = []
    for fold, held_out in enumerate(names[1:]):
        random = np.random.default_rng(fold)
        order, noise = random.permutation(90), random.integers(0, 3, 90)
        labels = np.where(order < wrong * 90, noise, truth)
        ids = [f"{fold}-{i}" for i in range(90)]
        generators = np.array(names)[truth]
        columns = {"held_out": held_out, "id": ids, "generator": generators, "label": labels}
        rows.append(pd.DataFrame(columns))
    return pd.concat(rows, ignore_index=True)


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with every version and no champion."""
    folder = tmp_path_factory.mktemp("registry")
    for number, (wrong, digest) in enumerate(VERSIONS):
        version = register_version(folder, table(wrong), digest=digest)
        assert int(version.version) == number + 1
        if number + 1 == DAMAGED:
            path = mlflow.artifacts.download_artifacts(version.source)
            (Path(path) / "artifacts" / "assignment.npz").write_bytes(b"no longer an archive")
    return folder


@pytest.fixture
def store(registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the registry; the artifacts stay where they are."""
    path = tmp_path / "mlflow.db"
    shutil.copy(registered / "mlflow.db", path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{path}")
    mlflow.set_registry_uri(f"sqlite:///{path}")
    tracking.connect()
    yield path
    mlflow.set_registry_uri("")


def promote(number: int, digest: str = DIGEST) -> Decision:
    def rescore(folder: Path, champion: object) -> pd.DataFrame:
        assert (folder / "spectrum.json").is_file()
        return table(0.5)

    return promotion.promote(number, data_digest=digest, rescore=rescore, **GATE)


def crown(champion: int, previous: int | None = None) -> None:
    client = mlflow.MlflowClient()
    client.set_registered_model_alias(MODEL, CHAMPION, str(champion))
    if previous is not None:
        client.set_registered_model_alias(MODEL, PREVIOUS, str(previous))


def state() -> tuple[int | None, int | None]:
    """Numbers of champion and previous; the challenger's alias never moves here."""
    newest = version_of(CHALLENGER)
    assert newest is not None and int(newest.version) == len(VERSIONS)
    found = [version_of(alias) for alias in (CHAMPION, PREVIOUS)]
    return tuple(None if v is None else int(v.version) for v in found)  # type: ignore[return-value]


def tags(number: int) -> dict[str, str]:
    return dict(mlflow.MlflowClient().get_model_version(MODEL, str(number)).tags)


def test_no_champion_yet(store: Path) -> None:
    decision = promote(GOOD)
    assert decision.promoted and decision.champion is None and decision.low is None
    assert state() == (GOOD, None)
    assert tags(GOOD)["gate.promoted"] == "True" and tags(GOOD)["gate.decided_at"]


@pytest.mark.parametrize(
    ("champion", "challenger", "wins"),
    [
        pytest.param(BAD, GOOD, True, id="better"),
        pytest.param(SAME, GOOD, False, id="equal"),
        pytest.param(GOOD, BAD, False, id="worse"),
        pytest.param(GOOD, BARELY, False, id="better by less than the noise"),
    ],
)
def test_the_decision_and_its_evidence(
    store: Path, champion: int, challenger: int, wins: bool
) -> None:
    crown(champion, previous=SAME)
    decision = promote(challenger)
    assert decision.promoted is wins
    assert state() == ((challenger, champion) if wins else (champion, SAME))
    assert decision.low is not None and decision.high is not None
    assert decision.difference is not None and decision.low <= decision.difference <= decision.high
    assert decision.challenger_ari is not None and decision.champion_ari is not None
    ahead = decision.challenger_ari - decision.champion_ari
    assert decision.difference == pytest.approx(ahead)
    if challenger == BARELY:
        assert decision.difference > 0 >= decision.low
    written = tags(challenger)
    assert written["gate.low"] == str(decision.low) and written["gate.champion"] == str(champion)
    assert written["gate.data_digest"] == DIGEST and written["gate.reason"] == decision.reason


def test_a_champion_of_other_data_is_scored_again(store: Path) -> None:
    crown(ELSEWHERE)
    decision = promote(GOOD)
    assert decision.promoted and decision.rescored and state() == (GOOD, ELSEWHERE)


def test_a_challenger_of_other_data_is_refused(store: Path) -> None:
    crown(BAD)
    before = tags(ELSEWHERE)
    with pytest.raises(UserError, match="other.dir, but the data set is now one.dir"):
        promote(ELSEWHERE)
    assert state() == (BAD, None) and tags(ELSEWHERE) == before


def test_a_damaged_champion_is_neither_beaten_nor_believed(store: Path) -> None:
    crown(DAMAGED, previous=SAME)
    with pytest.raises(UserError, match="version 6 are damaged .* `ganamis rollback`"):
        promote(GOOD)
    assert state() == (DAMAGED, SAME) and "gate.promoted" not in tags(GOOD)
    promotion.roll_back()
    assert state() == (SAME, DAMAGED)


def test_a_damaged_challenger_is_refused(store: Path) -> None:
    with pytest.raises(UserError, match="version 6 are damaged"):
        promote(DAMAGED)
    assert state() == (None, None)


def test_the_same_version_twice(store: Path) -> None:
    promote(GOOD)
    before = tags(GOOD)
    again = promote(GOOD)
    assert not again.promoted and again.reason == "it is the champion already"
    assert state() == (GOOD, None) and tags(GOOD) == before


def test_an_unknown_version(store: Path) -> None:
    with pytest.raises(UserError, match="version 99 is not in this registry"):
        promote(99)
    assert state() == (None, None)


def test_rollback_and_back_again(store: Path) -> None:
    crown(GOOD, previous=BAD)
    done = promotion.roll_back()
    assert (done.champion, done.replaced) == (BAD, GOOD) and state() == (BAD, GOOD)
    assert tags(GOOD)["rollback.champion"] == str(BAD)
    promotion.roll_back()
    assert state() == (GOOD, BAD)


@pytest.mark.parametrize(("champion", "previous"), [(None, None), (GOOD, None), (GOOD, GOOD)])
def test_nothing_to_go_back_to(store: Path, champion: int | None, previous: int | None) -> None:
    if champion is not None:
        crown(champion, previous)
    with pytest.raises(UserError, match="no version to go back to"):
        promotion.roll_back()
    assert state() == (champion, previous)


def test_another_machine_came_first(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crown(BAD)
    genuine = promotion._decide

    def slow(*args: object, **settings: object) -> Decision:
        decision = genuine(*args, **settings)  # type: ignore[arg-type]
        crown(SAME)
        return decision

    monkeypatch.setattr(promotion, "_decide", slow)
    with pytest.raises(UserError, match="another promotion made version 2 champion"):
        promote(GOOD)
    assert state() == (SAME, None)


def _promote_in_process(store: str, number: int, answers: "multiprocessing.Queue[str]") -> None:
    mlflow.set_tracking_uri(store)
    mlflow.set_registry_uri(store)
    try:
        answers.put(promote(number).reason)
    except Exception as error:
        answers.put(repr(error))


def _die_after(store: str, number: int, writes: int) -> None:
    """Promote, and be killed right after so many writes to the registry."""
    mlflow.set_tracking_uri(store)
    mlflow.set_registry_uri(store)
    left = [writes]
    for name in ("set_model_version_tag", "set_registered_model_alias"):
        genuine = getattr(mlflow.MlflowClient, name)

        def counted(*args: object, genuine: object = genuine, **settings: object) -> None:
            genuine(*args, **settings)  # type: ignore[operator]
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        setattr(mlflow.MlflowClient, name, counted)
    promote(number)


def processes() -> multiprocessing.context.ForkServerContext:
    """Children of a process that has imported everything and opened nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.test_promotion"])
    return context


def test_eight_promotions_at_once(store: Path) -> None:
    crown(BAD)
    context = processes()
    answers = context.Queue()
    arguments = [(f"sqlite:///{store}", number, answers) for number in EIGHT]
    children = [context.Process(target=_promote_in_process, args=each) for each in arguments]
    for child in children:
        child.start()
    said = [answers.get(timeout=240) for _ in children]
    for child in children:
        child.join()
    assert all("better by more than" in answer for answer in said), said
    champion, previous = state()
    won = [number for number in EIGHT if tags(number)["gate.promoted"] == "True"]
    assert champion in won and previous in {BAD, *won} - {champion}
    # Whoever serves now was beaten by nobody who came later.
    lost = [number for number in EIGHT if tags(number)["gate.champion"] == str(champion)]
    assert all(tags(number)["gate.promoted"] == "False" for number in lost)
    aris = {number: float(tags(number)["gate.challenger_ari"]) for number in won}
    assert aris[champion] == max(aris.values())


TAGS = len(Decision.__dataclass_fields__)


@pytest.mark.parametrize(
    ("writes", "left"),
    [
        pytest.param(1, (BAD, None), id="within the tags"),
        pytest.param(TAGS, (BAD, None), id="before previous"),
        pytest.param(TAGS + 1, (BAD, BAD), id="before champion"),
        pytest.param(TAGS + 2, (GOOD, BAD), id="after champion"),
    ],
)
def test_killed_between_two_writes(
    store: Path, writes: int, left: tuple[int | None, int | None]
) -> None:
    crown(BAD)
    child = processes().Process(target=_die_after, args=(f"sqlite:///{store}", GOOD, writes))
    child.start()
    child.join(timeout=120)
    assert child.exitcode == -signal.SIGKILL
    assert state() == left
    promote(GOOD)  # the lock died with its holder, and the work is finished
    assert state() == (GOOD, BAD)


def test_comparison_joins_by_image_and_wants_the_same_images() -> None:
    settings = {"confidence": 0.95, "bootstrap": 200, "seed": 0}
    ours, theirs = table(0.1), table(0.4)
    found = compare(ours, theirs, **settings)
    shuffled = compare(ours.sample(frac=1, random_state=1), theirs[::-1], **settings)
    assert found == shuffled and found.low > 0
    swapped = compare(theirs, ours, **settings)
    assert swapped.difference == pytest.approx(-found.difference) and swapped.high < 0
    with pytest.raises(UserError, match="180 and 179 images of which they share 179"):
        compare(ours, theirs[1:], **settings)
