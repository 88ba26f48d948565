"""The report in a real browser: hostile text never runs, nothing is fetched, nothing overflows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from robustrank.report import html as report
from robustrank.results.summary import Summary

pytestmark = pytest.mark.browser

STRINGS: dict[str, str] = json.loads(
    (Path(__file__).parents[1] / "data" / "hostile_strings.json").read_text(encoding="utf-8")
)
Opener = Callable[..., Any]


@pytest.fixture(scope="module")
def reports(summaries: SimpleNamespace) -> dict[str, str]:
    """Three reports; in the hostile one every text is a hostile string, each of them in many places."""
    realistic = summaries.realistic()
    return {
        "realistic": report.render(realistic),
        "hostile": report.render(summaries.plant(realistic, cycle(STRINGS.values()))),
        "bare": report.render(summaries.bare()),
    }


def test_a_report_of_ordinary_text_opens_in_silence(watch: Opener, reports: dict[str, str]) -> None:
    watched = watch()
    page = watched.open(reports["realistic"])
    assert watched.wrong == []
    assert "2 of 3 gates do not hold" in page.inner_text("h1")


def test_a_report_full_of_hostile_text_stays_silent_and_complete(watch: Opener, reports: dict[str, str]) -> None:
    watched = watch()
    page = watched.open(reports["hostile"])
    for element in page.query_selector_all("summary:visible, button:visible, th a"):
        element.hover()
    assert watched.wrong == []
    assert page.locator("script").count() == 2
    assert page.locator("section").count() == reports["realistic"].count("<section ")
    assert page.locator("iframe, object, embed, base, form, img, body > style").count() == 0
    assert page.locator("input").count() == 6  # search, four marks, a file of marks
    assert page.locator("#glossary dt").last.is_visible()


@pytest.mark.slow
def test_each_hostile_string_in_every_field_at_once_stays_silent(watch: Opener, summaries: SimpleNamespace) -> None:
    watched = watch()
    small = _few(summaries.realistic())
    sections = report.render(small).count("<section ")
    for name, text in STRINGS.items():
        page = watched.open(report.render(summaries.plant(small, repeat(text))))
        page.focus("#case-list")
        page.keyboard.press("j")
        assert watched.wrong == [], name
        assert page.evaluate("window.pwned") is None, name
        assert page.locator("script").count() == 2, name
        assert page.locator("section").count() == sections, name


def _few(summary: Summary) -> Summary:
    """One or two of everything, so that many reports of it can be made."""
    attacks = [*summary.attacks[:1], *[r for r in summary.attacks if r.control][:1]]
    return replace(
        summary, rankers=summary.rankers[:1], effectiveness=summary.effectiveness[:1], shifts=summary.shifts[:1],
        attacks=attacks, certificates=summary.certificates[:1], worst_cases=summary.worst_cases[:2],
        cases=replace(summary.cases, rows=summary.cases.rows[:8]),
        comparisons=summary.comparisons[:1], red_flags=summary.red_flags[:2], verdicts=summary.verdicts[:3],
    )  # fmt: skip


def test_the_browser_sees_the_text_itself(watch: Opener, summaries: SimpleNamespace) -> None:
    text = '<script>window.pwned=1</script> " onload="x {{ 7 * 7 }} &lt;b&gt;'
    page = watch().open(report.render(summaries.plant(summaries.realistic(), repeat(text))))
    assert page.locator(".case .full").first.text_content() == text
    assert page.locator(".headline").text_content() == text


def test_characters_one_cannot_see_are_chips_one_can_see(watch: Opener, summaries: SimpleNamespace) -> None:
    text = "in\u202evoice\u202c pass\u200bword"
    page = watch().open(report.render(summaries.plant(summaries.realistic(), repeat(text))))
    chips = page.locator(".headline .chip")
    assert chips.all_text_contents() == [
        "U+202E RIGHT-TO-LEFT OVERRIDE", "U+202C POP DIRECTIONAL FORMATTING", "U+200B ZERO WIDTH SPACE",
    ]  # fmt: skip
    assert all(chip.is_visible() for chip in chips.all())
    assert not set("\u202e\u202c\u200b") & set(page.inner_text("body"))


@pytest.mark.parametrize("width", [360, 768, 1100, 1600])
@pytest.mark.parametrize("kind", ["realistic", "hostile", "bare"])
def test_the_page_never_scrolls_sideways(watch: Opener, reports: dict[str, str], width: int, kind: str) -> None:
    page = watch(width=width).open(reports[kind])
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(watch: Opener, reports: dict[str, str], scheme: str) -> None:
    page = watch(scheme=scheme).open(reports["realistic"])
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == {
        "light": "rgb(253, 253, 252)", "dark": "rgb(21, 23, 26)",
    }[scheme]  # fmt: skip
    assert page.evaluate(FAINT) == []


def test_the_theme_button_goes_round(watch: Opener, reports: dict[str, str]) -> None:
    page = watch(scheme="light").open(reports["bare"])
    grounds = []
    for _ in range(3):
        page.click("#theme")
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(253, 253, 252)", "rgb(21, 23, 26)", "rgb(253, 253, 252)"]


def test_it_reads_without_scripts(browser: Any, reports: dict[str, str], tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    (tmp_path / "report.html").write_text(reports["realistic"], encoding="utf-8")
    page.goto((tmp_path / "report.html").as_uri())
    assert page.locator("#theme").is_hidden()
    assert page.locator("#rankers table").is_visible()
    assert page.locator("#explorer").is_hidden()
    assert page.locator(".case .diff").first.is_visible()
    context.close()


# Texts whose contrast with the ground they stand on is under 4.5 (WCAG AA); charts take the same colours.
FAINT = """() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = rgb => {
    const [r, g, b] = rgb.slice(0, 3).map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest("script")) continue;
    const style = getComputedStyle(element);
    const svg = element instanceof SVGElement;
    const [a, b] = [light(parse(svg ? style.fill : style.color)), light(ground(element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < (svg ? 3 : 4.5)) faint.push([element.tagName, element.textContent.slice(0, 40)]);
  }
  return faint;
}"""
