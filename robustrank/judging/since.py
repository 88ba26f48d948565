"""What changed since an earlier audit, in a few lines: gates, figures beyond noise, cases, tasks that failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from robustrank.core.types import Estimate
from robustrank.judging import compare
from robustrank.judging.compare import Change
from robustrank.judging.trends import identity
from robustrank.results.outcomes import together
from robustrank.results.select import audited
from robustrank.results.summary import Summary
from robustrank.results.verdicts import WORDS, Outcome

NAMED = 2
"""The most gates and figures of a kind that are named."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One thing that changed, or that nothing did."""

    text: str
    """With figures. Names in it may be hostile."""
    worse: bool = False
    anchor: str = ""
    """Of the page, where more stands."""


@dataclass(frozen=True, kw_only=True)
class Since:
    """An audit beside the one before it."""

    audit: str
    when: str
    lines: Sequence[Line]


def since(old: Summary, new: Summary) -> Since:
    """What changed of the audited ranker from an earlier audit to this one.

    A change of a figure counts where its p value, corrected after Holm over all figures of the ranker that both audits
    have, is below 0.05.
    """
    name = audited(new)
    found = _changes(old, new, name)
    lines = [*_gates(old, new), *_figures(found), *_cases(old, new, name), *_failed(old, new, name)]
    if not lines or not any(change.worse or change.better or change.invalid for change in found):
        lines.append(_nothing(old, new, name, found))
    return Since(audit=old.name, when=old.finished or old.started, lines=lines)


def _changes(old: Summary, new: Summary, name: str | None) -> list[Change]:
    if name is None:
        return []
    was = audited(old)
    if was is None or any(ranker.name == name for ranker in old.rankers):
        return compare.changes(old, new, name)
    pair = compare.of_rankers(old, new, (was, name))  # the ranker has another name since
    return compare.changes(*pair, pair[1].rankers[0].name)


def _gates(old: Summary, new: Summary) -> Iterable[Line]:
    """Gates that came out worse, that came out better, and that are gone."""
    before = {identity(verdict, old): verdict for verdict in old.verdicts}
    now = {identity(verdict, new): verdict for verdict in new.verdicts}
    flipped = [(before[key], verdict) for key, verdict in now.items() if key in before]
    order = [(True, outcome) for outcome in Outcome] + [(False, outcome) for outcome in Outcome]
    for worse, words in ((True, "Gates that came out worse"), (False, "Gates that came out better")):
        turned = [
            f"“{after.gate}” ({WORDS[was.outcome]} then, {WORDS[after.outcome]} now)"
            for was, after in flipped
            if (place := order.index((after.held, after.outcome)) - order.index((was.held, was.outcome)))
            and (place > 0) is worse
        ]
        if turned:
            yield Line(text=f"{words}: {_some(turned)}.", worse=worse, anchor="gates")
    gone = [f"“{verdict.gate}”" for key, verdict in before.items() if key not in now]
    if gone:
        yield Line(text=f"Gates that are no longer set: {_some(gone)}.", worse=True, anchor="gates")


def _figures(found: Sequence[Change]) -> Iterable[Line]:
    for worse in (True, False):
        mine = sorted(
            (change for change in found if (change.worse if worse else change.better and not change.invalid)),
            key=lambda change: (change.measure == "boost", change.p_holm, -abs(change.difference.value)),
        )
        if mine:
            most = "; ".join(f"{_named(change)} {_signed(change.difference)}" for change in mine[:NAMED])
            count = f"{len(mine)} of {len(found)} figures {'is' if len(mine) == 1 else 'are'}"
            more = ", first" if len(mine) > NAMED else ""
            yield Line(text=f"{count} {'worse' if worse else 'better'} beyond noise{more}: {most}.", worse=worse)
    hidden = [change for change in found if change.invalid and not change.worse]
    if hidden:
        yield Line(
            text=f"{len(hidden)} of {len(found)} figures may hide a loss: {_named(hidden[0])}, {hidden[0].invalid}.",
            worse=True,
        )


def _cases(old: Summary, new: Summary, name: str | None) -> Iterable[Line]:
    """Attacked cases of both audits that succeed now and did not, and the other way round."""
    controls = {result.attack for result in new.attacks if result.control}
    then = {
        (row.attack, row.collection, row.query_id, row.doc_id): row.success
        for row in old.cases.rows
        if row.ranker == name
    }
    both = [
        (row, then[key])
        for row in new.cases.rows
        if row.ranker == name
        and row.attack not in controls
        and (key := (row.attack, row.collection, row.query_id, row.doc_id)) in then
    ]
    won = [row for row, before in both if row.success and not before]
    lost = sum(before and not row.success for row, before in both)
    if won or lost:
        first = max(won, key=lambda row: abs(row.rank_before - row.rank_after), default=None)
        yield Line(
            text=f"Of {len(both)} attacked cases of both audits, {len(won)} succeed{'s' if len(won) == 1 else ''} that "
            f"did not, and {lost} no longer {'does' if lost == 1 else 'do'}.",
            worse=bool(won),
            anchor=f"case-{first.key}" if first else "",
        )


def _failed(old: Summary, new: Summary, name: str | None) -> Iterable[Line]:
    then, now = (
        together(count for ranker in summary.rankers if ranker.name == name for count in ranker.tasks.values())
        for summary in (old, new)
    )
    if now.undecided > then.undecided:
        yield Line(text=f"{now.sentence('tasks')}; then {then.undecided} did.", worse=True, anchor="flags")


def _nothing(old: Summary, new: Summary, name: str | None, found: Sequence[Change]) -> Line:
    """That no figure changed, and how large a change would have been seen."""
    if not found:
        return Line(text="No figure is compared: the two audits share no queries of the audited ranker.")
    prints = [{r.fingerprint for r in summary.rankers if r.name == name} for summary in (old, new)]
    same = "The ranker is the same, and no" if prints[0] == prints[1] else "No"
    leading = [c for c in found if c.measure == new.measure and c.labels.get("collection") == new.home]
    attacked = sorted((c for c in found if "attack" in c.labels and c.measure != "boost"), key=lambda c: -c.new)
    seen = " and ".join(f"{_named(c)} by about {c.seen:.2f}" for c in [*leading[:1], *attacked[:1]])
    power = f" Changes of {seen} would have been seen in four audits of five." if seen else ""
    return Line(text=f"{same} figure of {len(found)} changed beyond noise.{power}")


def _named(change: Change) -> str:
    return f"{change.measure} ({change.what})" if change.what else change.measure


def _some(names: Sequence[str]) -> str:
    """The names of a few, and how many more there are."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _signed(estimate: Estimate) -> str:
    value, low, high = (f"{x + 0.0:+.2f}" for x in estimate[:3])
    return f"{value} [{low}, {high}]"
