"""What to do about the figures of an audit: sentences by rule, each only where the interval of its figure bears it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from robustrank.core.types import Estimate
from robustrank.judging import gate
from robustrank.protocols.defenses.results import ADAPTIVE, CLEAN
from robustrank.protocols.installed import protocols
from robustrank.protocols.long_documents import LongDocuments
from robustrank.results.figures import Figure
from robustrank.results.outcomes import together
from robustrank.results.select import audited, lead, lead_change, strongest, surest_loss
from robustrank.results.summary import AttackResult, Summary

_COPIED, _ASKED = ("copy_best_sentence",), ("query_injection", "template_sentence")


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One thing to do."""

    do: str
    """In a few words."""
    because: str
    """The figures, with their intervals. Names in it may be an attacker's."""
    anchor: str
    """The section with the details."""


def advise(summary: Summary) -> list[Advice]:
    """For the audited ranker, the most urgent first; empty where no figure bears any advice."""
    name = audited(summary)
    if name is None:
        return []
    return [
        *_errors(summary, name),
        *_attacks(summary, name),
        *_defenses(summary, name),
        *_unread(summary, name),
        *_shift(summary, name),
        *_queries(summary),
    ]


def _errors(summary: Summary, name: str) -> Iterable[Advice]:
    """What makes figures void comes first."""
    for ranker in summary.rankers:
        counts = together(ranker.tasks.values())
        if ranker.name == name and counts.undecided:
            yield Advice(
                do="Make failed tasks run first", because=f"{name}: {counts.sentence('tasks')}.", anchor="flags"
            )
    void = gate.binding(Figure(measure="", labels={"ranker": name}), summary)
    if void:
        yield Advice(do="Settle what makes figures void first", because=f"{void[0].upper()}{void[1:]}.", anchor="flags")


def _attacks(summary: Summary, name: str) -> Iterable[Advice]:
    """For kinds of text that are shown to rise by more than a control does."""
    mine = [r for r in summary.attacks if r.ranker == name and _beyond_control(r)]
    for plugins, do in (
        (
            _ASKED,
            "Drop text that repeats the query before ranking (defense “trim”, or a detector)",
        ),
        (
            _COPIED,
            "Drop documents that copy sentences of others before ranking (defense “filter”, detector “near_duplicate”)",
        ),
    ):
        worst = strongest((r for r in mine if r.plugin.partition("(")[0] in plugins), ranker=name)
        if worst is not None:
            share, gain = worst.success[lead(worst)], min(worst.against_controls, key=lambda a: a.difference.low)
            yield Advice(
                do=do,
                because=f"“{worst.attack}” succeeds in {_percent(share)}, {_signed(gain.difference)} more than "
                f"{gain.control}. Audit the ranker so defended: this audit does not say that it helps.",
                anchor="attacks",
            )


def _beyond_control(result: AttackResult) -> bool:
    against = [a.difference.low > 0 and a.p_holm < 0.05 for a in result.against_controls]
    return bool(result.success) and bool(against) and all(against)


def _defenses(summary: Summary, name: str) -> Iterable[Advice]:
    """Defenses that are shown to lower the worst case, or to cost effectiveness; one that does both is weighed."""
    result = next((p.result_in(summary) for p in protocols() if p.name == "defenses" and p.result is not None), None)
    for row in getattr(result, "rows", ()):
        if row.base != name or row.hindered or gate.binding(Figure(measure="", labels={"ranker": row.ranker}), summary):
            continue
        change, cost = row.differences.get(ADAPTIVE), row.differences.get(CLEAN)
        lowers = change is not None and change.shown and change.estimate.value < 0
        costs = cost is not None and cost.shown and cost.estimate.value < 0
        if lowers or costs:
            do = {
                (True, False): f"Consider deploying {row.ranker}",
                (True, True): f"Weigh {row.ranker}: it lowers the worst case, and clean effectiveness too",
                (False, True): f"Do not deploy {row.ranker} on these figures",
            }[lowers, costs]
            yield Advice(do=do, because=row.sentence, anchor="defenses")


def _unread(summary: Summary, name: str) -> Iterable[Advice]:
    """Where most documents are cut before the words of the query that an attack put in, or before their end."""
    from robustrank.stats import intervals  # numpy: not before it is needed

    found = []
    for a in summary.attacks:
        words_of_query = a.plugin.partition("(")[0] in _ASKED
        if (a.ranker, a.stratum, a.control) == (name, "all", False) and words_of_query and a.changed:
            share = intervals.share([n < a.same_score for n in range(a.changed)])
            if share.low > 0.5:
                found.append(
                    f"{a.same_score} of {a.changed} documents keep their score bit for bit under “{a.attack}”: "
                    "what stands there is not read, whether honest or not"
                )
    result = next((p.result_in(summary) for p in protocols() if p.name == "long_documents"), None)
    rows = [row for row in result.rows if row.ranker == name] if isinstance(result, LongDocuments) else []
    for row in rows:
        asked, unread = row.tally.decided, row.unread.get("end", 0)
        if asked and intervals.share([n < unread for n in range(asked)]).low > 0.5:
            found.append(
                f"the end of a document padded by {row.words:,} words is not read in {unread} of {asked} lists"
            )
    lost = [row for row in rows if row.where == "start" and row.change is not None and row.change.high < 0]
    brings = "What a longer reading brings, this audit does not measure."
    if lost and lost[0].change is not None:
        brings = f"Pushed back by {lost[0].words:,} words, a document changes its rank by {_signed(lost[0].change)}."
    if found:
        yield Advice(
            do="Read longer inputs, or split documents into passages",
            because=f"{found[0][0].upper()}{found[0][1:]}. {brings}",
            anchor="long_documents" if rows else "attacks",
        )


def _shift(summary: Summary, name: str) -> Iterable[Advice]:
    loss = surest_loss(summary.shifts, name)
    if loss is not None and lead_change(loss).high < 0:
        yield Advice(
            do=f"Test and tune on data like {loss.target} before serving it",
            because=f"{loss.measure} changes by {_signed(lead_change(loss))}"
            f"{f' relative to {summary.baseline}' if loss.relative_to_baseline else ''}.",
            anchor="shift",
        )


def _queries(summary: Summary) -> Iterable[Advice]:
    needed = [v.queries_needed for v in summary.verdicts if v.queries_needed is not None and not v.held]
    if needed:
        yield Advice(
            do=f"Audit about {max(needed):,} queries",
            because=f"That many would decide {len(needed)} undecided gate{'s' if len(needed) > 1 else ''}.",
            anchor="gates",
        )


def _percent(estimate: Estimate) -> str:
    value, low, high = (f"{x:.0%}" for x in estimate[:3])
    return f"{value} of cases [{low}, {high}], n={estimate.n}"


def _signed(estimate: Estimate) -> str:
    value, low, high = (f"{x + 0.0:+.2f}" for x in estimate[:3])
    return f"{value} [{low}, {high}]"
