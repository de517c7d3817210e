"""Aliases of the registered model: promote past the gate, roll back, one at a time.

Evidence is written as tags first, then `previous`, and `champion` last. Where a process dies
between the last two, whoever comes next puts `previous` back. docs/registry.md has the cases.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from ganamis.errors import UserError
from ganamis.registry.gate import compare, same_images
from ganamis.registry.learned import CHANGE, LEARNED_FROM
from ganamis.registry.names import CHAMPION, MODEL, PREVIOUS
from ganamis.registry.turns import alone
from ganamis.registry.versions import (
    COMMIT,
    DATA,
    abbreviated,
    evidence,
    stored_model,
    version_numbered,
    version_of,
)

# These two are for programs; people read `gate` and `rollback`.
DECISION = "mlflow.gate.decision"  # of a version's run: the whole decision, in one write
MOVE = "mlflow.gate.move"  # of the model: champion and previous before the last move of aliases
GATE, ROLLBACK = "gate", "rollback"  # of a version, in words
Rescore = Callable[[Path, ModelVersion], pd.DataFrame]


@dataclass(frozen=True)
class Decision:
    """What the gate decided, and on what evidence; None where there was nothing to compare with.

    data, challenger_commit, champion_commit: how their digests begin. challenger_ari, champion_ari:
    mean open-world ARI on development. difference: the first less the second; low, high: its
    one-sided bootstrap bounds. rescored: the champion was scored anew on the challenger's data and
    folds.
    """

    promoted: bool
    reason: str
    challenger: int
    champion: int | None
    data: str
    margin: float
    confidence: float
    challenger_ari: float | None = None
    champion_ari: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    rescored: bool = False
    challenger_commit: str = "none"
    champion_commit: str = "none"
    challenger_run: str = ""
    champion_run: str = ""
    decided_at: str = ""


@dataclass(frozen=True)
class Rollback:
    """champion: the version that serves again. replaced: the one that served until now."""

    champion: int
    replaced: int
    rolled_back_at: str


def promote(
    number: int,
    *,
    data_digest: str | None,
    rescore: Rescore,
    margin: float,
    confidence: float,
    bootstrap: int,
    seed: int,
) -> Decision:
    """Make version `number` champion if it surely beats the present one on the same data.

    Args:
        data_digest: of the present data set; a challenger scored on other data is refused. One
            whose catalogue alone was changed is scored on no data.
        rescore: evidence of a champion that was scored on other data or in other folds, from its
            model's folder and its version.
        margin: ARI by which the challenger must lead, at the given one-sided confidence.
        bootstrap: paired resamples of the development images.

    Raises:
        UserError: no such version, other data, a damaged champion, or another promotion came
            first. The registry is left as it was.
    """
    client = mlflow.MlflowClient()
    challenger = version_numbered(number)
    learned = LEARNED_FROM in challenger.tags
    if not learned and challenger.tags.get(DATA) != (now := abbreviated(data_digest or "")):
        raise UserError(
            f"version {number} was scored on data {challenger.tags.get(DATA)}, but the "
            f"data set is now {now}; run `dvc repro promote`, which registers on it first"
        )
    with alone():
        _mend(client)
        champion = version_of(CHAMPION)
        decision = _decide(
            challenger,
            champion,
            rescore,
            margin=margin,
            confidence=confidence,
            bootstrap=bootstrap,
            seed=seed,
        )
        if champion is not None and champion.version == challenger.version:
            return decision
        client.set_tag(challenger.run_id or "", DECISION, json.dumps(asdict(decision)))
        client.set_model_version_tag(MODEL, challenger.version, GATE, _words(decision))
        if decision.promoted:
            _move(client, champion, challenger)
    return decision


def _words(decision: Decision) -> str:
    words = "promoted" if decision.promoted else "not promoted"
    if decision.difference is None:
        words += f": {decision.reason}"
    else:
        words += f": {decision.difference:+.3f} (at least {decision.low:+.3f})"
        words += f" on version {decision.champion}"
    return words


def _recorded(version: ModelVersion) -> Decision | None:
    """The decision that made a version champion, or None where its run tells of none."""
    tags = mlflow.get_run(version.run_id or "").data.tags
    try:
        decision = Decision(**json.loads(tags.get(DECISION, "")))
    except (ValueError, TypeError):
        return None
    return decision if decision.promoted else None


def _mend(client: mlflow.MlflowClient) -> None:
    """Put `previous` back where a process died before the last write of a move.

    Only there do both aliases name one version, and the tag says what `previous` was.
    """
    champion, previous = version_of(CHAMPION), version_of(PREVIOUS)
    if champion is None or previous is None or champion.version != previous.version:
        return
    before = json.loads(client.get_registered_model(MODEL).tags.get(MOVE, "{}"))
    if before.get("champion") != str(champion.version):
        return
    if before["previous"] is None:
        client.delete_registered_model_alias(MODEL, PREVIOUS)
    else:
        client.set_registered_model_alias(MODEL, PREVIOUS, before["previous"])


def _move(client: mlflow.MlflowClient, seen: ModelVersion | None, new: ModelVersion) -> None:
    """Keep the champion as `previous`, then move the alias, unless somebody else just did."""
    now = version_of(CHAMPION)
    if (now and now.version) != (seen and seen.version):
        raise UserError(
            f"another promotion made version {now and now.version} champion meanwhile; "
            "run `ganamis promote` again to be compared with it"
        )
    if seen is not None:
        previous = version_of(PREVIOUS)
        before = {
            "champion": str(seen.version),
            "previous": None if previous is None else str(previous.version),
        }
        client.set_registered_model_tag(MODEL, MOVE, json.dumps(before))
        client.set_registered_model_alias(MODEL, PREVIOUS, seen.version)
    client.set_registered_model_alias(MODEL, CHAMPION, new.version)


def _decide(
    challenger: ModelVersion,
    champion: ModelVersion | None,
    rescore: Rescore,
    *,
    margin: float,
    confidence: float,
    bootstrap: int,
    seed: int,
) -> Decision:
    def verdict(promoted: bool, reason: str, **found: float | bool) -> Decision:
        return Decision(
            promoted,
            reason,
            int(challenger.version),
            None if champion is None else int(champion.version),
            challenger.tags.get(DATA, "none"),
            margin,
            confidence,
            challenger_commit=challenger.tags.get(COMMIT, "none"),
            champion_commit=champion.tags.get(COMMIT, "none") if champion else "none",
            challenger_run=challenger.run_id or "",
            champion_run=champion.run_id or "" if champion else "",
            decided_at=_now(),
            **found,  # type: ignore[arg-type]
        )

    stored_model(challenger)
    ours = evidence(challenger)
    if champion is None:
        return verdict(True, "there was no champion")
    if champion.version == challenger.version:
        return _recorded(challenger) or verdict(False, "it is the champion already")
    if (base := challenger.tags.get(LEARNED_FROM)) is not None:
        if base == str(champion.version):
            return verdict(True, f"it is the champion that {challenger.tags.get(CHANGE)}")
        return verdict(
            False, f"it was learned from {base}, not from the champion; learn from that instead"
        )
    try:
        folder = stored_model(champion)
        same_data = champion.tags.get(DATA) == challenger.tags[DATA]
        theirs = evidence(champion) if same_data else None
        rescored = theirs is None or not same_images(ours, theirs)
        if theirs is None or rescored:
            theirs = rescore(folder, champion)
    except UserError as error:
        raise UserError(
            f"the champion cannot be compared with: {error}. Nothing was changed. "
            "Run `ganamis rollback` to go back to the version before it, or take the alias away "
            f"with `mlflow.MlflowClient().delete_registered_model_alias('{MODEL}', '{CHAMPION}')`, "
            "after which the next promotion has no champion to beat"
        ) from error
    found = compare(ours, theirs, confidence=confidence, bootstrap=bootstrap, seed=seed)
    better = found.low > margin
    reason = f"{'better' if better else 'not better'} by more than {margin} at {confidence:.0%}"
    return verdict(better, reason, **asdict(found), rescored=rescored)


def roll_back() -> Rollback:
    """Let `previous` serve again; what it replaces becomes `previous`.

    Raises:
        UserError: there is no version to go back to. The registry is left as it was.
    """
    client = mlflow.MlflowClient()
    with alone():
        _mend(client)
        champion, previous = version_of(CHAMPION), version_of(PREVIOUS)
        if champion is None or previous is None or champion.version == previous.version:
            raise UserError(
                f"there is no version to go back to: champion is "
                f"{champion.version if champion else 'none'} and previous is "
                f"{previous.version if previous else 'none'}; give the alias by hand with "
                f"`mlflow.MlflowClient().set_registered_model_alias('{MODEL}', '{CHAMPION}', "
                "'<version>')`"
            )
        done = Rollback(int(previous.version), int(champion.version), _now())
        words = f"from {done.replaced} to {done.champion}, {done.rolled_back_at}"
        for version in (champion, previous):
            client.set_model_version_tag(MODEL, version.version, ROLLBACK, words)
        _move(client, champion, previous)
    return done


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
