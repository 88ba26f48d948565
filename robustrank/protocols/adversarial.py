"""Adversarial: what attackers of a stated access and budget achieve, beside controls with the same kind of edit.

Success is reported in several ways because papers define it differently: ``promoted`` (ranked higher than
before), ``ASR@k`` (reached the top k), ``goal`` (reached the rank the attacker was content with). For attacks that
demote a relevant document: ``out@10`` (it left the top ten; of document attacks), ``demoted`` (it fell) and ``harmed``
(the list's nDCG@10 fell). For attacks that put a text into a relevant document: ``kept`` (it lost no rank) and
``kept@5`` (it stands in the top five). A figure is estimated over the
decided cases; what errors and invalid cases leave open of it is told beside it (:mod:`robustrank.results.outcomes`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import accumulate
from types import MappingProxyType

from msgspec import structs

from robustrank.core.strata import first_rank
from robustrank.core.types import Estimate, Goal, Status
from robustrank.perturbations import operations
from robustrank.perturbations.verify import diff
from robustrank.protocols.lost import Lost, LostCase
from robustrank.results.figures import CUTOFFS, by_query
from robustrank.results.outcomes import Ending, Ends, tally, undecided
from robustrank.results.select import lead, leading
from robustrank.results.summary import AgainstControl, AttackResult, WorstCase
from robustrank.stats import intervals
from robustrank.stats.comparisons import holm, paired
from robustrank.stats.contrasts import Contrast
from robustrank.stats.resampling import NOT_NEGATIVE
from robustrank.work.records import RELEVANT_WITHIN, AttackRecord

WORST_PER_ATTACK = 3

Success = Callable[[AttackRecord], bool]


Groups = Mapping[tuple[str, str, str], Sequence[AttackRecord]]
"""Ranker, attack and stratum to records."""


def attacks(records: Sequence[AttackRecord], lost: Lost = MappingProxyType({})) -> list[AttackResult]:
    """One result per ranker, attack and stratum (and over all strata, where there are several).

    Args:
        records: Of attacks.
        lost: Cases without a record.
    """
    groups: dict[tuple[str, str, str], list[AttackRecord]] = {}
    missing: dict[tuple[str, str, str], list[LostCase]] = {}
    for record in records:
        groups.setdefault((record.ranker, record.attack, record.stratum), []).append(record)
        groups.setdefault((record.ranker, record.attack, "all"), []).append(record)
    for (ranker, name, stratum), untried in lost.items():
        for key in ((ranker, name, stratum), (ranker, name, "all")):
            missing.setdefault(key, []).extend(untried)
    like = {name: group for (_, name, _), group in groups.items()}
    results = []
    for key in dict.fromkeys((*groups, *missing)):
        ranker, name, stratum = key
        # An attack on a ranker of which no list could be ranked is described by its cases on another one.
        group, untried = groups.get(key, []), missing.get(key, [])
        pattern = group or like.get(name)
        whole = len(groups.get((ranker, name, "all"), ())), len(missing.get((ranker, name, "all"), ()))
        alone = stratum != "all" and whole == (len(group), len(untried))
        if pattern and not alone:  # one stratum only: "all" says it
            results.append(_Group(ranker, name, stratum, group, untried, pattern).result())
    return _against_controls(results, groups)


def successes(group: Sequence[AttackRecord]) -> dict[str, Success]:
    """The ways of success that make sense for these cases, by name."""
    first = group[0]
    if first.demote:
        out = {f"out@{RELEVANT_WITHIN[Goal.DEMOTE]}": lambda r: r.rank_after > RELEVANT_WITHIN[Goal.DEMOTE]}
        return {
            **(out if first.on_document else {}),
            "demoted": lambda r: r.rank_after > r.rank_before,
            "harmed": lambda r: r.harm_after < r.harm_before,
        }
    if first.goal is Goal.KEEP:
        return {
            "kept": lambda r: r.rank_after <= r.rank_before,
            f"kept@{RELEVANT_WITHIN[Goal.KEEP]}": lambda r: r.rank_after <= RELEVANT_WITHIN[Goal.KEEP],
        }
    reached: dict[str, Success] = {
        f"ASR@{k}": lambda r, k=k: r.rank_after <= k  # type: ignore[misc]
        for k in CUTOFFS
        if all(r.rank_before > k and first_rank(r.stratum) not in range(1, k + 1) for r in group)  # not by chance alone
    }
    return {
        "promoted": lambda r: r.rank_after < r.rank_before,
        **reached,
        "goal": lambda r: r.rank_after <= r.goal_rank,
    }


class _Group:
    """The cases of one ranker, attack and stratum.

    Args:
        ranker: The victim.
        name: Of the attack.
        stratum: Of the targets, or ``"all"``.
        group: The records.
        lost: Cases without a record.
        pattern: Records of the attack, on any ranker: what it may do.
    """

    def __init__(
        self,
        ranker: str,
        name: str,
        stratum: str,
        group: Sequence[AttackRecord],
        lost: Sequence[LostCase],
        pattern: Sequence[AttackRecord],
    ) -> None:
        self.ranker, self.name, self.stratum = ranker, name, stratum
        self.group, self.lost, self.pattern = group, lost, pattern
        self.decided: list[AttackRecord] = []
        self.open: list[AttackRecord] = []
        for record in group:
            (self.decided if undecided(record) is None else self.open).append(record)
        self.clusters = [r.query_id for r in self.decided]
        self.tests = successes(pattern)

    def result(self) -> AttackResult:
        """Everything of them."""
        done, first = self.decided, self.pattern[0]
        threat = first.threat
        similar = [(r.similarity, r.query_id) for r in done if r.similarity is not None and r.status is Status.OK]
        changed = [r for r in done if r.status is Status.OK and r.edits]
        values = {
            **{key: [float(test(r)) for r in done] for key, test in self.tests.items()},
            "boost": [float(r.rank_before - r.rank_after) for r in done],
            "harm": [r.harm_before - r.harm_after for r in done],
        }
        figures: dict[str, tuple[Sequence[float], tuple[float, float] | None]] = {
            **{key: (values[key], self._bounds(key)) for key in values},
            "calls": ([r.calls for r in done], NOT_NEGATIVE),
            "edits": ([r.edits for r in done], NOT_NEGATIVE),
            "seconds": ([r.seconds for r in done], NOT_NEGATIVE),
            "judged": ([r.judged_after for r in done], (0.0, 1.0)),
        }
        means = intervals.means(figures, clusters=self.clusters) if done else {}
        return AttackResult(
            ranker=self.ranker,
            attack=self.name,
            stratum=self.stratum,
            plugin=first.plugin,
            control=threat.control,
            surface=threat.surface,
            access=threat.access,
            goal=threat.goal,
            edits_allowed=str(threat.edits),
            budget=asdict(first.budget),
            statuses=dict(sorted(Counter(r.status for r in self.group).items())),
            success={key: means[key] for key in self.tests} if done else {},
            boost=means.get("boost"),
            harm=means.get("harm"),
            calls=means.get("calls"),
            edits=means.get("edits"),
            unit=operations.unit(threat.edits),
            known_as=() if threat.control else threat.known_as,
            changed=len(changed),
            same_score=sum(r.same_score for r in changed),
            similarity=intervals.mean([s for s, _ in similar], clusters=[q for _, q in similar], bounds=(-1, 1))
            if similar
            else None,
            seconds=means.get("seconds"),
            judged=means.get("judged"),
            collection=first.collection,
            per_query={key: by_query(self.clusters, values[key]) for key in values},
            quality=_quality(done),
            curve=_curve(done, self.tests),
            tally=tally(
                self.group,
                [case.error for case in self.lost if not case.untried],
                untried=sum(case.untried for case in self.lost),
            ),
            ends=self._ends(values),
            open=self._open(values),
            deployed=self._deployed(),
        )

    def _deployed(self) -> dict[str, Estimate]:
        """Every success over the decided cases and those with an invalid answer, ranked as its repair ranks them."""
        repaired = [r for r in self.open if undecided(r) is Ending.INVALID_ANSWER]
        if not repaired:
            return {}
        tried = [*self.decided, *repaired]
        figures = {key: ([float(test(r)) for r in tried], None) for key, test in self.tests.items()}
        return intervals.means(figures, clusters=[r.query_id for r in tried])

    def _bounds(self, figure: str) -> tuple[float, float] | None:
        """Least and greatest value of a figure that errors leave open; ``None`` for a share."""
        return {"boost": self._span(), "harm": (-1.0, 1.0)}.get(figure)

    def _span(self) -> tuple[float, float]:
        longest = max([*(r.list_length for r in self.pattern), *(case.list_length for case in self.lost)])
        return (1 - longest, longest - 1)

    def _left_open(self, figure: str, side: int) -> tuple[list[str], list[float]]:
        """Queries of the undecided cases, and their least (side 0) or greatest (side 1) values."""

        def of(record: AttackRecord) -> float:
            if figure == "boost":
                return float(record.rank_before - (record.list_length, 1)[side])
            return record.harm_before - (1, 0)[side] if figure == "harm" else float(side)

        queries = [r.query_id for r in self.open] + [case.query_id for case in self.lost]
        whole = self._bounds(figure) or (0.0, 1.0)
        return queries, [*map(of, self.open), *(float(whole[side]) for _ in self.lost)]

    def _ends(self, values: Mapping[str, Sequence[float]]) -> dict[str, Ends]:
        if not self.open and not self.lost:
            return {}
        clusters = [*self.clusters, *(r.query_id for r in self.open), *(case.query_id for case in self.lost)]
        both = [
            intervals.means(
                {
                    figure: ([*decided, *self._left_open(figure, side)[1]], self._bounds(figure))
                    for figure, decided in values.items()
                },
                clusters=clusters,
            )
            for side in (0, 1)
        ]
        return {figure: Ends(both[0][figure], both[1][figure]) for figure in values}

    def _open(self, values: Mapping[str, Sequence[float]]) -> dict[str, dict[str, tuple[float, float]]]:
        left: dict[str, dict[str, tuple[float, float]]] = {}
        for figure, decided in values.items() if self.open or self.lost else ():
            sides = []
            for side in (0, 1):
                queries, filled = self._left_open(figure, side)
                sides.append(by_query([*self.clusters, *queries], [*decided, *filled]))
            left[figure] = {q: (sides[0][q], sides[1][q]) for q in sorted(set(queries))}
        return left


def _curve(group: Sequence[AttackRecord], ways: Mapping[str, Success]) -> list[tuple[int, float]]:
    """Share of cases with the leading success, by pairs requested: from when the best text so far was one."""
    test = ways[leading(ways)]
    # What is offered is verified in the end; until then a good rank is only a hope.
    won = [r for r in group if test(r)]
    costs = Counter(
        next((pairs for pairs, rank in r.trajectory if test(structs.replace(r, rank_after=rank))), r.calls) for r in won
    )
    steps = accumulate(sorted(costs.items()), lambda done, more: (more[0], done[1] + more[1]))
    return [(pairs, count / len(group)) for pairs, count in steps]


def _quality(group: Sequence[AttackRecord]) -> dict[str, Estimate]:
    """Every figure of the changed documents, over the cases that have it."""
    names = list(dict.fromkeys(name for r in group for name in r.quality))
    alike: dict[tuple[int, ...], list[str]] = {}
    for name in names:
        alike.setdefault(tuple(n for n, r in enumerate(group) if name in r.quality), []).append(name)
    means: dict[str, Estimate] = {}
    for places, of_these in alike.items():
        some = [group[n] for n in places]
        figures = {name: ([r.quality[name] for r in some], (-1.0, 1.0)) for name in of_these}
        means |= intervals.means(figures, clusters=[r.query_id for r in some])
    return {name: means[name] for name in names}


def _against_controls(results: Sequence[AttackResult], groups: Groups) -> list[AttackResult]:
    """Fill in the paired differences to every control that makes the same kind of edit; Holm over all of them.

    Paired are the cases that are decided for both.
    """
    kinds = {name: (r[0].threat.edits.operation, r[0].goal) for (_, name, _), r in groups.items()}
    tests: list[tuple[int, str, Contrast]] = []
    for index, result in enumerate(results):
        if result.control or not result.success:
            continue
        for control in results:
            place = (control.ranker, control.stratum, kinds[control.attack])
            if control.control and place == (result.ranker, result.stratum, kinds[result.attack]):
                tested = _paired(result, groups, control.attack)
                if tested is not None:
                    tests.append((index, control.attack, tested))
    corrected = holm([tested.p for *_, tested in tests])
    filled = list(results)
    for (index, control_name, tested), p_holm in zip(tests, corrected, strict=True):
        old = filled[index]
        against = AgainstControl(control=control_name, difference=tested.estimate, p=tested.p, p_holm=p_holm)
        filled[index] = replace(old, against_controls=(*old.against_controls, against))
    return filled


def _paired(result: AttackResult, groups: Groups, control: str) -> Contrast | None:
    ours, theirs = (
        {(r.query_id, r.doc_id): r for r in groups.get((result.ranker, name, result.stratum), ()) if not undecided(r)}
        for name in (result.attack, control)
    )
    common = sorted(set(ours) & set(theirs))
    if len(common) < 2:
        return None
    test = successes([ours[case] for case in common])[lead(result)]
    return paired(
        [float(test(ours[case])) for case in common],
        [float(test(theirs[case])) for case in common],
        clusters=[query_id for query_id, _ in common],
    )


def worst_cases(records: Sequence[AttackRecord]) -> list[WorstCase]:
    """The largest moves of every attack on every ranker, largest first."""
    groups: dict[tuple[str, str], list[AttackRecord]] = {}
    for record in records:
        if undecided(record) is None and not record.control and _gain(record) > 0:
            groups.setdefault((record.ranker, record.attack), []).append(record)
    chosen = [
        record
        for group in groups.values()
        for record in sorted(group, key=lambda r: (-_gain(r), r.edits, r.key))[:WORST_PER_ATTACK]
    ]
    return [_worst(record) for record in sorted(chosen, key=lambda r: (-_gain(r), r.edits, r.key))]


def _gain(record: AttackRecord) -> int:
    moved = record.rank_before - record.rank_after
    return -moved if record.demote else moved


def changed_text(record: AttackRecord) -> tuple[str, str]:
    """The text that the attack changed, query or document, before and after."""
    return (record.before, record.after) if record.query_after is None else (record.query, record.query_after)


def _worst(record: AttackRecord) -> WorstCase:
    before, after = changed_text(record)
    names = (
        "key", "ranker", "attack", "collection", "query_id", "query", "query_after", "doc_id", "rank_before",
        "rank_after", "score_before", "score_after", "list_length", "edits", "similarity", "calls", "before", "after",
    )  # fmt: skip
    return WorstCase(**{name: getattr(record, name) for name in names}, diff=tuple(diff(before, after)))
