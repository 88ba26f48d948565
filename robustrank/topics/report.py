"""A topic study's summary as Markdown and figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from robustrank.core.escaping import visible
from robustrank.storage import files
from robustrank.topics import curves
from robustrank.topics.metrics import SHARES
from robustrank.topics.results import TOP


def write(summary: dict[str, Any], where: Path) -> None:
    """``summary.json``, ``report.md`` and the figures it shows."""
    files.replace(where / "summary.json", json.dumps(summary, indent=1) + "\n")
    figures = curves.draw(summary)
    for name, svg in figures.items():
        files.replace(where / name, svg)
    files.replace(where / "report.md", report(summary, sorted(figures)))


def report(summary: dict[str, Any], figures: Sequence[str] = ()) -> str:
    """The summary as Markdown; texts of queries and documents are in code spans, with invisible characters escaped."""
    shown = [line for name in figures for line in ("", f"![{name.rpartition('-')[0]} curves]({name})")]
    parts = _table(summary), _against(summary), _costs(summary), shown, _changes(summary), _shown(summary)
    return "\n".join(line for part in parts for line in part) + "\n"


def _table(summary: dict[str, Any]) -> list[str]:
    budget, topics = summary["budget"], {group["topic_id"] for group in summary["groups"]}
    lines = [
        f"# Topic attacks: {summary['name']}",
        "",
        f"{len(summary['groups'])} groups of queries on {len(topics)} topics of {summary['collection']}. An attack may "
        f"substitute {budget['substitutions']} words, insert {budget['insertions']}, and ask the victim for "
        f"{budget['lists']} ranked lists. Held-out queries are of the same topic and unknown to the attacker. "
        "Brackets are 95 % intervals over topics.",
        "",
        "| victim | attack | n | held-out boost | worst query | QSR@50% | QSR@75% | QSR@100% | top 10 for 50% "
        "| attacked boost | lists | edits | similarity | perplexity ratio | texts scored "
        "| planning s |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in summary["rows"]:
        f = row["figures"]
        edits = f["substitutions"]["value"] + f["insertions"]["value"]
        broken = "".join(f" ({count} {status})" for status, count in row["statuses"].items() if status != "ok")
        cells = [
            row["ranker"], row["attack"] + broken, str(row["documents"]), _bracket(f["held_out boost"], 1),
            _bracket(f["held_out worst boost"], 1), *(_bracket(f[f"held_out QSR@{share:.0%}"], 2) for share in SHARES),
            _bracket(f[f"held_out QSR@50% in top {TOP}"], 2),
            _bracket(f["attack boost"], 1), f"{f['lists']['value']:.0f}", f"{edits:.1f}",
            *(_value(f.get(name), 2) for name in ("similarity", "perplexity ratio")),
            f"{f['texts_scored']['value']:.0f}", f"{f['planning_seconds']['value']:.2f}",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    agreements = [
        (row["ranker"], row["figures"]["agreement"]) for row in summary["rows"] if row["figures"]["agreement"]
    ]
    if agreements:
        lines += ["", "Kendall's tau of the attackers' surrogate with the victim, on lists it has not seen: "]
        lines[-1] += "; ".join(f"{ranker} {_bracket(estimate, 2)}" for ranker, estimate in agreements) + "."
    return lines


def _against(summary: dict[str, Any]) -> list[str]:
    if not summary["comparisons"]:
        return []
    about = (
        "The same documents, topics as units. p values are corrected (Holm) over the tests of each table; an attack "
        "none of whose texts keeps to the budget is left out."
    )
    lines = ["", "## The first attack against the others", "", about]
    for family in sorted({c["family"] for c in summary["comparisons"]}):
        lines += [
            *("", "| victim | | n | figure | difference | p (Holm) |", "|---|---|---|---|---|---|"),
            *(
                f"| {c['ranker']} | {c['a']} - {c['b']} | {c['n']} | {c['figure'].replace('_', ' ')} "
                f"| {_bracket(c['difference'], 2)} | {c['p_holm']:.2g} |"
                for c in summary["comparisons"]
                if c["family"] == family
            ),
        ]
    return lines


def _costs(summary: dict[str, Any]) -> list[str]:
    """Planning cost of a document by each other attack, as a multiple of the first attack's."""
    if not summary["costs"]:
        return []
    about = (
        "What the other attack spends on planning one document, divided by what the first one does (geometric mean). "
        "Texts are those its own surrogate scored, for gradients, too; seconds are those of a processor."
    )
    return [
        *("", "## Cost", "", about, "", "| victim | | what | times |", "|---|---|---|---|"),
        *(
            f"| {c['ranker']} | {c['b']} / {c['a']} | {c['what'].replace('_', ' ')} | {_bracket(c['times'], 1)} |"
            for c in summary["costs"]
        ),
    ]


def _changes(summary: dict[str, Any]) -> list[str]:
    if not summary["dynamic"]:
        return []
    about = "Mean held-out boost after each event: of the text as it was, and after the attacker reacted."
    lines = ["", "## The lists change", "", about, ""]
    for curve in summary["dynamic"]:
        rows = zip(curve["events"], curve["lists"], curve["kept"], curve["reacted"], strict=True)
        lines += [
            *(f"**{curve['ranker']}, {curve['attack']}** (n={curve['documents']})", ""),
            *("| event | lists spent | kept | reacted |", "|---|---|---|---|"),
            *(f"| {e} | {spent:.0f} | {_bracket(kept, 1)} | {_bracket(new, 1)} |" for e, spent, kept, new in rows),
            "",
        ]
    return lines


def _shown(summary: dict[str, Any]) -> list[str]:
    lines = ["", "## Examples", "", "The first in the order of a hash.", ""]
    for example in summary["examples"]:
        lines += [f"**{_code(example['topic'])}**, document {_code(example['doc_id'])}", ""]
        for side, name, label in (("queries", "attack", "attacked"), ("held_out", "held_out", "held out")):
            rows = zip(example[side], example[f"{name}_before"], example[f"{name}_after"], strict=True)
            lines += [f"- {label}: `{_code(text)}` from rank {before} to {after}" for text, before, after in rows]
        lines += ["", f"    {_code(example['before'])}", "", f"    {_code(example['after'])}", ""]
    return lines


def _code(text: str) -> str:
    return visible(" ".join(text.split())).replace("`", "'")


def _value(estimate: dict[str, float] | None, digits: int) -> str:
    return "-" if estimate is None else f"{estimate['value']:.{digits}f}"


def _bracket(estimate: dict[str, float], digits: int) -> str:
    return f"{estimate['value']:.{digits}f} [{estimate['low']:.{digits}f}, {estimate['high']:.{digits}f}]"
