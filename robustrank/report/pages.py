"""Pages in the style of the report (comparison, leaderboard): single files without scripts and external resources.

As in the report, every text may be hostile: templates escape all they print, and invisible characters are shown by
their code points.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def environment(own: Mapping[str, str] = MappingProxyType({})) -> Environment:
    """The template environment of all pages: every printed value is escaped, and an undefined name is an error.

    Args:
        own: Templates of protocols, by file name.
    """
    from jinja2 import ChoiceLoader, DictLoader, Environment, PackageLoader, StrictUndefined

    from robustrank.report import filters

    made = Environment(
        loader=ChoiceLoader([PackageLoader(__package__), DictLoader(own)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=filters.plain,
    )
    made.filters.update(filters.FILTERS)
    return made


def render(template: str, **names: Any) -> str:
    """One page as HTML.

    Args:
        template: Its name under ``templates/``, without endings.
        **names: Variables of the template.
    """
    from markupsafe import Markup

    style = files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    return environment().get_template(f"{template}.html.j2").render(style=Markup(style), **names)
