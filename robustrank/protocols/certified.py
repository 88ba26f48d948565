"""Certified: the share of queries whose list provably resists every attack of a stated set (CRQ@K)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

from robustrank.certificates import allowed
from robustrank.core.types import AttackSet, Certificate, Status
from robustrank.core.words import words
from robustrank.perturbations.operations import counted, covers
from robustrank.results.outcomes import Ending, Ends, of_certificate, tally, undecided
from robustrank.results.summary import CertifiedResult
from robustrank.stats import intervals
from robustrank.work.records import AttackRecord, CertificateRecord


def certificates(records: Sequence[CertificateRecord], attacked: Sequence[AttackRecord] = ()) -> list[CertifiedResult]:
    """CRQ per ranker, collection, K and radius, over the lists that certifying did not fail on.

    A list without candidates is not certified.

    Args:
        records: Certificate records.
        attacked: Attack records, of which those that a certificate covers put it to the test.
    """
    trials, control = falsification(records, attacked), falsification(records, attacked, held=False)
    groups: dict[tuple[str, str, int, float], list[Certificate]] = {}
    lists_of: dict[tuple[str, str], list[CertificateRecord]] = {}
    for record in records:
        lists_of.setdefault((record.ranker, record.collection), []).append(record)
        for certificate in record.certificates:
            where = (record.ranker, record.collection, certificate.k, certificate.radius)
            groups.setdefault(where, []).append(certificate)
    results = []
    for (ranker, collection, k, radius), group in groups.items():
        lists = lists_of[ranker, collection]
        by_query = {certificate.query_id: certificate for certificate in group}
        ends = {r.query_id: of_certificate(r, by_query.get(r.query_id)) for r in lists}
        held = {q: end is Ending.SUCCEEDED for q, end in ends.items() if end is not Ending.ERROR}
        failed = [q for q, end in ends.items() if end is Ending.ERROR]
        first = group[0]
        tried, compared = (found.get((ranker, collection, k, radius), []) for found in (trials, control))
        results.append(
            CertifiedResult(
                ranker=ranker,
                collection=collection,
                k=k,
                radius=radius,
                edits=str(first.edits),
                crq=intervals.share(list(held.values())),
                alpha=first.alpha,
                expected_false=first.alpha * len(held),
                samples=first.samples,
                method=first.method,
                assumes=first.assumes,
                per_query={query_id: float(held[query_id]) for query_id in sorted(held)},
                speaks_of=first.ranker,
                tally=tally(lists),
                ends=Ends(*(intervals.share([*held.values(), *[x] * len(failed)]) for x in (False, True)))
                if failed
                else None,
                open=dict.fromkeys(sorted(failed), (0.0, 1.0)),
                attacks_on_certified=len(tried),
                certificates_broken=sum(tried),
                attacks_on_uncertified=len(compared),
                uncertified_broken=sum(compared),
            )
        )
    return results


def falsification(
    certified: Sequence[CertificateRecord], attacked: Sequence[AttackRecord], *, held: bool = True
) -> dict[tuple[str, str, int, float], list[bool]]:
    """Ranker, collection, K and radius to one value per attack on a list certified against it: whether it succeeded.

    Arguments are those of :func:`tests`.
    """
    outcomes: dict[tuple[str, str, int, float], list[bool]] = {}
    for record, claim in tests(certified, attacked, held=held):
        where = (record.ranker, record.collection, claim.k, claim.radius)
        outcomes.setdefault(where, []).append(record.rank_after <= claim.k)
    return outcomes


def broken(
    certified: Sequence[CertificateRecord], attacked: Sequence[AttackRecord]
) -> list[tuple[AttackRecord, Certificate]]:
    """Attacks that lifted a target into a top K that was certified against them, with that certificate.

    Args:
        certified: Certificate records.
        attacked: Attack records.
    """
    return [(record, claim) for record, claim in tests(certified, attacked, held=True) if record.rank_after <= claim.k]


def tests(
    certified: Sequence[CertificateRecord], attacked: Sequence[AttackRecord], *, held: bool
) -> Iterator[tuple[AttackRecord, Certificate]]:
    """Every attack on a document below a certified top K that the certificate covers, with that certificate.

    Args:
        certified: Certificate records.
        attacked: Attack records.
        held: Of lists that are certified; else of those that are not, which says what such attacks can do.
    """
    claims = {(r.ranker, r.collection, r.query_id): r.certificates for r in certified}
    for record in attacked:
        mine = claims.get((record.ranker, record.collection, record.query_id))
        if (
            not mine
            or undecided(record) is not None
            or record.status is not Status.OK
            or record.demote
            or record.query_after is not None
        ):
            continue
        length = len(words(record.before))
        for claim in mine:
            below = claim.certified is held and record.rank_before > claim.k
            if below and covered(claim.edits, record, allowed(claim.radius, length)):
                yield record, claim


def covered(edits: AttackSet, record: AttackRecord, most: float = inf) -> bool:
    """Whether what an attack did is in an attack set, with at most so many edits: by what it may do, or as measured."""
    if covers(edits, record.threat.edits) and record.edits <= most:
        return True
    if edits.operation == record.threat.edits.operation:
        return False  # it is counted already
    measured = counted(edits, record.threat.edits, record.before, record.after)
    return measured is not None and measured <= most
