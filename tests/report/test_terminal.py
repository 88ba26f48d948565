"""The terminal: whatever an attacker wrote into names, reasons and ids, a line stays a line and does nothing else."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from io import StringIO
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from robustrank.core.types import Estimate
from robustrank.judging import compare
from robustrank.judging.compare import Change, QueryChange
from robustrank.report import terminal
from robustrank.results.summary import Summary

STRINGS: dict[str, str] = json.loads(
    (Path(__file__).parents[1] / "data" / "hostile_strings.json").read_text(encoding="utf-8")
)


def shown(*parts: object) -> str:
    """What a terminal that takes colours is sent."""
    screen = Console(file=StringIO(), width=160, markup=False, emoji=False, highlight=False, no_color=True)
    for part in parts:
        screen.print(part)
    written = screen.file
    assert isinstance(written, StringIO)
    return written.getvalue()


def harmless(text: str) -> bool:
    text.encode("utf-8")
    return not {unicodedata.category(c) for c in text.replace("\n", "")} & {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize("start", range(0, len(STRINGS), 92))
def test_an_audit_full_of_hostile_text_is_printed_and_does_nothing(summaries: SimpleNamespace, start: int) -> None:
    strings = [*STRINGS.values()][start:] + [*STRINGS.values()][:start]
    hostile: Summary = summaries.plant(summaries.realistic(), cycle(strings))
    assert harmless(shown(*terminal.overview(hostile), terminal.verdicts(hostile.verdicts)))


def test_a_comparison_of_hostile_names_and_ids_is_printed_and_does_nothing() -> None:
    changes = [
        Change(
            measure=text, labels={"ranker": text, "attack": text}, higher_is_better=True, old=0.5, new=0.4,
            difference=Estimate(-0.1, -0.2, -0.05, 9), p=0.01, p_holm=0.02,
            regressions=[QueryChange(query_id=text, old=1.0, new=0.0)], improvements=[], seen=0.1,
        )
        for text in STRINGS.values()
    ]  # fmt: skip
    text = shown(terminal.changes(changes), *terminal.moved(changes))
    assert harmless(text)
    assert len(terminal.moved(changes)) == len(STRINGS)


def test_caveats_of_hostile_audits_are_printed_and_do_nothing(summaries: SimpleNamespace) -> None:
    hostile: Summary = summaries.plant(summaries.realistic(), cycle(STRINGS.values()))
    other = replace(hostile, rankers=hostile.rankers[:1], finished=None)
    assert harmless(shown(*(terminal.safe(f"note: {note}") for note in compare.caveats(hostile, other))))
