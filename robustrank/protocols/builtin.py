"""The protocols that come with RobustRank. Their results are fields of the summary.

What makes the results is imported when it is first needed: gates are checked against the figures declared here without
numpy or scipy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robustrank.protocols.figures import adversarial as attack_figures
from robustrank.protocols.figures import certified as certificate_figures
from robustrank.protocols.figures import effectiveness as effectiveness_figures
from robustrank.protocols.figures import out_of_distribution as shift_figures
from robustrank.protocols.figures import pooling as pool_figures
from robustrank.protocols.interface import AuditProtocol, Evidence, Section
from robustrank.protocols.lost import lost_cases, untried_cases


def _effectiveness(evidence: Evidence) -> Mapping[str, Any]:
    from robustrank.protocols import effectiveness, weak_queries

    rankings, home = evidence.rankings, evidence.spec.home.name
    parents = {ranker.name: ranker.variant.parent for ranker in evidence.spec.rankers if ranker.variant is not None}
    return {
        "effectiveness": effectiveness.effectiveness(rankings),
        "comparisons": effectiveness.comparisons(rankings, evidence.leading, parents, evidence.spec.baseline),
        "weakest": weak_queries.weakest(rankings, evidence.audited, home, evidence.leading),
    }


def _out_of_distribution(evidence: Evidence) -> Mapping[str, Any]:
    from robustrank.protocols import out_of_distribution

    spec = evidence.spec
    undefended = [record for record in evidence.rankings if record.base is None]
    shifts = out_of_distribution.shifts(
        undefended, home=spec.home.name, measure=evidence.leading, baseline=spec.baseline
    )
    return {"shifts": shifts}


def _adversarial(evidence: Evidence) -> Mapping[str, Any]:
    from robustrank.protocols import adversarial, cases
    from robustrank.work.records import AttackRecord, CertificateRecord

    attacked = evidence.of(AttackRecord)
    lost, untried = lost_cases(evidence), untried_cases(evidence)
    missing = {key: [*lost.get(key, ()), *untried.get(key, ())] for key in (*lost, *untried)}
    return {
        "attacks": adversarial.attacks(attacked, missing),
        "worst_cases": adversarial.worst_cases(attacked),
        "cases": cases.cases(attacked, evidence.of(CertificateRecord)),
    }


def _certified(evidence: Evidence) -> Mapping[str, Any]:
    from robustrank.protocols import certified
    from robustrank.work.records import AttackRecord, CertificateRecord

    return {
        "certificates": certified.certificates(evidence.of(CertificateRecord), evidence.of(AttackRecord)),
    }


def _pooling(evidence: Evidence) -> Mapping[str, Any]:
    from robustrank.protocols import pooling

    return {"pooling": pooling.of_audit(evidence.setup.pool, evidence.rankings, evidence.spec)}


def _five_tasks(evidence: Evidence) -> Mapping[str, Any]:
    from robustrank.protocols.five_tasks import assemble

    return {"five": assemble.of_audit(evidence)}


def _red_flags(evidence: Evidence) -> Mapping[str, Any]:
    from robustrank.protocols.red_flags import red_flags

    return {"red_flags": red_flags(evidence)}


EFFECTIVENESS = AuditProtocol(
    name="effectiveness",
    about="How well each ranker ranks, with its spread over queries, its lowest decile, and who beats whom.",
    summarise=_effectiveness,
    figures=effectiveness_figures.KINDS,
    sections=(Section(anchor="effectiveness", title="Effectiveness", place=50),),
)
OUT_OF_DISTRIBUTION = AuditProtocol(
    name="out_of_distribution",
    about="What is lost on other collections and query types, and relative to the baseline.",
    summarise=_out_of_distribution,
    figures=shift_figures.KINDS,
    sections=(Section(anchor="shift", title="Out of distribution", place=60),),
)
ADVERSARIAL = AuditProtocol(
    name="adversarial",
    about="What attackers of a stated power achieve, beside controls that make the same kind of edit.",
    summarise=_adversarial,
    figures=attack_figures.KINDS,
    sections=(
        Section(anchor="threats", title="Threat models", place=30),
        Section(anchor="attacks", title="Attacks", place=70),
        Section(anchor="cases", title="Cases", place=80),
    ),
)
CERTIFIED = AuditProtocol(
    name="certified",
    about="What defended rankers prove of their own lists, and whether attacks contradict it.",
    summarise=_certified,
    figures=certificate_figures.KINDS,
    sections=(Section(anchor="certificates", title="Certificates", place=90),),
)
POOLING = AuditProtocol(
    name="pooling",
    about="How far conclusions rest on who contributed to the pool of judged documents.",
    summarise=_pooling,
    figures=pool_figures.KINDS,
    sections=(Section(anchor="pooling", title="Unjudged documents", place=100),),
)
FIVE_TASKS = AuditProtocol(
    name="five_tasks",
    about="The five robustness tasks of Wu et al. (2022) in one table.",
    summarise=_five_tasks,
    sections=(Section(anchor="tasks", title="Five tasks", place=40),),
)
RED_FLAGS = AuditProtocol(
    name="red_flags",
    about="Reasons not to believe the evaluation itself.",
    summarise=_red_flags,
    after=("effectiveness", "adversarial", "defenses"),
)
