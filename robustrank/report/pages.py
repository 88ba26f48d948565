"""Pages beside the report, in its look: a comparison, a leaderboard. Single files that fetch nothing and run nothing.

As in the report, every text may be hostile: templates escape all they print, and what cannot be seen is shown by its
code point on the way out.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any


def render(template: str, **names: Any) -> str:
    """One page as HTML.

    Args:
        template: Its name under ``templates/``, without endings.
        **names: What it shows.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from robustrank.report import filters

    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=filters.plain,
    )
    environment.filters.update(filters.FILTERS)
    style = files("robustrank.report").joinpath("style.css").read_text(encoding="utf-8")
    return environment.get_template(f"{template}.html.j2").render(style=Markup(style), **names)
