"""The report: one HTML file made from a :class:`~robustrank.results.summary.Summary` and nothing else.

It opens from disk, fetches nothing and reads without scripts. Every text in it may have been written by an attacker:
templates escape all they print (``autoescape=True``; choosing by file name would not escape ``*.html.j2``), what cannot
be seen is replaced on the way out (:mod:`robustrank.core.escaping`), and the page's own policy forbids every script
and style sheet but its own, and every way of turning text into markup.
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from robustrank.report.marks import Marks
from robustrank.results.summary import Summary
from robustrank.storage.files import replace

if TYPE_CHECKING:
    from jinja2 import Environment


def write(summary: Summary, path: Path, marks: Marks | None = None) -> None:
    """Write ``report.html``, whole or not at all."""
    replace(path, render(summary, marks))


def render(summary: Summary, marks: Marks | None = None) -> str:
    """The report as one HTML document.

    Args:
        summary: Of the audit.
        marks: Review marks to put in (:func:`robustrank.report.marks.read`).
    """
    from markupsafe import Markup

    from robustrank.report import charts, explorer, pool_view, view

    style = _file("style.css")
    script = _file("script.js") + _file("explorer.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            summary=summary,
            view=view.build(summary),
            pool=pool_view.build(summary),
            charts=charts.draw(summary),
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
    """As a page's policy names the one style sheet or script that it allows."""
    return b64encode(sha256(text.encode()).digest()).decode()


@cache
def _environment() -> Environment:
    """Templates are compiled once a process."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from robustrank.protocols.adversarial import lead
    from robustrank.report import filters

    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=filters.plain,
    )
    environment.filters.update(filters.FILTERS, lead=lead)
    return environment
