"""What axe-core finds in the report: nothing serious, at any width, in either scheme."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from robustrank.report import html as report

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def html(summaries: SimpleNamespace) -> str:
    return report.render(summaries.realistic())


@pytest.mark.parametrize(
    ("width", "scheme", "unfold"),
    [(1400, "light", False), (1400, "light", True), (1400, "dark", True), (390, "light", True), (390, "dark", True)],
)
def test_axe_finds_nothing_serious(
    watch: Callable[..., Any], html: str, axe: str, width: int, scheme: str, unfold: bool
) -> None:
    page = watch(width=width, scheme=scheme).open(html, unfold=unfold)
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    told = [
        (v["impact"], v["id"], [node["target"] for node in v["nodes"][:3]])
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
    ]
    assert told == []


def test_the_page_has_its_landmarks_and_one_first_heading(watch: Callable[..., Any], html: str) -> None:
    page = watch().open(html)
    for landmark in ("banner", "main", "navigation", "search"):
        assert page.get_by_role(landmark).count() == 1, landmark
    assert page.locator("h1").count() == 1


def test_the_skip_link_is_the_first_stop_of_the_keyboard(watch: Callable[..., Any], html: str) -> None:
    page = watch().open(html, unfold=False)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the verdict"
    assert page.locator(".skip").bounding_box()["x"] >= 0
