"""The report: one HTML file made from a :class:`~robustrank.results.summary.Summary`.

It opens from disk, fetches nothing and is readable without scripts. Every text in it may be written by an attacker:
templates escape all they print (``autoescape=True``; choosing by file name would not escape ``*.html.j2``), invisible
characters are replaced (:mod:`robustrank.core.escaping`), and the page's content security policy forbids every script
and style sheet but its own, and every conversion of text into markup.
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustrank.protocols.installed import protocols
from robustrank.protocols.interface import Section
from robustrank.report import pages
from robustrank.report.marks import Marks
from robustrank.results.summary import Summary
from robustrank.storage.files import replace

if TYPE_CHECKING:
    from jinja2 import Environment


GENERAL = (
    Section(anchor="verdict", title="Verdict", place=10),
    Section(anchor="rankers", title="Rankers", place=20),
    Section(anchor="scope", title="What was tested", place=200),
    Section(anchor="flags", title="Red flags", place=210),
    Section(anchor="reproduce", title="Reproduce", place=220),
    Section(anchor="glossary", title="Glossary", place=230),
)
"""Sections that belong to no protocol."""


def write(summary: Summary, path: Path, marks: Marks | None = None, earlier: Summary | None = None) -> None:
    """Write ``report.html`` atomically."""
    replace(path, render(summary, marks, earlier=earlier))


def render(
    summary: Summary, marks: Marks | None = None, *, earlier: Summary | None = None, index: str | None = None
) -> str:
    """The report as one HTML document.

    Args:
        summary: Of the audit.
        marks: Review marks to put in (:func:`robustrank.report.marks.read`).
        earlier: Of the audit before it, which the first screen compares it with; ``None`` where there is none.
        index: Address of a page of several audits that the report is one of.
    """
    from markupsafe import Markup

    from robustrank.report import charts, detection_charts, explorer, pool_view, view

    results = _results(summary)
    style = _file("style.css")
    script = _file("script.js") + _file("explorer.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            summary=summary,
            index=index,
            sections=_sections(),
            results=results,
            view=view.build(summary, earlier),
            pool=pool_view.build(summary),
            charts=charts.draw(summary),
            curves=detection_charts.draw(results.get("detection")),
            style=Markup(style),
            style_hash=_hash(style),
            script=Markup(script),
            script_hash=_hash(script),
            case_data=Markup(explorer.embed(summary, marks or {})),
        )
    )


def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """SHA-256 in base64, as the content security policy names an allowed style sheet or script."""
    return b64encode(sha256(text.encode()).digest()).decode()


def _sections() -> list[Section]:
    """The general sections and those of every installed protocol, in the order of the page."""
    own = [section for protocol in protocols() for section in protocol.sections]
    return sorted((*GENERAL, *own), key=lambda section: (section.place, section.anchor))


def _results(summary: Summary) -> dict[str, Any]:
    """Anchor of a section to the result of its protocol, in its own type."""
    return {
        section.anchor: protocol.result_in(summary)
        for protocol in protocols()
        if protocol.result is not None
        for section in protocol.sections
    }


@cache
def _environment() -> Environment:
    """Templates are compiled once a process; a protocol brings its own."""
    from robustrank.results.select import lead

    own = {f"{section.anchor}.html.j2": section.template for section in _sections() if section.template}
    environment = pages.environment(own)
    environment.filters["lead"] = lead
    return environment
