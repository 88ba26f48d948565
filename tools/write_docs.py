"""Writes what the docs say of plug-ins and figures from their declarations: ``python tools/write_docs.py``.

``docs/plugins.md`` is written whole; in other pages the table between ``<!-- figures -->`` and ``<!-- end -->``. With
``--check`` it only compares.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from robustrank.judging import figures
from robustrank.plugins import catalogue, registry
from robustrank.results.figures import FigureKind

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = ROOT / "docs" / "plugins.md"
WITH_FIGURES = (ROOT / "docs" / "gates.md",)
BEGIN, END = "<!-- figures: written by tools/write_docs.py -->\n", "<!-- end -->\n"

HEAD = """# Plug-ins

Everything a table with `use = "..."` can name in an audit file, with its parameters. Written by `tools/write_docs.py`
from what is installed; do not edit.
"""


def main() -> int:
    """Write or compare the pages."""
    pages = {PLUGINS: plugins(), **{path: with_figures(path) for path in WITH_FIGURES}}
    if "--check" not in sys.argv[1:]:
        for path, text in pages.items():
            path.write_text(text, encoding="utf-8")
        return 0
    other = [path for path, text in pages.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in other:
        sys.stderr.write(f"{path.name} is not what is declared: run `python tools/write_docs.py`\n")
    return 1 if other else 0


def with_figures(path: Path) -> str:
    """A page with its table of figures as they are declared."""
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{path.name}: no place for the table of figures ({BEGIN.strip()} ... {END.strip()})")
    rows = "".join(figure_row(kind) for kind in figures.kinds())
    return f"{before}{BEGIN}\n| `measure` | figure | `where` |\n|---|---|---|\n{rows}\n{END}{after}"


def figure_row(kind: FigureKind) -> str:
    """One kind of figure: its name, what it is, and the keys of ``where`` with what is taken for each by default."""
    keys = ", ".join(f"{key} ({kind.defaults[key]})" if key in kind.defaults else key for key in kind.where)
    return f"| `{kind.name}` | {kind.about} | {keys} |\n"


def plugins() -> str:
    """The page of plug-ins; those of other packages are left out."""
    parts = [HEAD]
    for kind in registry.KINDS:
        parts.append(f"\n## {kind.capitalize().replace('_', ' ')}s\n")
        for entry in catalogue.entries(kind):
            if entry.version.startswith("robustrank "):
                parts.append(section(entry))
    return "".join(parts)


def section(entry: catalogue.Entry) -> str:
    """One plug-in: what it is, where it is, its parameters."""
    lines = [f"\n### {entry.name}\n", f"{prose(catalogue.summary(entry.kind, entry.name))} (`{entry.target}`)\n"]
    if entry.kind == "attack" and (known := catalogue.known_as(entry.name)):
        lines.append(f"Known as: {'; '.join(known)}.\n")
    parameters = catalogue.parameters(entry.kind, entry.name)
    if parameters:
        lines += ["| parameter | type | default | |", "|---|---|---|---|"]
        lines += [
            f"| `{p.name}` | {code(p.type)} | {code(p.default) or 'required'} | {prose(p.about)} |" for p in parameters
        ] + [""]
    return "\n".join(lines)


def code(text: str) -> str:
    """Python in a cell of a table."""
    return f"`{text}`".replace("|", "\\|") if text else ""


def prose(text: str) -> str:
    """Docstring markup as Markdown, fit for a cell of a table."""
    return re.sub(r":\w+:`", "`", text.replace("``", "`")).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
