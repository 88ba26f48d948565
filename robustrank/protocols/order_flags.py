"""Red flags on rankers that order documents: those that copy, and those that are not shown to rank at all."""

from __future__ import annotations

from collections.abc import Sequence

from robustrank.core.flags import Check
from robustrank.measures.bounds import difference_bounds
from robustrank.protocols.interface import Evidence
from robustrank.protocols.presented import LONG, copied, shuffled
from robustrank.protocols.ranker_flags import FEW, first_stage_values, flag
from robustrank.results.red_flags import RedFlag, Severity
from robustrank.stats.comparisons import paired
from robustrank.work.presentation_records import How, PresentationRecord
from robustrank.work.records import RankingRecord


def of_orders(evidence: Evidence, rankings: Sequence[RankingRecord], flags: Sequence[RedFlag]) -> list[RedFlag]:
    """Flags on rankers that order documents.

    Args:
        evidence: Of the audit.
        rankings: The records of lists that were ranked without an error.
        flags: On rankers, so far.
    """
    copies = [each for name in _shown(evidence) if (each := _copies(name, evidence)) is not None]
    return [*copies, *_incompetent(evidence, rankings, {each.ranker for each in flags if _first_stage(each)})]


def _first_stage(each: RedFlag) -> bool:
    return each.check is Check.FIRST_STAGE


def _shown(evidence: Evidence) -> list[str]:
    return list(dict.fromkeys(record.ranker for record in evidence.of(PresentationRecord)))


def _copies(ranker: str, evidence: Evidence) -> RedFlag | None:
    """More than half of the lists come back as shown, in first-stage order and in others."""
    mine = [r for r in evidence.of(PresentationRecord) if r.ranker == ranker and len(r.doc_ids) >= LONG]
    told = [(r.of(How.AGAIN)[0], calls) for r in mine if r.of(How.AGAIN) and (calls := shuffled(r))]
    both = sum(first.copied and copied(calls) for first, calls in told)
    if both <= len(told) / 2:
        return None
    detail = (
        f"{both} of {len(told)} lists come back in the order in which they are shown, in first-stage order and in "
        "others: nothing is ranked, and no attack on a text can move it. A service that gives up, and a model that "
        "does not follow its instruction, often return what they were given"
    )
    return flag(Check.COPIES, Severity.SERIOUS, f"{ranker}: returns lists as it is shown them", detail, ranker=ranker)


def _incompetent(evidence: Evidence, rankings: Sequence[RankingRecord], known: set[str]) -> list[RedFlag]:
    """Rankers that order documents, and do it no better than the order in which they are shown them.

    What ranks no better than its input has nothing that an attack could take away: no success on it is no robustness.
    """
    home, measure = evidence.spec.home, evidence.leading
    flags = []
    for victim in evidence.spec.victims:
        mine = [r for r in rankings if (r.ranker, r.collection) == (victim.name, home.name)]
        mine = [r for r in mine if r.doc_ids]
        if victim.name in known or not any(r.rank_only or r.answer is not None for r in mine):
            continue
        detail = f"only {len(mine)} lists of {home.name} were ranked"
        if len(mine) >= FEW:
            after = [r.measures[measure] for r in mine]
            difference = paired(after, first_stage_values(mine, measure), bounds=difference_bounds(measure)).estimate
            if difference.low > 0:
                continue
            detail = (
                f"{measure} on {home.name} minus that of the order shown: {difference.value:+.3f} "
                f"[{difference.low:+.3f}, {difference.high:+.3f}], n={difference.n}"
            )
        title = f"{victim.name}: not shown to rank better than the order it is shown; no claim of robustness"
        detail += ". An attack that has no success on such a ranker shows no robustness"
        flags.append(flag(Check.COMPETENCE, Severity.SERIOUS, title, detail, ranker=victim.name))
    return flags
