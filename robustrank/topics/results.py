"""Sums up a topic study: figures with intervals, every attack against the first, agreement, the dynamic curves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from robustrank import stats, store
from robustrank.hostile import visible
from robustrank.store import Record
from robustrank.topics.dynamic import held_out_boosts
from robustrank.topics.metrics import SHARES, Outcome
from robustrank.topics.scene import Scene
from robustrank.types import Estimate

TOP = 10
EXAMPLES = 3


def summarise(records: Sequence[Record], scene: Scene) -> dict[str, Any]:
    """A study in plain data, from its records alone.

    Returns:
        ``rows``: one per victim and attack, every figure an estimate over documents with groups as units.
        ``comparisons``: the first attack minus each other one, on the same documents, Holm-corrected over all.
        ``dynamic``: mean held-out boost after each event.
        ``examples``: documents drawn with the seed, with the ranks for every query of the group.
    """
    rankers = list(dict.fromkeys(record["ranker"] for record in records))
    attacks = [named.name for named in scene.spec.attacks]
    by = {(r, a): [x for x in records if x["ranker"] == r and x["attack"] == a] for r in rankers for a in attacks}
    rows = [_row(r, a, group) for (r, a), group in by.items() if group]
    return {
        "name": scene.spec.name,
        "collection": scene.collection.name,
        "groups": [asdict(group) for group in scene.groups],
        "budget": asdict(scene.spec.budget),
        "rows": rows,
        "comparisons": _comparisons(by, rankers, attacks),
        "dynamic": [
            {"ranker": r, "attack": a, **_curve(group)}
            for (r, a), group in by.items()
            if any("events" in record for record in group)
        ],
        "examples": _examples(by, rankers, attacks),
    }


def outcome(record: Record, side: str) -> Outcome:
    """The ranks of one record for the ``"attack"`` or the ``"held_out"`` queries; an illegal text changed nothing."""
    after = record[f"{side}_after"] if record["status"] == "ok" else record[f"{side}_before"]
    return Outcome(tuple(record[f"{side}_before"]), tuple(after))


def _row(ranker: str, attack: str, group: Sequence[Record]) -> dict[str, Any]:
    units = [record["topic"] for record in group]
    figures: dict[str, Estimate | None] = {}
    for side in ("attack", "held_out"):
        found = [outcome(record, side) for record in group]
        figures[f"{side} boost"] = stats.mean([o.mean_boost for o in found], clusters=units)
        figures[f"{side} worst boost"] = stats.mean([float(o.worst_boost) for o in found], clusters=units)
        for share in SHARES:
            label = f"{side} QSR@{share:.0%}"
            figures[label] = stats.share([o.succeeds(share) for o in found], clusters=units)
            figures[f"{label} in top {TOP}"] = stats.share([o.succeeds(share, TOP) for o in found], clusters=units)
    for name in ("lists", "substitutions", "insertions", "planning_seconds"):
        figures[name] = stats.mean([float(record[name]) for record in group], clusters=units)
    for name in ("similarity", "agreement"):
        figures[name] = _known(units, [record[name] for record in group])
    for name in sorted({name for record in group for name in record["quality"]}):
        figures[name] = _known(units, [record["quality"].get(name) for record in group])
    statuses = sorted({record["status"] for record in group})
    return {
        "ranker": ranker,
        "attack": attack,
        "documents": len(group),
        "statuses": {status: sum(record["status"] == status for record in group) for status in statuses},
        "figures": {name: None if value is None else value._asdict() for name, value in figures.items()},
    }


def _known(units: Sequence[str], values: Sequence[float | None]) -> Estimate | None:
    """Mean of the values there are."""
    known = [(value, unit) for value, unit in zip(values, units, strict=True) if value is not None]
    return stats.mean([value for value, _ in known], clusters=[unit for _, unit in known]) if known else None


def _comparisons(
    by: dict[tuple[str, str], list[Record]], rankers: Sequence[str], attacks: Sequence[str]
) -> list[dict[str, Any]]:
    found: list[tuple[dict[str, str], tuple[Estimate, float]]] = []
    first, *others = attacks
    for ranker in rankers:
        ours = {(r["topic"], r["doc_id"]): r for r in by[ranker, first]}
        for other in others:
            theirs = {(r["topic"], r["doc_id"]): r for r in by[ranker, other]}
            common = sorted(set(ours) & set(theirs))
            if len(common) < 2:
                continue
            for figure in ("held_out boost", f"held_out QSR@{SHARES[0]:.0%}"):
                a, b = (
                    [
                        o.mean_boost if "boost" in figure else float(o.succeeds(SHARES[0]))
                        for o in (outcome(side[key], "held_out") for key in common)
                    ]
                    for side in (ours, theirs)
                )
                result = stats.paired(a, b, clusters=[topic for topic, _ in common], bounds=(-1e3, 1e3))
                found.append(({"ranker": ranker, "a": first, "b": other, "figure": figure}, result))
    corrected = stats.holm([p for _, (_, p) in found])
    return [
        {**head, "difference": difference._asdict(), "p": p, "p_holm": holm}
        for (head, (difference, p)), holm in zip(found, corrected, strict=True)
    ]


def _curve(group: Sequence[Record]) -> dict[str, Any]:
    group = [record for record in group if "events" in record]  # an illegal text has nothing to react from
    units = [record["topic"] for record in group]
    names = [event["event"] for event in group[0]["events"]]
    curves: dict[str, Any] = {"events": names, "documents": len(group)}
    for what in ("kept", "reacted"):
        values = [held_out_boosts(record["events"], what) for record in group]
        curves[what] = [stats.mean([row[i] for row in values], clusters=units)._asdict() for i in range(len(names))]
    lists = [[event["lists"] for event in record["events"]] for record in group]
    curves["lists"] = [sum(row[i] for row in lists) / len(lists) for i in range(len(names))]
    return curves


def _examples(
    by: dict[tuple[str, str], list[Record]], rankers: Sequence[str], attacks: Sequence[str]
) -> list[dict[str, Any]]:
    """The first documents in the order of their record's key, which is a hash: nobody chose them."""
    kept = (
        "ranker", "attack", "topic", "doc_id", "queries", "held_out", "attack_before", "attack_after",
        "held_out_before", "held_out_after", "before", "after",
    )  # fmt: skip
    found = sorted(by[rankers[0], attacks[0]], key=lambda record: record["key"])[:EXAMPLES] if rankers else []
    return [{key: record[key] for key in kept} for record in found]


