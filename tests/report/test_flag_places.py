"""Every red flag of an audit stands once in the report, beside what it concerns, and the head leads to it."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from robustrank.core.flags import Check
from robustrank.report import html
from robustrank.report.flag_places import PLACES, placed
from robustrank.results.red_flags import RedFlag, Severity


def flags() -> list[RedFlag]:
    return [
        RedFlag(check=check, severity=Severity.SERIOUS if n % 2 else Severity.WARNING, title=f"title {n}", detail="why")
        for n, check in enumerate(Check)
    ]


def test_every_kind_has_a_place() -> None:
    assert set(PLACES) == set(Check)


@pytest.mark.parametrize("name", ["realistic", "bare"])
def test_each_stands_once_in_its_section_outside_the_fold(summaries: SimpleNamespace, name: str) -> None:
    page = html.render(replace(getattr(summaries, name)(), red_flags=flags()))
    by_section = placed(flags())
    assert sum(map(len, by_section.values())) == len(Check)
    for anchor, group in by_section.items():
        section = page.partition(f'<section id="{anchor}"')[2].partition("</section>")[0]
        shown = section if anchor == "flags" else section.partition("<details")[0]
        for each in group:
            assert f'<li id="{each.id}">' in shown, (anchor, each.flag.check)
            assert page.count(f'id="{each.id}"') == 1


def test_the_head_and_the_list_of_all_lead_to_them(summaries: SimpleNamespace) -> None:
    page = html.render(replace(summaries.realistic(), red_flags=flags()))
    head = page.partition('id="verdict"')[2].partition('<section id="rankers"')[0]
    assert len(re.findall('href="#flag-', head)) == 3
    every = page.partition('<section id="flags"')[2].partition("</section>")[0]
    linked, own = re.findall('href="#(flag-[0-9]+)"', every), re.findall('li id="(flag-[0-9]+)"', every)
    assert sorted([*linked, *own]) == sorted(f"flag-{n}" for n in range(1, len(Check) + 1))
