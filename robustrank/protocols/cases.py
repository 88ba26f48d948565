"""Every attacked case with what it changed, whom it pushed down and what was proven, from records alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from robustrank.core.types import Certificate, Status
from robustrank.perturbations.verify import diff
from robustrank.protocols.adversarial import changed_text, successes
from robustrank.protocols.certified import covered
from robustrank.results.attack_cases import AttackedCase, Cases, Change, Proof
from robustrank.results.outcomes import Ending, ending, reason
from robustrank.results.select import leading
from robustrank.work.records import AttackRecord, CertificateRecord

KEY = 16
"""Characters of a record's key that stay: enough to tell a million cases apart."""


def cases(attacked: Sequence[AttackRecord], certificates: Iterable[CertificateRecord]) -> Cases:
    """All cases of an audit.

    Args:
        attacked: The attack records, in the order in which they are to be shown.
        certificates: The certificate records.
    """
    groups: dict[tuple[str, str], list[AttackRecord]] = {}
    for record in attacked:
        groups.setdefault((record.ranker, record.attack), []).append(record)
    ways = {place: successes(group) for place, group in groups.items()}
    proven = {
        (r.ranker, r.collection, r.query_id): r.certificates for r in certificates if r.status is Status.OK
    }  # fmt: skip
    texts: dict[str, int] = {}
    rows = []
    for record in attacked:
        tests = ways[record.ranker, record.attack]
        reached = [name for name, test in tests.items() if test(record)]
        end = ending(record, succeeded=leading(tests) in reached)
        if end not in (Ending.SUCCEEDED, Ending.FAILED):
            reached = []
        certified = proven.get((record.ranker, record.collection, record.query_id), ())
        rows.append(
            AttackedCase(
                key=record.key[:KEY],
                ranker=record.ranker,
                attack=record.attack,
                collection=record.collection,
                stratum=record.stratum,
                status=record.status,
                ending=end,
                error=record.error or reason(record),
                query_id=record.query_id,
                query=texts.setdefault(record.query, len(texts)),
                doc_id=record.doc_id,
                document=texts.setdefault(record.before, len(texts)),
                changes=changes(*changed_text(record)),
                query_changed=record.query_after is not None,
                rank_before=record.rank_before,
                rank_after=record.rank_after,
                list_length=record.list_length,
                score_before=record.score_before,
                score_after=record.score_after,
                harm=record.harm_before - record.harm_after,
                edits=record.edits,
                similarity=record.similarity,
                calls=record.calls,
                reached=reached,
                success=end is Ending.SUCCEEDED,
                fell=record.fell,
                proofs=_proofs(certified, record),
            )
        )
    return Cases(texts=list(texts), rows=rows)


@lru_cache(maxsize=65536)  # an audit that stops by itself sums up after every batch
def changes(before: str, after: str) -> tuple[Change, ...]:
    """The word-level difference of two texts as replaced stretches of the first."""
    made, at = [], 0
    for kind, old, new in diff(before, after):
        if kind != "equal":
            made.append(Change(at, at + len(old), new))
        at += len(old)
    return tuple(made)


def _proofs(certificates: Sequence[Certificate], record: AttackRecord) -> list[Proof]:
    return sorted(Proof(c.k, c.radius, c.certified) for c in certificates if covered(c.edits, record))
