"""The gate and the aliases on a real registry: every case, and the state it leaves."""

import fcntl
import json
import multiprocessing
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from ganamis.errors import UserError
from ganamis.model.storage import ARRAYS_FILE, EXTRACTOR
from ganamis.registry import promotion, turns
from ganamis.registry.gate import compare
from ganamis.registry.names import CHALLENGER, CHAMPION, MODEL, PREVIOUS
from ganamis.registry.promotion import Decision
from ganamis.registry.versions import ARTIFACT, version_of
from ganamis.tracking import runs
from tests.serving.tiny_model import register_version

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
            (Path(path) / "artifacts" / ARTIFACT / ARRAYS_FILE).write_bytes(b"no longer an archive")
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
    runs.connect()
    yield path
    mlflow.set_registry_uri("")


def promote(number: int, digest: str = DIGEST) -> Decision:
    def rescore(folder: Path, champion: object) -> pd.DataFrame:
        assert (folder / EXTRACTOR / "spectrum.json").is_file()
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


def recorded(number: int) -> dict[str, object]:
    return json.loads(tags(number)[promotion.DECISION])


def tags(number: int) -> dict[str, str]:
    """Of a version and of its run."""
    version = mlflow.MlflowClient().get_model_version(MODEL, str(number))
    return version.tags | mlflow.get_run(version.run_id).data.tags


def test_no_champion_yet(store: Path) -> None:
    decision = promote(GOOD)
    assert decision.promoted and decision.champion is None and decision.low is None
    assert state() == (GOOD, None)
    assert tags(GOOD)[promotion.GATE] == "promoted: there was no champion"
    assert recorded(GOOD) == asdict(decision)


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
    assert recorded(challenger) == asdict(decision)
    outcome = "promoted" if wins else "not promoted"
    difference = f"{decision.difference:+.3f} (at least {decision.low:+.3f})"
    assert written[promotion.GATE] == f"{outcome}: {difference} on version {champion}"


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
    assert state() == (DAMAGED, SAME) and promotion.DECISION not in tags(GOOD)
    promotion.roll_back()
    assert state() == (SAME, DAMAGED)


def test_a_damaged_challenger_is_refused(store: Path) -> None:
    with pytest.raises(UserError, match="version 6 are damaged"):
        promote(DAMAGED)
    assert state() == (None, None)


def test_the_same_version_twice(store: Path) -> None:
    first = promote(GOOD)
    before = tags(GOOD)
    assert promote(GOOD) == first
    assert state() == (GOOD, None) and tags(GOOD) == before


def test_a_champion_made_by_hand(store: Path) -> None:
    crown(GOOD)
    decision = promote(GOOD)
    assert not decision.promoted and decision.reason == "it is the champion already"
    assert state() == (GOOD, None) and promotion.DECISION not in tags(GOOD)


