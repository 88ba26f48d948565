"""The protocols that are installed: found by name, in an order in which each can read what it follows, or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from robustrank.core.errors import ConfigError, PluginError
from robustrank.judging import figures
from robustrank.plugins import registry
from robustrank.protocols import installed
from robustrank.protocols.interface import AuditProtocol
from robustrank.results.figures import Figure, FigureKind
from robustrank.results.summary import Summary


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Adds protocols to those that are installed."""
    ours = {name: registry.load("protocol", name) for name in registry.names("protocol")}

    def offer(**protocols: Any) -> None:
        every = {**ours, **protocols}
        monkeypatch.setattr(registry, "names", lambda kind: sorted(every))
        monkeypatch.setattr(registry, "load", lambda kind, name: every[name])
        installed.protocols.cache_clear()

    yield offer
    installed.protocols.cache_clear()


def protocol(name: str, **rest: Any) -> AuditProtocol:
    return AuditProtocol(name=name, about="Nothing.", summarise=lambda evidence: None, result=dict, **rest)


def test_each_comes_after_those_whose_results_it_reads(offered: Callable[..., None]) -> None:
    offered(a=protocol("a", after=("z",)), z=protocol("z", after=("red_flags",)))
    names = [each.name for each in installed.protocols()]
    assert names.index("adversarial") < names.index("red_flags") < names.index("z") < names.index("a")


@pytest.mark.parametrize(
    ("name", "other", "message"),
    [
        ("x", "no protocol", "protocol 'x': str is no AuditProtocol"),
        ("x", protocol("y"), "protocol 'x' calls itself 'y'"),
        ("x", protocol("x", after=("y",)), "protocol 'x' reads the results of 'y', which is not installed"),
        ("x", protocol("x", after=("x",)), "protocols follow one another in a circle: x → x"),
    ],
)
def test_what_is_no_protocol_is_refused_by_name(
    offered: Callable[..., None], name: str, other: Any, message: str
) -> None:
    offered(**{name: other})
    with pytest.raises(PluginError, match=message):
        installed.protocols()


def test_a_measure_for_gates_is_one_declaration(offered: Callable[..., None], summary: Summary) -> None:
    kind = FigureKind(
        name="rankers",
        about="how many rankers there are",
        where=("collection",),
        names=lambda spec: ("rankers",),
        expected=lambda bench: [Figure(measure="rankers", labels={})],
        measured=lambda summary: [Figure(measure="rankers", labels={"collection": "home"})],
    )
    offered(x=protocol("x", figures=(kind,)))
    assert kind in figures.kinds()
    assert [f for f in figures.measured(summary) if f.measure == "rankers"]


def test_two_kinds_of_figures_with_one_name_are_refused(offered: Callable[..., None]) -> None:
    kind = next(kind for kind in figures.kinds() if kind.name == "tau")
    other = replace(kind, about="something else", names=lambda spec: ("harm",))
    offered(x=protocol("x", figures=(other,)))

    @dataclass
    class Spec:
        measures = ("nDCG@10",)
        attacks = (object(),)
        pooling = None
        corpus = None
        long_document = None
        presentation = None
        detection = None

        class cases:
            strata = ()
            transfer = False

        class certify:
            k = ()

        defenses = ()

    with pytest.raises(ConfigError, match="two kinds of figures are named 'harm'"):
        figures.named(Spec())  # type: ignore[arg-type]
