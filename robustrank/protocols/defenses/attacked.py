"""What attackers achieve on a defended ranker: those who do not know of the defense, and those who do.

An attack on the defended ranker asks the defended ranker, so it knows of the defense. One that does not know of it is
made against the base, and its text is put before the defended ranker. An attacker who knows of it has both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from msgspec import structs

from robustrank.core.types import Estimate
from robustrank.protocols import worst_case
from robustrank.protocols.defenses import texts
from robustrank.protocols.defenses.results import (
    ADAPTIVE,
    ADAPTIVE_WORTH,
    BASE,
    BASE_WORTH,
    DIRECT,
    UNAWARE,
    UNAWARE_WORTH,
    AgainstAttack,
    Difference,
    Level,
)
from robustrank.protocols.worst_case import Sides, Target, by_target, wins
from robustrank.results.outcomes import Ends, Tally, tally
from robustrank.stats import intervals
from robustrank.stats.comparisons import paired
from robustrank.work.records import AttackRecord, RankingRecord

Key = tuple[str, str]
"""Query and document id."""


class Attacks(NamedTuple):
    """The attacks on one ranker."""

    made: Sequence[AttackRecord]
    lost: Sequence[AttackRecord]
    """On lists that it could not rank."""


class Compared(NamedTuple):
    """What is said of attacks."""

    levels: Mapping[str, Level]
    differences: Mapping[str, Difference]
    by_attack: Sequence[AgainstAttack]
    hindrance: Difference | None


class Groups(NamedTuple):
    """The same attacks on the base, by the base's texts, and on the defended ranker."""

    base: Sequence[AttackRecord]
    unaware: Sequence[AttackRecord]
    direct: Sequence[AttackRecord]

    def of(self, names: Collection[str]) -> Groups:
        """Some attacks alone."""
        return Groups(*([r for r in each if r.attack in names] for each in self))

    @property
    def adaptive(self) -> list[AttackRecord]:
        """Attacks on the defended ranker, and the base's texts for the same documents."""
        targets = {(r.query_id, r.doc_id) for r in self.direct}
        return [*self.direct, *(r for r in self.unaware if (r.query_id, r.doc_id) in targets)]


def compared(
    ranker: str,
    base: Attacks,
    defended: Attacks,
    lists: Mapping[str, RankingRecord],
    transfers: texts.Transfers,
    *,
    both: Sequence[str],
    common: bool,
    worth: bool,
    alone: bool,
) -> Compared:
    """Every level and difference of one defended ranker.

    Args:
        ranker: The defended one.
        base: Attacks on its base, on lists of the same candidates.
        defended: Attacks on it.
        lists: Query to its clean list.
        transfers: Of the base's texts.
        both: Attacks that were run on both; the base's worst case is over these.
        common: Whether both were attacked on the same documents.
        worth: Whether the nDCG@10 of lists with the base's texts follows from their ranks.
        alone: Whether every attack was tried on every target, so that single ones can be compared.
    """
    base_lost, own_lost = _aligned(base.lost, defended.made), _aligned(defended.lost, base.made)
    groups = Groups(
        base=[*base.made, *base_lost],
        unaware=[
            *texts.before(ranker, base.made, lists, transfers),
            *(structs.replace(record, ranker=ranker) for record in base_lost),
        ],
        direct=[*defended.made, *own_lost],
    )
    of_base = groups._replace(base=groups.of(both).base)
    sides = _Sides(of_base, common)
    changes = {UNAWARE: difference(sides.unaware, sides.base_unaware), ADAPTIVE: difference(sides.adaptive, sides.base)}
    levels = sides.levels()
    if worth:
        of_lists = _worths(of_base, common)
        levels |= {name: level(each, tallied) for name, (each, tallied) in of_lists.items()}
        changes[UNAWARE_WORTH] = difference(of_lists[UNAWARE_WORTH][0], of_lists[BASE_WORTH][0])
        changes[ADAPTIVE_WORTH] = difference(of_lists[ADAPTIVE_WORTH][0], of_lists[BASE_WORTH][0])
    return Compared(
        levels=levels,
        differences={name: each for name, each in changes.items() if each is not None},
        by_attack=[row for name in both if alone and (row := _against(name, groups, common)) is not None],
        hindrance=difference(sides.unaware, sides.direct),
    )


def _aligned(lost: Sequence[AttackRecord], other: Sequence[AttackRecord]) -> list[AttackRecord]:
    """Attacks on lists that one ranker could not rank, on the documents that were attacked for the other one there."""
    documents: dict[str, dict[str, None]] = {}
    for record in other:
        documents.setdefault(record.query_id, {})[record.doc_id] = None
    placed: dict[tuple[str, str, str], AttackRecord] = {}
    for record in lost:
        for doc_id in documents.get(record.query_id, {record.doc_id: None}):
            placed[record.attack, record.query_id, doc_id] = structs.replace(record, doc_id=doc_id)
    return list(placed.values())


