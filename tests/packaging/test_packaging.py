"""What is installed: entry points as declared, a wheel of three packages with their data, and no stray package."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import tomllib
from dataclasses import fields, is_dataclass
from importlib import metadata
from importlib.metadata import distribution
from pathlib import Path
from typing import get_type_hints
from zipfile import ZipFile

import pytest

import robustrank
from robustrank.plugins import registry

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PLUGINS = [(kind, name) for kind in registry.KINDS if kind != "protocol" for name in registry.names(kind)]
PACKAGES = {"robustrank": "", "robustrank_attacks": "attacks", "robustrank_defenses": "defenses"}


def test_installed_entry_points_are_those_of_pyproject() -> None:
    declared = {
        (group, name, value)
        for group, entries in {**PYPROJECT["entry-points"], "console_scripts": PYPROJECT["scripts"]}.items()
        for name, value in entries.items()
    }
    installed = {(e.group, e.name, e.value) for e in distribution("robustrank").entry_points}
    assert installed == declared, "pyproject.toml and the installed metadata differ: run `pip install -e .` again"


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_every_plugin_is_a_frozen_dataclass_with_keyword_parameters(kind: str, name: str) -> None:
    plugin = registry.load(kind, name)
    if not is_dataclass(plugin):  # a name may also stand for a function that makes one
        assert all(p.kind is p.KEYWORD_ONLY for p in inspect.signature(plugin).parameters.values())
        if name == "given":
            return  # whatever object was handed to robustrank.audit
        plugin = get_type_hints(plugin)["return"]
    assert is_dataclass(plugin)
    assert vars(plugin)["__dataclass_params__"].frozen
    assert all(field.kw_only for field in fields(plugin))


def test_the_wheel_holds_three_packages_with_their_data(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    packed = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert {name.partition("/")[0] for name in packed} == set(PACKAGES)
    for package, parent in PACKAGES.items():
        folder = ROOT / parent / package
        files = {path.relative_to(folder.parent).as_posix() for path in folder.rglob("*") if path.is_file()}
        ours = {name for name in files if "__pycache__" not in name}
        assert ours <= packed
        assert f"{package}/py.typed" in ours


@pytest.mark.parametrize("folder", ["attacks", "defenses"])
def test_folders_of_plugins_are_no_packages(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists(), "a module loaded under two names is two modules"


def test_all_brings_every_extra_a_user_can_want() -> None:
    extras = PYPROJECT["optional-dependencies"]

    def brought(extra: str) -> set[str]:
        own = {name for line in extras[extra] for name in re.findall(r"robustrank\[([\w,]+)\]", line)}
        nested = {each for names in own for each in names.split(",")}
        return nested.union(*map(brought, nested)) if nested else nested

    # textattack holds back transformers; pyterrier is for those who have pipelines in it, most of them with Java;
    # gemma has terms of use of its own; docs builds the site.
    apart = {"all", "test", "docs", "benchmarks", "textattack", "pyterrier", "gemma"}
    assert brought("all") == set(extras) - apart


def test_the_readme_begins_with_two_command_lines_and_ci_runs_the_second() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first_screen = readme.partition("\n## ")[0]
    commands = [
        line for block in re.findall(r"```\w*\n(.*?)```", first_screen, re.DOTALL) for line in block.splitlines()
    ]
    assert commands == ["pip install '.[offline]' && robustrank audit", "pip install '.[test]' && pytest -n auto"]
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "grep --max-count=1 '&& pytest -n auto$' README.md" in ci


def test_the_version_is_that_of_the_distribution() -> None:
    assert robustrank.__version__ == metadata.version("robustrank")
    with pytest.raises(AttributeError, match="no attribute 'version'"):
        robustrank.version  # noqa: B018
