"""Writes what the docs say of plug-ins, figures, commands, the audit file and terms from their declarations.

``python tools/write_docs.py`` writes ``plugins.md``, ``commands.md``, ``audit-file.md`` and ``glossary.md`` under
``docs/`` whole; in other pages the table between ``<!-- figures -->`` and ``<!-- end -->``. With ``--check`` it only
compares.
"""

from __future__ import annotations

import html
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import click

from robustrank.cli.main import main as cli
from robustrank.config import specs
from robustrank.config.cases import CasesSpec
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Budget
from robustrank.judging import figures
from robustrank.plugins import catalogue, registry
from robustrank.results.figures import FigureKind

ROOT = Path(__file__).resolve().parents[1]
WITH_FIGURES = (ROOT / "docs" / "gates.md",)
BEGIN, END = "<!-- figures: written by tools/write_docs.py -->\n", "<!-- end -->\n"

WRITTEN = "Written by `tools/write_docs.py`; do not edit."

HEAD = """# Plug-ins

Everything a table with `use = "..."` can name in an audit file, with its parameters. Written by `tools/write_docs.py`
from what is installed; do not edit.
"""


def main() -> int:
    """Write or compare the pages."""
    whole = {"plugins": plugins(), "commands": commands(), "audit-file": audit_file(), "glossary": glossary()}
    pages = {ROOT / "docs" / f"{name}.md": text for name, text in whole.items()}
    pages |= {path: with_figures(path) for path in WITH_FIGURES}
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


def commands() -> str:
    """The page of the command line: what ``--help`` says of every command."""
    parts = [f"# Commands\n\n{WRITTEN} What they are for: [running audits](running.md), [gates](gates.md).\n"]
    for name, command in sorted(cli.commands.items()):
        context = click.Context(command, info_name=f"robustrank {name}", max_content_width=100, terminal_width=100)
        parts.append(f"\n## robustrank {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "".join(parts)


TABLES = {
    "The file": specs.AuditSpec, "[[collection]]": specs.CollectionSpec, "[[ranker]]": specs.RankerSpec,
    "[cases]": CasesSpec, "[[attack]]": specs.AttackSpec, "budget": Budget, "[[variation]]": specs.VariationSpec,
    "[[defense]]": specs.DefenseSpec, "[[gate]]": specs.GateSpec, "[[accept]]": specs.AcceptSpec,
    "[certify]": specs.CertifySpec, "[sequential]": specs.SequentialSpec, "[corpus]": specs.CorpusSpec,
    "[long_document]": specs.LongDocumentSpec, "[presentation]": specs.PresentationSpec,
    "[detection]": specs.DetectionSpec, "[pooling]": specs.PoolingSpec,
}  # fmt: skip
"""Of the audit file, in the order in which one meets them."""


def audit_file() -> str:
    """The page of the audit file: every table with its keys, types and defaults."""
    parts = [
        f"# The audit file\n\n{WRITTEN} A table with `use` names a plug-in, whose parameters are further keys of the "
        "table: [plugins.md](plugins.md). `robustrank init` writes a file to start from.\n"
    ]
    for title, spec in TABLES.items():
        head = title if title == "The file" else f"`{title}`"
        parts.append(f"\n## {head}\n\n{first(spec)}\n\n| key | type | default | |\n|---|---|---|---|\n")
        parts += keys(spec)
    return "".join(parts)


def first(spec: type) -> str:
    """The first paragraph of a table's docstring, and what stands below its arguments."""
    text = inspect.cleandoc(spec.__doc__ or "").split("\n\nArgs:")[0]
    return prose(" ".join(text.split()))


def keys(spec: type) -> Iterator[str]:
    """A row for every key of a table."""
    about, types = explained(spec), get_type_hints(spec, include_extras=True)
    for each in fields(spec) if is_dataclass(spec) else ():
        name = each.metadata.get("key", each.name) if each.metadata else each.name
        if name is None or not each.init:
            continue
        if types[each.name] is Plugin and each.name == "plugin":
            yield "| `use` | text | required | The plug-in. |\n"
            continue
        yield f"| `{name}` | {words(types[each.name])} | {default(each)} | {prose(about.get(each.name, ''))} |\n"


def explained(spec: type) -> dict[str, str]:
    """Key to text: of the docstring's arguments, or of the text below the field."""
    section = re.search(r"^Args:\n((?:[ ]{4}.*\n?|\n)*)", inspect.cleandoc(spec.__doc__ or ""), re.MULTILINE)
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section[1] if section else "", re.MULTILINE)
    below = re.findall(r'^    (\w+): [^\n]*\n    """(.*?)"""', inspect.getsource(spec), re.MULTILINE | re.DOTALL)
    return {name: " ".join(text.split()) for name, text in [*found, *below]}


def words(annotation: Any) -> str:
    """A type in words of TOML."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return words(inner[0])
    if origin in (UnionType, Union):
        return " or ".join(dict.fromkeys(words(each) for each in inner if each is not type(None)))
    if origin is tuple:
        return f"list of {words(inner[0])}"
    if origin is not None:
        return "table"
    plain = {int: "whole number", float: "number", str: "text", bool: "true or false", Plugin: "plug-in"}
    if is_dataclass(annotation) and annotation not in plain:
        return "table"
    return plain.get(annotation, "text")


def default(each: Field[Any]) -> str:
    """A key's default as TOML has it; a dash where there is none and it may be left out."""
    value = each.default if each.default_factory is MISSING else each.default_factory()
    if value is MISSING:
        return "required"
    if value is None or value in ((), {}, "") or is_dataclass(value):
        return "–"
    text = str(list(value) if isinstance(value, tuple) else value)
    return code({"True": "true", "False": "false"}.get(text, text.replace("'", '"')))


def glossary() -> str:
    """The page of terms: those of the report's glossary, which is their one place."""
    template = files("robustrank.report").joinpath("templates", "glossary.html.j2").read_text(encoding="utf-8")
    terms = re.findall(r"<dt[^>]*>(.*?)</dt><dd>(.*?)</dd>", template, re.DOTALL)
    parts = [f"# Glossary\n\n{WRITTEN} Its source is the glossary of the report.\n"]
    parts += [f"\n## {html.unescape(term)}\n\n{html.unescape(' '.join(text.split()))}\n" for term, text in terms]
    return "".join(parts)


def code(text: str) -> str:
    """Python in a cell of a table."""
    return f"`{text}`".replace("|", "\\|") if text else ""


def prose(text: str) -> str:
    """Docstring markup as Markdown, fit for a cell of a table."""
    return re.sub(r":\w+:`", "`", text.replace("``", "`")).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
