"""What the report and the console say of unjudged documents and pools."""

from __future__ import annotations

import re
from dataclasses import replace
from io import StringIO
from types import SimpleNamespace

from rich.console import Console

from robustrank.report import html as report
from robustrank.report import pool_view, terminal
from robustrank.results.summary import Summary


def text(summary: Summary) -> str:
    """The section as a reader sees it; what is drawn for other sections is left out, because drawing takes long."""
    html = report.render(replace(summary, attacks=(), certificates=(), effectiveness=()))
    section = html[html.index('<section id="pooling"') : html.index('<section id="scope"')]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", section))


def test_conclusions_that_may_change_are_counted_and_listed(summaries: SimpleNamespace) -> None:
    full: Summary = summaries.realistic()
    flips = pool_view.build(full).flips
    assert {(f.subject, f.against) for f in flips} >= {(c.a, c.b) for c in full.comparisons if c.may_change}
    assert f"{len(flips)} of {pool_view.build(full).bounded} comparisons and shifts may change their sign" in text(full)


def test_systems_and_groups_left_out_are_told_with_their_intervals(summaries: SimpleNamespace) -> None:
    shown_text = text(summaries.realistic())
    for words in ("new loses most when left out", "Own judgments", "old", "depth 2", "lexical alone", "n=3"):
        assert words in shown_text


def test_without_runs_the_section_says_so_and_keeps_to_the_unjudged(summaries: SimpleNamespace) -> None:
    shown_text = text(replace(summaries.realistic(), pooling=None))
    assert "so pools were not compared" in shown_text
    assert "may change their sign" in shown_text


def test_without_anything_bounded_the_section_says_so(summaries: SimpleNamespace) -> None:
    assert "No conclusion of this audit could be bounded" in text(summaries.bare())


def test_where_nothing_may_change_the_section_says_so(summaries: SimpleNamespace) -> None:
    full: Summary = summaries.realistic()
    sure = [replace(c, may_change=False) for c in full.comparisons]
    assert "None of the 5 comparisons" in text(replace(full, comparisons=sure, shifts=[]))


def shown(summary: Summary) -> str:
    """What the terminal shows."""
    screen = Console(width=160, file=StringIO(), record=True)
    for part in terminal.overview(summary):
        screen.print(part)
    return screen.export_text()


def test_the_console_tells_judged_what_may_change_and_who_was_left_out(summaries: SimpleNamespace) -> None:
    shown_text = shown(summaries.realistic())
    for words in (
        "judged@10",
        "comparisons and shifts may change with further judgments",
        "range",
        "left out of the pool",
        "old: ",
    ):
        assert words in shown_text


def test_the_console_is_silent_about_pools_where_there_are_none(summaries: SimpleNamespace) -> None:
    shown_text = shown(replace(summaries.realistic(), pooling=None, comparisons=[], shifts=[]))
    assert "left out of the pool" not in shown_text
    assert "further judgments" not in shown_text
