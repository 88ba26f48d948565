"""What attacks are in public catalogues: every attack declares it, controls are none, and unknown ids are refused."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from robustrank.cli.main import main
from robustrank.core import catalogues
from robustrank.core.types import Access, AttackSet, Surface, ThreatModel
from robustrank.plugins import catalogue, registry
from robustrank.report import html

CONTROLS = {"benign_insertion", "random_edits", "plant_natural", "plant_payload", "plant_stuffing"}
ELSEWHERE = {"given"}
"""Objects that a program hands over declare it themselves."""


def test_every_attack_of_ours_is_named_and_controls_are_not() -> None:
    ours = [name for name in registry.names("attack") if registry.version("attack", name).startswith("robustrank ")]
    named = {name for name in ours if catalogue.known_as(name)}
    assert set(ours) - named == CONTROLS | ELSEWHERE
    assert "LLM01:2025 Prompt Injection (OWASP)" in catalogue.known_as("inject_instruction")
    assert "AML.T0070 RAG Poisoning (ATLAS)" in catalogue.known_as("plant_copy")


def test_an_id_of_no_catalogue_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"LLM99.*have: LLM01:2025"):
        ThreatModel(
            surface=Surface.DOCUMENT, access=Access.NONE, edits=AttackSet(operation="insert"), known_as=("LLM99",)
        )


def test_the_report_and_the_command_show_them_with_titles(summaries: SimpleNamespace) -> None:
    whole = summaries.realistic()
    attacks = [replace(a, known_as=[] if a.control else ["LLM01:2025"]) for a in whole.attacks]
    cards = (
        html.render(replace(whole, attacks=attacks)).partition('<section id="threats"')[2].partition("</section>")[0]
    )
    real = {a.attack for a in whole.attacks if not a.control}
    assert cards.count("LLM01:2025 Prompt Injection (OWASP)") == len(real)
    shown = CliRunner().invoke(main, ["show", "attack", "inject_instruction"]).stdout
    assert "Known as: LLM01:2025 Prompt Injection (OWASP); " in shown
    assert set(catalogues.TITLES) >= {"LLM01:2025", "LLM08:2025", "AML.T0051", "AML.T0043"}
