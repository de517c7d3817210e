"""params.yaml: loaded as it stands, and refused with every wrong key named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from ganamis.errors import UserError
from ganamis.extractors.architectures import NETWORKS
from ganamis.extractors.candidates import EXTRACTORS
from ganamis.params import load_params

REPOSITORY = Path(__file__).parents[1]
PARAMS = REPOSITORY / "params.yaml"
Content = dict[str, Any]


def own_content() -> Content:
    """The project's parameters, without the sharing that YAML anchors leave in them."""
    return json.loads(json.dumps(yaml.safe_load(PARAMS.read_text())))


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as refused:
        load_params(path)
    return str(refused.value)


def test_the_projects_own_file_loads() -> None:
    params = load_params(PARAMS)
    assert set(params.architectures) <= set(EXTRACTORS)
    assert params.active is params.profiles[params.profile]
    paper = params.profiles["paper"]
    training = paper.training
    assert (training.epochs, training.batch_size, training.patience) == (200, 16, 50)
    assert paper.first_trial.learning_rate == 1e-4
    recipes = {f"{name}_{recipe}" for name in NETWORKS for recipe in ("paper", "fingerprint")}
    assert recipes < set(params.architectures)


def test_parameters_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_params(PARAMS).seed = 1  # type: ignore[misc]


def change(*keys: str | int, value: Any) -> Callable[[Content], None]:
    def apply(content: Content) -> None:
        place: Any = content
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return apply


def drop(*keys: str) -> Callable[[Content], None]:
    def apply(content: Content) -> None:
        place = content
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]

    return apply


SEARCH = ("profiles", "two_cores", "search")
SPACE = ("profiles", "two_cores", "space")
BAD: dict[str, tuple[Callable[[Content], None], str]] = {
    "grace too short": (
        change("shared_search", "grace", value=10),
        "  shared_search: Value error, grace 10 is less than two heartbeats of 30",
    ),
    "memory without a unit": (
        change("attribute_batch", "driver_memory", value="2"),
        "  attribute_batch.driver_memory: String should match pattern",
    ),
    "unknown key": (change("sede", value=1), "  sede: Extra inputs are not permitted, got 1"),
    "unknown nested key": (
        change("cluster", "k", value=3),
        "  cluster.k: Extra inputs are not permitted, got 3",
    ),
    "missing key": (drop("seed"), "  seed: Field required"),
    "missing nested key": (drop(*SEARCH, "trials"), f"  {'.'.join(SEARCH)}.trials: Field required"),
    "missing section": (drop("promote"), "  promote: Field required"),
    "text for a number": (
        change("seed", value="7"),
        "  seed: Input should be a valid integer, got '7'",
    ),
    "truth value for a number": (
        change("seed", value=True),
        "  seed: Input should be a valid integer, got True",
    ),
    "fraction for a count": (
        change("data", "size", value=256.0),
        "  data.size: Input should be a valid integer, got 256.0",
    ),
    "null": (
        change("model", "baselines", "largest", value=None),
        "  model.baselines.largest: Input should be a valid integer, got None",
    ),
    "too small": (
        change(*SEARCH, "trials", value=0),
        f"  {'.'.join(SEARCH)}.trials: Input should be greater than or equal to 1, got 0",
    ),
    "share of one": (
        change(*SEARCH, "query_share", value=1.0),
        f"  {'.'.join(SEARCH)}.query_share: Input should be less than 1, got 1.0",
    ),
    "range upside down": (
        change(*SPACE, "dropout", value={"low": 0.5, "high": 0.1}),
        f"  {'.'.join(SPACE)}.dropout: Value error, low 0.5 is above high 0.1",
    ),
    "no logarithm": (
        change(*SPACE, "learning_rate", "low", value=0.0),
        f"  {'.'.join(SPACE)}.learning_rate.low: Input should be greater than 0, got 0.0",
    ),
    "everything dropped": (
        change(*SPACE, "dropout", "high", value=1.0),
        f"  {'.'.join(SPACE)}.dropout.high: Input should be less than 1, got 1.0",
    ),
    "share above one": (
        change(*SPACE, "trainable_share", value=[0.5, 1.5]),
        f"  {'.'.join(SPACE)}.trainable_share.1: Input should be less than or equal to 1, got 1.5",
    ),
    "not finite": (
        change("promote", "margin", value=float("inf")),
        "  promote.margin: Input should be a finite number, got inf",
    ),
    "unknown augmentation": (
        change(*SPACE, "augmentation", value=["none", "rotate"]),
        f"  {'.'.join(SPACE)}.augmentation.1: Input should be 'none', 'flips' or",
    ),
    "unknown profile": (
        change("profile", value="fast"),
        "  profile: Input should be 'two_cores' or 'paper', got 'fast'",
    ),
    "profile without a section": (
        drop("profiles", "two_cores"),
        "  file: Value error, profile 'two_cores' is not among ['paper']",
    ),
    "no architecture": (
        change("architectures", value=[]),
        "  architectures: List should have at least 1 item",
    ),
}


@pytest.mark.parametrize(("spoil", "line"), BAD.values(), ids=BAD.keys())
def test_bad_value_is_refused_by_name(
    tmp_path: Path, spoil: Callable[[Content], None], line: str
) -> None:
    content = own_content()
    spoil(content)
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    first, *lines = refusal(path).splitlines()
    assert first == f"'{path}' was refused:"
    assert len(lines) == 1
    assert lines[0].startswith(line)


def test_every_wrong_key_is_named_in_one_message(tmp_path: Path) -> None:
    content = own_content()
    for spoil in (drop("seed"), change("extra", value=1), change("data", "size", value="big")):
        spoil(content)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    keys = {line.split(":")[0] for line in refusal(tmp_path / "params.yaml").splitlines()[1:]}
    assert keys == {"  seed", "  extra", "  data.size"}


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        (b"seed: [1", "is not valid YAML"),
        (b"seed: \xff", "is not valid YAML"),
        (b"seed: 1\nseed: 2\n", "'seed' is given twice"),
        (b"", "file: Input should be a valid dictionary"),
        (b"- 1\n- 2\n", "file: Input should be a valid dictionary"),
    ],
    ids=["broken", "not UTF-8", "a key twice", "empty", "a list"],
)
def test_file_that_is_not_parameters_is_refused(tmp_path: Path, text: bytes, fragment: str) -> None:
    (tmp_path / "params.yaml").write_bytes(text)
    message = refusal(tmp_path / "params.yaml")
    assert message.startswith(f"'{tmp_path / 'params.yaml'}' ")
    assert fragment in message


def test_missing_file_says_where_to_run(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    assert refusal(path) == f"'{path}' is missing; run the command in the project's root folder"
