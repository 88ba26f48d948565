"""Every attacked case with what it changed, whom it pushed down and what was proven, from records alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from robustrank.core.interfaces import Attack
from robustrank.core.types import AttackSet
from robustrank.perturbations.operations import covers
from robustrank.perturbations.verify import diff
from robustrank.protocols.adversarial import leading, successes
from robustrank.results.attack_cases import AttackedCase, Cases, Change, Fall, Proof
from robustrank.storage.journal import Record
from robustrank.storage.structure import revive

KEY = 16
"""Characters of a record's key that stay: enough to tell a million cases apart."""


def cases(attacked: Sequence[Record], certificates: Iterable[Record], built: Mapping[str, Attack]) -> Cases:
    """All cases of an audit.

    Args:
        attacked: The attack records, in the order in which they are to be shown.
        certificates: The certificate records.
        built: The attacks by their names in the audit file.
    """
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in attacked:
        groups.setdefault((record["ranker"], record["attack"]), []).append(record)
    ways = {place: successes(group) for place, group in groups.items()}
    proven = {(r["ranker"], r["collection"], r["query_id"]): r["certificates"] for r in certificates if _done(r)}
    texts: dict[str, int] = {}
    rows = []
    for record in attacked:
        tests = ways[record["ranker"], record["attack"]]
        reached = [name for name, test in tests.items() if test(record)]
        query_changed = record["query_after"] is not None
        before, after = ("query", "query_after") if query_changed else ("before", "after")
        same = ("ranker", "attack", "collection", "stratum", "status", "error", "query_id", "doc_id", "rank_before",
                "rank_after", "list_length", "score_before", "score_after", "edits", "similarity", "calls")  # fmt: skip
        rows.append(
            AttackedCase(
                **{name: record[name] for name in same},
                key=record["key"][:KEY],
                query=texts.setdefault(record["query"], len(texts)),
                document=texts.setdefault(record["before"], len(texts)),
                changes=changes(record[before], record[after]),
                query_changed=query_changed,
                harm=record["harm_before"] - record["harm_after"],
                reached=reached,
                success=leading(tests) in reached,
                fell=revive(Sequence[Fall], record.get("fell")),
                proofs=_proofs(
                    proven.get((record["ranker"], record["collection"], record["query_id"]), ()),
                    built[record["attack"]].threat.edits,
                ),
            )
        )
    return Cases(texts=list(texts), rows=rows)


@lru_cache(maxsize=65536)  # an audit that stops by itself sums up after every batch
def changes(before: str, after: str) -> tuple[Change, ...]:
    """The word-level difference of two texts as replaced stretches of the first."""
    found, at = [], 0
    for kind, old, new in diff(before, after):
        if kind != "equal":
            found.append(Change(at, at + len(old), new))
        at += len(old)
    return tuple(found)


def _done(record: Record) -> bool:
    return bool(record["status"] == "ok")


def _proofs(certificates: Sequence[Mapping[str, Any]], edits: AttackSet) -> list[Proof]:
    return sorted(
        Proof(c["k"], c["radius"], c["certified"]) for c in certificates if covers(revive(AttackSet, c["edits"]), edits)
    )
