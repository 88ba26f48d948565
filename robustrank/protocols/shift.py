"""Out of distribution: what is lost on an unforeseen corpus, and on an unforeseen query type.

RobustRank's own definition (the five-task paper's formula could not be read): the change of the mean, absolute and as
a share of the mean at the source, and that share minus the baseline ranker's on the same queries. The last one matters
most: query types and corpora differ in difficulty for everyone.
"""

from __future__ import annotations

from collections.abc import Sequence

from robustrank import stats
from robustrank.protocols.effectiveness import Values, query_types, values
from robustrank.store import Record
from robustrank.summary import Shift


def shifts(records: Sequence[Record], *, home: str, measure: str, baseline: str | None) -> list[Shift]:
    """Home to every other collection, and within a collection every query type against all the others."""
    every = values(records)
    types = query_types(records)
    rankers = list(dict.fromkeys(r["ranker"] for r in records))
    collections = list(dict.fromkeys(r["collection"] for r in records))
    found = []
    for ranker in rankers:
        if (ranker, home, measure) not in every:
            continue
        for collection in collections:
            if collection == home or (ranker, collection, measure) not in every:
                continue
            source = sorted(every[ranker, home, measure])
            target = sorted(every[ranker, collection, measure])
            found.append(
                _shift(
                    every, ranker, "corpus", (home, source, home), (collection, target, collection), measure, baseline
                )
            )
    for collection, by_type in types.items():
        everyone = {query_id for ids in by_type.values() for query_id in ids}
        for name, ids in by_type.items() if len(by_type) > 1 else ():
            rest = sorted(everyone - set(ids))
            for ranker in rankers:
                if (ranker, collection, measure) in every and set(ids) | set(rest) <= set(
                    every[ranker, collection, measure]
                ):
                    source_ = (f"{collection}: other types", rest, collection)
                    target_ = (f"{collection}: {name}", ids, collection)
                    found.append(_shift(every, ranker, "query type", source_, target_, measure, baseline))
    return found


def _shift(
    every: Values,
    ranker: str,
    kind: str,
    source: tuple[str, Sequence[str], str],
    target: tuple[str, Sequence[str], str],
    measure: str,
    baseline: str | None,
) -> Shift:
    def pick(who: str, side: tuple[str, Sequence[str], str]) -> list[float] | None:
        by_query = every.get((who, side[2], measure), {})
        return [by_query[q] for q in side[1]] if all(q in by_query for q in side[1]) else None

    home, away = pick(ranker, source), pick(ranker, target)
    base_home = base_away = None
    if baseline is not None and baseline != ranker:
        base_home, base_away = pick(baseline, source), pick(baseline, target)
    if base_home is None or base_away is None:
        base_home = base_away = None
    change, relative, against = stats.shift(home or [], away or [], base_home, base_away)
    return Shift(
        ranker=ranker, kind=kind, source=source[0], target=target[0], measure=measure,
        change=change, relative=relative, relative_to_baseline=against,
    )  # fmt: skip
