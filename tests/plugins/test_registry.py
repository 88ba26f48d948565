"""Names to plug-ins, through entry points."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest

from robustrank.core import plugin_spec
from robustrank.core.errors import ConfigError, MissingExtra, PluginError
from robustrank.core.plugin_spec import Plugin
from robustrank.plugins import catalogue, registry
from robustrank.work.executors.local import Serial
from robustrank.work.executors.processes import Processes


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A plug-in for this test.

    Args:
        size: How large,
            in words.
        inner: Another plug-in.
    """

    size: int
    inner: Any = None

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("size must not be negative")
        if self.size == 99:
            raise MissingExtra("the sample", extra="big", package="big_package")


@pytest.fixture
def sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rankers: one that works, and one whose module breaks while it is imported."""
    module = ModuleType("sample_plugins")
    vars(module)["Sample"] = Sample
    monkeypatch.setitem(sys.modules, "sample_plugins", module)
    entries = {
        "sample": EntryPoint("sample", "sample_plugins:Sample", "robustrank.rankers"),
        "broken": EntryPoint("broken", "this.module.is.missing:Sample", "robustrank.rankers"),
    }
    monkeypatch.setattr(registry, "_entries", lambda kind: entries)


def test_listing_imports_no_plugin() -> None:
    code = (
        "import sys; from robustrank.plugins import registry; [registry.target(k, n) for k in registry.KINDS for n in "
        "registry.names(k)]; print([m for m in sys.modules if m.startswith('robustrank_')])"
    )
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert listed.stdout.strip() == "[]"


def test_a_name_is_resolved_with_its_origin() -> None:
    assert registry.names("executor") == ["processes", "ray", "serial", "threads"]
    assert registry.target("executor", "serial") == "robustrank.work.executors.local:Serial"
    assert registry.version("executor", "serial").startswith("robustrank ")
    assert registry.load("executor", "serial") is Serial


def test_parameters_are_handed_over_and_nested_tables_are_built(sample: None) -> None:
    plugin = Plugin(use="sample", params={"size": 2, "inner": {"use": "sample", "size": 1}})
    assert registry.build("ranker", plugin) == Sample(size=2, inner=Sample(size=1))


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        (Plugin(use="sampel"), r"no ranker named 'sampel'; did you mean 'sample'\? \(have: broken, sample\)"),
        (Plugin(use="sample"), r"missing a required .*'size' \(parameters: size, inner\)"),
        (Plugin(use="sample", params={"sise": 1}), r"did you mean 'size'\?"),
        (Plugin(use="sample", params={"size": -1}), r"sample\(size=-1\): size must not be negative"),
        (Plugin(use="broken"), r"ranker 'broken' .* does not import: ModuleNotFoundError"),
    ],
)
def test_a_mistake_names_the_plugin_and_the_fix(sample: None, plugin: Plugin, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        registry.build("ranker", plugin)


def test_a_missing_package_is_named_with_its_extra(sample: None) -> None:
    with pytest.raises(MissingExtra, match=r"pip install 'robustrank\[big\]'"):
        registry.build("ranker", Plugin(use="sample", params={"size": 99}))


def test_two_packages_must_not_offer_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    twins = [EntryPoint("x", f"{module}:X", "robustrank.attacks") for module in ("one", "two")]
    monkeypatch.setattr(registry, "entry_points", lambda group: twins)
    registry._entries.cache_clear()
    with pytest.raises(PluginError, match=r"two packages offer an? attack named 'x': one:X and two:X"):
        registry.names("attack")
    registry._entries.cache_clear()


@pytest.mark.parametrize(
    "plugin", [Plugin(use="a"), Plugin(use="a", params={"b": 1, "c": [0.5, "x"], "d": {"use": "e"}, "f": None})]
)
def test_the_one_line_form_is_read_back(plugin: Plugin) -> None:
    assert plugin_spec.parse(str(plugin)) == plugin


@pytest.mark.parametrize("text", ["", "a(1)", "a(b=c)", "a(b=__import__('os'))", "a; b", "a.b", "(lambda: 1)()"])
def test_nothing_but_literals_is_read(text: str) -> None:
    with pytest.raises(PluginError, match="is not of the form"):
        plugin_spec.parse(text)


def test_an_executor_checks_its_parameters() -> None:
    assert registry.build("executor", plugin_spec.parse("processes(workers=2)")) == Processes(workers=2)
    with pytest.raises(ConfigError, match="at least 1"):
        registry.build("executor", plugin_spec.parse("processes(workers=0)"))


def test_parameters_are_described_from_signature_and_docstring(sample: None) -> None:
    assert catalogue.parameters("ranker", "sample") == [
        catalogue.Parameter("size", "int", "", "How large, in words."),
        catalogue.Parameter("inner", "Any", "None", "Another plug-in."),
    ]
    assert catalogue.summary("ranker", "sample") == "A plug-in for this test."


def test_every_installed_plugin_says_what_it_is() -> None:
    for kind, name, *_ in catalogue.entries():
        assert catalogue.summary(kind, name).endswith("."), f"{kind} {name} has no docstring"