def test_a_server_that_does_not_answer_is_not_an_empty_registry(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crown(GOOD)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and never listens
        away = f"http://127.0.0.1:{unused.getsockname()[1]}"
        mlflow.set_registry_uri(away)
        for ask in (lambda: version_of(CHAMPION), lambda: promote(BAD), promotion.roll_back):
            with pytest.raises(UserError, match=f"server at '{away}' stopped answering"):
                ask()
    mlflow.set_registry_uri(f"sqlite:///{store}")
    assert state() == (GOOD, None)


def test_who_waits_in_vain_is_told(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crown(BAD)
    monkeypatch.setattr(turns, "WAIT", 0.2)
    with open(f"{store}.promotion.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for act in (lambda: promote(GOOD), promotion.roll_back):
            with pytest.raises(UserError, match="another promotion or rollback has been at work"):
                act()
    assert state() == (BAD, None) and promotion.DECISION not in tags(GOOD)


def test_an_unknown_version(store: Path) -> None:
    with pytest.raises(UserError, match="version 99 is not in this registry"):
        promote(99)
    assert state() == (None, None)


def test_rollback_and_back_again(store: Path) -> None:
    crown(GOOD, previous=BAD)
    done = promotion.roll_back()
    assert (done.champion, done.replaced) == (BAD, GOOD) and state() == (BAD, GOOD)
    assert tags(GOOD)[promotion.ROLLBACK].startswith(f"from {GOOD} to {BAD}, 20")
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
    """Promote, or roll back (number 0), and be killed right after so many writes."""
    mlflow.set_tracking_uri(store)
    mlflow.set_registry_uri(store)
    left = [writes]
    for name in WRITES:
        genuine = getattr(mlflow.MlflowClient, name)

        def counted(*args: object, genuine: object = genuine, **settings: object) -> None:
            genuine(*args, **settings)  # type: ignore[operator]
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        setattr(mlflow.MlflowClient, name, counted)
    if number:
        promote(number)
    else:
        promotion.roll_back()


# What a client imports when it first asks a database.
STORES = tuple(f"mlflow.store.{kind}.sqlalchemy_store" for kind in ("tracking", "model_registry"))


def processes() -> multiprocessing.context.ForkServerContext:
    """Children of a process that has imported everything and opened nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.registry.test_promotion", *STORES])
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
    won = [number for number in EIGHT if recorded(number)["promoted"]]
    assert champion in won and previous in {BAD, *won} - {champion}
    # Whoever serves now was beaten by nobody who came later.
    lost = [number for number in EIGHT if recorded(number)["champion"] == champion]
    assert not any(recorded(number)["promoted"] for number in lost)
    aris = {number: recorded(number)["challenger_ari"] for number in won}
    assert aris[champion] == max(aris.values())


WRITES = (
    "set_tag",
    "set_model_version_tag",
    "set_registered_model_tag",
    "set_registered_model_alias",
)
EVIDENCE_TAGS, ROLLBACK_TAGS = 2, 2  # written before any alias moves


@pytest.mark.parametrize(
    ("writes", "left"),
    [
        pytest.param(1, (BAD, SAME), id="within the tags"),
        pytest.param(EVIDENCE_TAGS, (BAD, SAME), id="after the tags"),
        pytest.param(EVIDENCE_TAGS + 1, (BAD, SAME), id="before previous"),
        pytest.param(EVIDENCE_TAGS + 2, (BAD, BAD), id="before champion"),
        pytest.param(EVIDENCE_TAGS + 3, (GOOD, BAD), id="after champion"),
    ],
)
def test_a_promotion_killed_between_two_writes(
    store: Path, writes: int, left: tuple[int | None, int | None]
) -> None:
    crown(BAD, previous=SAME)
    _killed(store, GOOD, writes)
    assert state() == left
    promote(GOOD)  # the lock died with its holder, and the work is finished
    assert state() == (GOOD, BAD) and recorded(GOOD)["promoted"]


@pytest.mark.parametrize(
    ("writes", "left"),
    [
        pytest.param(ROLLBACK_TAGS + 1, (GOOD, BAD), id="before previous"),
        pytest.param(ROLLBACK_TAGS + 2, (GOOD, GOOD), id="before champion"),
        pytest.param(ROLLBACK_TAGS + 3, (BAD, GOOD), id="after champion"),
    ],
)
def test_a_rollback_killed_between_two_writes(
    store: Path, writes: int, left: tuple[int, int]
) -> None:
    crown(GOOD, previous=BAD)
    _killed(store, 0, writes)
    assert state() == left
    moved = left == (BAD, GOOD)
    promotion.roll_back()
    assert state() == ((GOOD, BAD) if moved else (BAD, GOOD))


@pytest.mark.parametrize("previous", [None, SAME])
def test_a_promotion_that_died_before_its_last_write_can_be_rolled_back(
    store: Path, previous: int | None
) -> None:
    crown(BAD, previous)
    _killed(store, GOOD, EVIDENCE_TAGS + 2)
    assert state() == (BAD, BAD)
    if previous is None:
        with pytest.raises(UserError, match="previous is none"):
            promotion.roll_back()
        assert state() == (BAD, None)
    else:
        promotion.roll_back()
        assert state() == (SAME, BAD)


def test_whoever_comes_next_puts_previous_back_even_if_it_loses(store: Path) -> None:
    crown(SAME, previous=BAD)
    client = mlflow.MlflowClient()
    client.set_registered_model_tag(
        MODEL, promotion.MOVE, json.dumps({"champion": str(SAME), "previous": str(BAD)})
    )
    crown(SAME, previous=SAME)  # what a kill before the last write leaves
    assert not promote(GOOD).promoted
    assert state() == (SAME, BAD)


def _killed(store: Path, number: int, writes: int) -> None:
    child = processes().Process(target=_die_after, args=(f"sqlite:///{store}", number, writes))
    child.start()
    child.join(timeout=120)
    assert child.exitcode == -signal.SIGKILL


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
