"""Certified: the share of queries whose list provably resists every attack of a stated set (CRQ@K)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from robustrank import stats
from robustrank.plain import revive
from robustrank.store import Record
from robustrank.summary import CertifiedResult
from robustrank.types import AttackSet, Certificate


def certificates(records: Sequence[Record]) -> list[CertifiedResult]:
    """CRQ per ranker, collection, K and radius; errors and lists without candidates count as not certified."""
    groups: dict[tuple[str, str, int, int], list[Certificate]] = {}
    asked: dict[tuple[str, str], list[str]] = {}
    for record in records:
        asked.setdefault((record["ranker"], record["collection"]), []).append(record["query_id"])
        for data in record.get("certificates", ()):
            certificate = revive(Certificate, data)
            where = (record["ranker"], record["collection"], certificate.k, certificate.radius)
            groups.setdefault(where, []).append(certificate)
    results = []
    for (ranker, collection, k, radius), group in groups.items():
        certified = {certificate.query_id for certificate in group if certificate.certified}
        held = {query_id: query_id in certified for query_id in asked[ranker, collection]}
        first = group[0]
        results.append(
            CertifiedResult(
                ranker=ranker,
                collection=collection,
                k=k,
                radius=radius,
                edits=str(first.edits),
                crq=stats.share(list(held.values())),
                alpha=first.alpha,
                expected_false=first.alpha * len(held),
                samples=first.samples,
                method=first.method,
                assumes=first.assumes,
                per_query={query_id: float(held[query_id]) for query_id in sorted(held)},
            )
        )
    return results


def broken(
    certified: Sequence[Record], attacked: Sequence[Record], sets: Mapping[str, AttackSet]
) -> list[tuple[Record, int]]:
    """Attacks that lifted a target into a top K that was certified against them, with that K.

    Args:
        certified: Certificate records.
        attacked: Attack records.
        sets: Attack name to its attack set.
    """
    claims: dict[tuple[str, str, str], list[Certificate]] = {}
    for record in certified:
        place = (record["ranker"], record["collection"], record["query_id"])
        claims[place] = [revive(Certificate, data) for data in record.get("certificates", ())]
    found = []
    for record in attacked:
        if record["status"] != "ok" or record["demote"]:
            continue
        for claim in claims.get((record["ranker"], record["collection"], record["query_id"]), ()):
            covered = claim.edits.covers(sets[record["attack"]]) and record["edits"] <= claim.radius
            if claim.certified and covered and record["rank_before"] > claim.k >= record["rank_after"]:
                found.append((record, claim.k))
    return found
