"""Task 5, real manipulation: does a ranker fall for what people did to their documents to rank higher?

An edit may also make a page better. The assessors judged every version, so edits are told apart: those that made the
document no more relevant and those that did. A ranker is *fooled* when the first kind ranks higher than before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from robustrank.core.types import Estimate
from robustrank.results.five_tasks import Manipulation
from robustrank.stats import intervals
from robustrank.stats.ratios import Contrast, contrast
from robustrank.storage.journal import Record

Edits = Mapping[str, Sequence[Mapping[str, float]]]
"""Query id to its edits."""


def manipulations(records: Sequence[Record], baseline: str | None) -> list[Manipulation]:
    """One row per ranker and collection; intervals over queries."""
    groups: dict[tuple[str, str], dict[str, list[dict[str, float]]]] = {}
    for record in records:
        groups.setdefault((record["ranker"], record["collection"]), {})[record["query_id"]] = record["edits"]
    found = []
    for (ranker, collection), mine in groups.items():
        pairs = [(edit, q) for q, edits in sorted(mine.items()) for edit in edits]
        base = groups.get((baseline or "", collection), {}) if ranker != baseline else {}
        against = fooled_more(mine, base) if set(mine) <= set(base) else None
        found.append(
            Manipulation(
                ranker=ranker,
                collection=collection,
                edits=len(pairs),
                promoted=intervals.share([promoted(e) for e, _ in pairs], clusters=[q for _, q in pairs]),
                fooled=_share([(e, q) for e, q in pairs if better(e) is False]),
                earned=_share([(e, q) for e, q in pairs if better(e)]),
                gain=intervals.mean(
                    [e["rank_before"] - e["rank_after"] for e, _ in pairs], clusters=[q for _, q in pairs]
                ),
                versus_baseline=against.estimate if against else None,
                p=against.p if against else None,
            )
        )
    return found


def promoted(edit: Mapping[str, float]) -> bool:
    """Whether the document ranks higher than before."""
    return edit["rank_after"] < edit["rank_before"]


def better(edit: Mapping[str, float]) -> bool | None:
    """Whether assessors graded it higher than before; ``None`` where a version is not judged."""
    before, after = edit["grade_before"], edit["grade_after"]
    return None if before is None or after is None else after > before


def fooled(edits: Sequence[Mapping[str, float]]) -> list[float]:
    """Number of edits that fooled the ranker, and of those that could have."""
    could = [edit for edit in edits if better(edit) is False]
    return [float(sum(map(promoted, could))), float(len(could))]


def fooled_more(mine: Edits, base: Edits) -> Contrast | None:
    """Share fooled minus the baseline's, paired over queries."""
    rows = [[*fooled(mine[q]), *fooled(base[q])] for q in sorted(mine)]
    return contrast([rows], lambda m: m[:, 0] / m[:, 1] - m[:, 2] / m[:, 3])


def _share(pairs: Sequence[tuple[Mapping[str, float], str]]) -> Estimate | None:
    return intervals.share([promoted(e) for e, _ in pairs], clusters=[q for _, q in pairs]) if pairs else None
