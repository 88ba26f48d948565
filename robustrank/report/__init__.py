"""The report: one HTML file made from a :class:`~robustrank.summary.Summary` and nothing else.

It opens from disk, fetches nothing and reads without scripts. Every text in it may have been written by an attacker:
templates escape all they print (``autoescape=True``; choosing by file name would not escape ``*.html.j2``), what cannot
be seen is replaced on the way out (:mod:`robustrank.hostile`), and the page's own policy forbids every script but one.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from robustrank.store import replace
from robustrank.summary import Summary

if TYPE_CHECKING:
    from jinja2 import Environment


def write(summary: Summary, path: Path) -> None:
    """Write ``report.html``, whole or not at all."""
    replace(path, render(summary))


def render(summary: Summary) -> str:
    """The report as one HTML document."""
    from markupsafe import Markup

    from robustrank.report import charts, pool_view, view

    here = files(__package__)
    script = here.joinpath("script.js").read_text(encoding="utf-8")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            summary=summary,
            view=view.build(summary),
            pool=pool_view.build(summary),
            charts=charts.draw(summary),
            style=Markup(here.joinpath("style.css").read_text(encoding="utf-8")),
            script=Markup(script),
            script_hash=b64encode(sha256(script.encode()).digest()).decode(),
        )
    )


def _environment() -> Environment:
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
