"""The default report is short: one look for the verdict, few pages on paper, nothing wider than a telephone."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robustrank.config.specs import GateSpec
from robustrank.judging.gate import judge
from robustrank.report import html
from robustrank.results import summary as summaries
from robustrank.results.select import audited
from robustrank.results.summary import Summary

pytestmark = pytest.mark.browser

Opener = Callable[..., Any]
SCREEN = 1000
"""Pixels."""


@pytest.fixture(scope="module")
def default() -> Summary:
    """The committed one, with gates: one that fails, one that passes, one that is undecided."""
    summary = summaries.read(Path(__file__).parents[2] / "reports" / "default" / "summary.json")
    ranker = {"ranker": audited(summary) or ""}
    gates = [
        GateSpec(name="fails", measure="ASR@10", where=ranker, max=0.5),
        GateSpec(name="passes", measure="nDCG@10", where=ranker, min=0.5),
        GateSpec(name="is undecided", measure="ASR@10", where=ranker | {"attack": "PRADA, seeing scores"}, max=0.2),
    ]
    return replace(summary, verdicts=judge(gates, summary))


def test_the_verdict_takes_two_screens_and_the_whole_page_few(watch: Opener, default: Summary) -> None:
    page = watch(width=1400).open(html.render(default), unfold=False)
    assert page.evaluate("document.documentElement.scrollHeight") < 8 * SCREEN
    assert page.evaluate("document.getElementById('rankers').getBoundingClientRect().top") <= 2 * SCREEN


def test_it_prints_on_ten_pages(watch: Opener, default: Summary, tmp_path: Path) -> None:
    page = watch(width=1400).open(html.render(default), unfold=False)
    page.pdf(path=str(tmp_path / "report.pdf"), format="A4")
    assert len(re.findall(rb"/Type\s*/Page[^s]", (tmp_path / "report.pdf").read_bytes())) <= 10


def test_on_a_telephone_nothing_is_wider_than_the_screen(watch: Opener, default: Summary) -> None:
    page = watch(width=390).open(html.render(default), unfold=False)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
