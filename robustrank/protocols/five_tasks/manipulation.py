"""Task 5, real manipulation: does a ranker fall for what people did to their documents to rank higher?

An edit may also make a page better. The assessors judged every version, so edits are told apart: those that made the
document no more relevant and those that did. A ranker is *fooled* when the first kind ranks higher than before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from robustrank.core.types import Estimate
from robustrank.results.five_tasks import Manipulation
from robustrank.stats import intervals
from robustrank.stats.contrasts import Contrast, contrast
from robustrank.stats.resampling import UNBOUNDED
from robustrank.work.records import EditedDocument, EditRecord

Edits = Mapping[str, Sequence[EditedDocument]]
"""Query id to its edits."""


def manipulations(records: Sequence[EditRecord], baseline: str | None) -> list[Manipulation]:
    """One row per ranker and collection; intervals over queries."""
    groups: dict[tuple[str, str], dict[str, Sequence[EditedDocument]]] = {}
    for record in records:
        groups.setdefault((record.ranker, record.collection), {})[record.query_id] = record.edits
    results = []
    for (ranker, collection), mine in groups.items():
        pairs = [(edit, q) for q, edits in sorted(mine.items()) for edit in edits]
        base = groups.get((baseline or "", collection), {}) if ranker != baseline else {}
        against = fooled_more(mine, base) if set(mine) <= set(base) else None
        results.append(
            Manipulation(
                ranker=ranker,
                collection=collection,
                edits=len(pairs),
                promoted=intervals.share([e.promoted for e, _ in pairs], clusters=[q for _, q in pairs]),
                fooled=_share([(e, q) for e, q in pairs if e.more_relevant is False]),
                earned=_share([(e, q) for e, q in pairs if e.more_relevant]),
                gain=intervals.mean(
                    [e.rank_before - e.rank_after for e, _ in pairs],
                    clusters=[q for _, q in pairs],
                    bounds=UNBOUNDED,
                ),
                versus_baseline=against.estimate if against else None,
                p=against.p if against else None,
            )
        )
    return results


def fooled(edits: Sequence[EditedDocument]) -> list[float]:
    """Number of edits that fooled the ranker, and of those that could have."""
    could = [edit for edit in edits if edit.more_relevant is False]
    return [float(sum(edit.promoted for edit in could)), float(len(could))]


def fooled_more(mine: Edits, base: Edits) -> Contrast | None:
    """Share fooled minus the baseline's, paired over queries."""
    rows = [[*fooled(mine[q]), *fooled(base[q])] for q in sorted(mine)]
    could = max(1.0, sum(row[1] for row in rows) / len(rows))
    unseen = [(ours, could, theirs, could) for ours in (0.0, could) for theirs in (0.0, could)]
    return contrast([rows], lambda m: m[:, 0] / m[:, 1] - m[:, 2] / m[:, 3], unseen=[unseen])


def _share(pairs: Sequence[tuple[EditedDocument, str]]) -> Estimate | None:
    return intervals.share([e.promoted for e, _ in pairs], clusters=[q for _, q in pairs]) if pairs else None