class _Sides:
    """The shares of targets that are won, by query, of one set of attacks."""

    def __init__(self, groups: Groups, common: bool) -> None:
        mine = {
            name: {key: target for key, target in by_target(group).items() if target.below}
            for name, group in (
                (BASE, groups.base), (UNAWARE, groups.unaware), (DIRECT, groups.direct), (ADAPTIVE, groups.adaptive),
            )
        }  # fmt: skip
        for_both = mine[BASE].keys() & mine[UNAWARE].keys()
        if common:
            for_both &= mine[ADAPTIVE].keys()
            mine = {name: _only(each, for_both) for name, each in mine.items()}
        else:
            mine[UNAWARE] = _only(mine[UNAWARE], for_both)
        self._targets = mine
        self.base, self.unaware, self.direct, self.adaptive = (wins(list(each.values())) for each in mine.values())
        self.base_unaware = wins(list(_only(mine[BASE], for_both).values()))

    def levels(self) -> dict[str, Level]:
        """By name."""
        sides = (self.base, self.unaware, self.direct, self.adaptive)
        return {
            name: level(each, worst_case.tally_of(list(self._targets[name].values())))
            for name, each in zip(self._targets, sides, strict=True)
        }


def _only(targets: Mapping[Key, Target], keys: Collection[Key]) -> dict[Key, Target]:
    return {key: target for key, target in targets.items() if key in keys}


def _worths(groups: Groups, common: bool) -> dict[str, tuple[Sides, Tally]]:
    """The least nDCG@10 of every attacked list; where targets are common, by the attacks on these alone."""
    adaptive = groups.adaptive
    named = {BASE_WORTH: groups.base, UNAWARE_WORTH: groups.unaware, ADAPTIVE_WORTH: adaptive}
    if common:
        both = {(r.query_id, r.doc_id) for r in groups.base} & {(r.query_id, r.doc_id) for r in adaptive}
        named = {name: [r for r in each if (r.query_id, r.doc_id) in both] for name, each in named.items()}
    return {name: (worst_case.least(each), tally(worst_case.standing(each))) for name, each in named.items()}


def _against(name: str, groups: Groups, common: bool) -> AgainstAttack | None:
    """One attack alone; ``None`` where no query is decided on both sides."""
    sides = _Sides(groups.of([name]), common)
    change = difference(sides.adaptive, sides.base)
    base, adaptive = (level(each, Tally()).estimate for each in (sides.base, sides.adaptive))
    if change is None or base is None or adaptive is None:
        return None
    return AgainstAttack(
        attack=name, base=base, unaware=level(sides.unaware, Tally()).estimate, adaptive=adaptive, difference=change
    )


def level(sides: Sides, tallied: Tally) -> Level:
    """A mean over queries, and what is open of it."""
    known = {query: low for query, (low, _, decided) in sides.items() if decided}
    open_ = {query: (low, high) for query, (low, high, decided) in sides.items() if not decided}
    return Level(
        estimate=_mean(list(known.values())) if known else None,
        per_query=known,
        tally=tallied,
        ends=worst_case.ends(sides) if open_ else None,
        open=open_,
    )


def _mean(values: Sequence[float]) -> Estimate:
    if all(value in (0, 1) for value in values):
        return intervals.share([value == 1 for value in values])
    return intervals.mean(values, bounds=(0, 1))


def difference(ours: Sides, theirs: Sides) -> Difference | None:
    """Ours minus theirs over the queries of both; ``None`` where none is decided on both sides."""
    queries = sorted(ours.keys() & theirs.keys())
    known = [q for q in queries if ours[q][2] and theirs[q][2]]
    if not known:
        return None
    tested = paired([ours[q][0] for q in known], [theirs[q][0] for q in known])
    open_ = {q: (ours[q][0] - theirs[q][1], ours[q][1] - theirs[q][0]) for q in queries if q not in known}
    p, ends = tested.p, None
    if open_:
        both = [paired([ours[q][i] for q in queries], [theirs[q][1 - i] for q in queries]) for i in (0, 1)]
        ends = Ends(both[0].estimate, both[1].estimate)
        signs = {each.estimate.value > 0 for each in (tested, *both)}
        p = max(each.p for each in (tested, *both)) if len(signs) == 1 else 1.0
    return Difference(
        estimate=tested.estimate,
        p=p,
        p_holm=p,
        per_query={q: ours[q][0] - theirs[q][0] for q in known},
        undecided=len(open_),
        ends=ends,
        open=open_,
    )