def write(found: dict[str, Any], where: Path) -> None:
    """``summary.json`` and ``report.md``."""
    store.replace(where / "summary.json", json.dumps(found, indent=1) + "\n")
    store.replace(where / "report.md", report(found))


def report(found: dict[str, Any]) -> str:
    """The summary as Markdown; text of queries and documents is shown as code, with unseen characters visible."""
    return "\n".join([*_table(found), *_against(found), *_changes(found), *_shown(found)]) + "\n"


def _table(found: dict[str, Any]) -> list[str]:
    budget = found["budget"]
    lines = [
        f"# Topic attacks: {found['name']}",
        "",
        f"{len(found['groups'])} groups of {found['collection']}. An attack may substitute {budget['substitutions']} "
        f"words, insert {budget['insertions']}, and ask the victim for {budget['lists']} ranked lists. Held-out "
        "queries are of the same topic and unknown to the attacker. Brackets are 95 % intervals over groups.",
        "",
        "| victim | attack | n | held-out boost | worst query | QSR@50% | QSR@100% | top 10 for 50% | attacked boost "
        "| lists | edits | similarity | perplexity ratio | detected at 5 % | planning s |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        f = row["figures"]
        edits = f["substitutions"]["value"] + f["insertions"]["value"]
        broken = "".join(f" ({count} {status})" for status, count in row["statuses"].items() if status != "ok")
        cells = [
            row["ranker"], row["attack"] + broken, str(row["documents"]), _bracket(f["held_out boost"], 1),
            _bracket(f["held_out worst boost"], 1), _bracket(f["held_out QSR@50%"], 2),
            _bracket(f["held_out QSR@100%"], 2), _bracket(f[f"held_out QSR@50% in top {TOP}"], 2),
            _bracket(f["attack boost"], 1), f"{f['lists']['value']:.0f}", f"{edits:.1f}",
            *(_value(f.get(name), 2) for name in ("similarity", "perplexity ratio", "detected at 5 %")),
            f"{f['planning_seconds']['value']:.2f}",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    told = [(row["ranker"], row["figures"]["agreement"]) for row in found["rows"] if row["figures"]["agreement"]]
    if told:
        lines += ["", "Kendall's tau of the attackers' surrogate with the victim, on lists it has not seen: "]
        lines[-1] += "; ".join(f"{ranker} {_bracket(tau, 2)}" for ranker, tau in told) + "."
    return lines


def _against(found: dict[str, Any]) -> list[str]:
    return [
        *("", "## The first attack against the others", ""),
        *("| victim | | figure | difference | p (Holm) |", "|---|---|---|---|---|"),
        *(
            f"| {c['ranker']} | {c['a']} - {c['b']} | {c['figure']} | {_bracket(c['difference'], 2)} "
            f"| {c['p_holm']:.3g} |"
            for c in found["comparisons"]
        ),
    ]


def _changes(found: dict[str, Any]) -> list[str]:
    if not found["dynamic"]:
        return []
    about = "Mean held-out boost after each event: of the text as it was, and after the attacker reacted."
    lines = ["", "## The lists change", "", about, ""]
    for curve in found["dynamic"]:
        rows = zip(curve["events"], curve["lists"], curve["kept"], curve["reacted"], strict=True)
        lines += [
            *(f"**{curve['ranker']}, {curve['attack']}** (n={curve['documents']})", ""),
            *("| event | lists spent | kept | reacted |", "|---|---|---|---|"),
            *(f"| {e} | {spent:.0f} | {_bracket(kept, 1)} | {_bracket(new, 1)} |" for e, spent, kept, new in rows),
            "",
        ]
    return lines


def _shown(found: dict[str, Any]) -> list[str]:
    lines = ["", "## Examples", "", "The first in the order of a hash.", ""]
    for example in found["examples"]:
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
