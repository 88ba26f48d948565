"""Writes docs/plugins.md from the registry: ``python tools/write_docs.py``; with ``--check`` it only compares."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from robustrank.plugins import catalogue, registry

PAGE = Path(__file__).resolve().parents[1] / "docs" / "plugins.md"

HEAD = """# Plug-ins

Everything a table with `use = "..."` can name in an audit file, with its parameters. Written by `tools/write_docs.py`
from what is installed; do not edit.
"""


def main() -> int:
    """Write or compare the page."""
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
    if not same:
        sys.stderr.write("docs/plugins.md is not what the registry says: run `python tools/write_docs.py`\n")
    return 0 if same else 1


def page() -> str:
    """The whole page; plug-ins of other packages are left out."""
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
    parameters = catalogue.parameters(entry.kind, entry.name)
    if parameters:
        lines += ["| parameter | type | default | |", "|---|---|---|---|"]
        lines += [
            f"| `{p.name}` | {code(p.type)} | {code(p.default) or 'must be given'} | {prose(p.about)} |"
            for p in parameters
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
