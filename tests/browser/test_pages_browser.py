"""Comparison, leaderboard and index of a bundle in a real browser: quiet, accessible, not wider than the screen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from robustrank.judging import compare
from robustrank.report import bundle, leaderboard
from robustrank.report import comparison as comparison_page
from robustrank.results import summary as summaries_
from robustrank.results.summary import Summary
from robustrank.results.verdicts import Outcome

pytestmark = pytest.mark.browser

STRINGS: dict[str, str] = json.loads(
    (Path(__file__).parents[1] / "data" / "hostile_strings.json").read_text(encoding="utf-8")
)
Opener = Callable[..., Any]


def two(summary: Summary) -> tuple[Summary, Summary]:
    """An audit and its next version, in which every other query lost a little."""
    moved = [
        replace(e, per_query={q: v * (0.8 if n % 2 else 1.0) for n, (q, v) in enumerate(e.per_query.items())})
        for e in summary.effectiveness
    ]
    return summary, replace(summary, name=f"{summary.name}, next", effectiveness=moved)


def comparison(summary: Summary, folder: Path) -> str:
    old, new = two(summary)
    notes = [*compare.caveats(old, new), summary.headline]
    comparison_page.write(old, new, compare.changes(old, new), notes, folder / "page.html")
    return (folder / "page.html").read_text(encoding="utf-8")


def board(summary: Summary, folder: Path) -> str:
    """Two audits, and a third file that is none and has a telling name."""
    for name, each in zip(("one", "two"), two(summary), strict=True):
        (folder / "audits" / name).mkdir(parents=True, exist_ok=True)
        summaries_.write(each, folder / "audits" / name / "summary.json")
    (folder / "audits" / "<img src=x onerror=window.pwned=1>").mkdir(exist_ok=True)
    (folder / "audits" / "<img src=x onerror=window.pwned=1>" / "summary.json").write_text("no summary")
    leaderboard.write(folder / "audits", folder / "page.html")
    return (folder / "page.html").read_text(encoding="utf-8")


def index(summary: Summary, folder: Path) -> str:
    """The index of a bundle of two audits whose gates came to different outcomes, one of them without a figure."""
    old, new = two(summary)
    turned = [replace(v, outcome=o, estimate=None) for v, o in zip(new.verdicts, Outcome, strict=False)]
    for name, each in (("one", old), ("two", replace(new, verdicts=turned))):
        (folder / "runs" / name).mkdir(parents=True, exist_ok=True)
        summaries_.write(each, folder / "runs" / name / "summary.json")
    bundle.write([folder / "runs"], folder / "pages", summaries_.read)
    return (folder / "pages" / "index.html").read_text(encoding="utf-8")


PAGES = {"comparison": comparison, "leaderboard": board, "bundle": index}


def planted(summaries: SimpleNamespace, texts: Iterable[str]) -> Summary:
    """Hostile text everywhere; what belongs together keeps a common name, or the pages would have nothing to show."""
    whole = summaries.realistic()
    hostile: Summary = summaries.plant(whole, cycle(texts))
    home = hostile.collections[0].name
    names = {r.name: h.name for r, h in zip(whole.rankers, hostile.rankers, strict=True)}
    return replace(
        hostile,
        home=home,
        effectiveness=[
            replace(h, ranker=names[e.ranker], collection=home, slice=None)
            for h, e in zip(hostile.effectiveness, whole.effectiveness, strict=True)
            if (e.collection, e.measure, e.slice) == (whole.home, whole.measure, None)
        ],
        attacks=[
            replace(h, ranker=names[a.ranker]) for h, a in zip(hostile.attacks, whole.attacks, strict=True)
        ],
    )  # fmt: skip


@pytest.fixture(scope="module")
def pages(summaries: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of ordinary audits."""
    return {name: make(summaries.realistic(), tmp_path_factory.mktemp(name)) for name, make in PAGES.items()}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")])
def test_axe_finds_nothing_serious_and_the_page_fits(
    watch: Opener, pages: dict[str, str], axe: str, name: str, width: int, scheme: str
) -> None:
    watched = watch(width=width, scheme=scheme)
    page = watched.open(pages[name])
    assert watched.wrong == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert [(v["impact"], v["id"]) for v in found if v["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize("name", PAGES)
def test_hostile_text_in_every_field_stays_silent(
    watch: Opener, summaries: SimpleNamespace, tmp_path: Path, name: str
) -> None:
    strings = list(STRINGS.values())
    watched = watch(width=390)
    for start in range(0, len(strings), 92):
        page = watched.open(PAGES[name](planted(summaries, strings[start:] + strings[:start]), tmp_path))
        assert page.locator("tbody tr").count() >= 3
        assert page.locator("script, img, iframe, object, form, input, body > style").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert watched.wrong == []
