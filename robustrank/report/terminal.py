"""Console output: progress and tables of results. Text from data may be hostile: :func:`safe` escapes it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Task as BarTask
from rich.table import Table
from rich.text import Text

from robustrank.core.escaping import for_terminal
from robustrank.core.types import Estimate
from robustrank.judging.gate import measured_nothing
from robustrank.results.outcomes import together
from robustrank.results.select import lead, strongest
from robustrank.results.verdicts import sentence

if TYPE_CHECKING:
    from robustrank.core.progress import Progress as Listener
    from robustrank.judging.compare import Change
    from robustrank.results.estimates import Estimates
    from robustrank.results.outcomes import Tally
    from robustrank.results.red_flags import RedFlag
    from robustrank.results.summary import AttackResult, CertifiedResult, Shift, Summary
    from robustrank.results.verdicts import Verdict

WIDTH = 120
"""Columns where the output is no terminal."""

_OUTCOMES = {"pass": "green", "fail": "bold red", "inconclusive": "yellow", "invalid": "bold red"}


def open_console(*, stderr: bool = False) -> Console:
    """A console that interprets no markup in texts."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr, width=None if stream.isatty() else WIDTH, markup=False, emoji=False, highlight=False
    )  # fmt: skip


def safe(text: str, style: str = "") -> Text:
    """Text from data, with invisible characters escaped and no markup interpreted."""
    return Text(for_terminal(text), style)


class Bars:
    """A progress bar per phase with tasks; those done by earlier runs do not count as fast ones."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._fresh = True

    def start(self, phase: str, total: int) -> None:
        """A new bar."""
        self._task = self._progress.add_task(phase, total=total, whole="") if total else None
        self._fresh = True

    def advance(self, n: int = 1) -> None:
        """Move the bar; the first move of a phase is what earlier runs did."""
        if self._task is not None and self._fresh:
            self._progress.reset(self._task, completed=n)
        elif self._task is not None:
            self._progress.advance(self._task, n)
        self._fresh = False

    def left(self, seconds: float) -> None:
        """Beside the bar of the present phase."""
        if self._task is not None:
            self._progress.update(self._task, whole=_left(seconds, whole=True))

    def message(self, text: str) -> None:
        """A line above the bars."""
        self._progress.console.print(safe(text))


class Lines:
    """Progress for logs: a line at the start and end of a phase and every :attr:`EVERY` seconds, with the time left."""

    EVERY = 15.0
    """Seconds between two lines."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._phase = ""
        self._total = self._done = self._before = 0
        self._began = self._last_line = 0.0
        self._fresh = True
        self._whole: float | None = None

    def start(self, phase: str, total: int) -> None:
        """A phase begins."""
        self._phase, self._total, self._done, self._fresh = phase, total, 0, True
        self._began = self._last_line = monotonic()

    def advance(self, n: int = 1) -> None:
        """Print progress, at most every :attr:`EVERY` seconds within a phase."""
        self._done += n
        if self._fresh:
            self._before = n
        now = monotonic()
        if self._total and (self._fresh or self._done == self._total or now - self._last_line > self.EVERY):
            self._last_line = now
            self._console.print(f"{self._phase}: {self._done} of {self._total}{self._remaining(now)}")
        self._fresh = False

    def left(self, seconds: float) -> None:
        """In the lines that follow."""
        self._whole = seconds

    def message(self, text: str) -> None:
        """A line."""
        self._console.print(safe(text))

    def _remaining(self, now: float) -> str:
        """Of the whole run where that is foreseen, else of the phase."""
        just_done = self._done - self._before
        if self._whole is not None:
            return f", {_left(self._whole, whole=True)}"
        if not just_done or self._done == self._total:
            return ""
        return f", {_left((now - self._began) / just_done * (self._total - self._done), whole=False)}"


def _left(seconds: float, *, whole: bool) -> str:
    amount = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    return f"about {amount} left{' in all' if whole else ''}"


class _Remaining(TimeRemainingColumn):
    """The time left of the whole run where it is foreseen, else of the phase."""

    def render(self, task: BarTask) -> Text:
        """In words."""
        whole = task.fields.get("whole")
        return Text(whole, "progress.remaining") if whole else super().render(task)


@contextmanager
def watching() -> Iterator[Listener]:
    """Progress on stderr: bars on a terminal, lines elsewhere."""
    console = open_console(stderr=True)
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Remaining()
    with Progress(*columns, console=console) as progress:
        yield Bars(progress)


def overview(summary: Summary) -> list[Table | Text]:
    """The whole audit on one screen: headline, a line per ranker, gates, red flags."""
    parts: list[Table | Text] = [safe(summary.headline, "bold")]
    if summary.finished is None:
        parts.append(Text("Not finished: the same command resumes it.", "yellow"))
    if summary.sequential is not None:
        why = summary.sequential.stopped or "not stopped yet"
        parts.append(safe(f"{summary.sequential.queries} queries of each collection so far; {why}."))
    parts.append(_rankers(summary))
    parts += [safe(f"{r.name}: its calls: {r.service.sentence()}") for r in summary.rankers if r.service]
    parts += [safe(f"{r.name}: {r.answers.sentence()}") for r in summary.rankers if r.answers]
    parts += _judgments(summary)
    if summary.verdicts:
        parts += gates(summary.verdicts, summary.red_flags)
    elif nothing := measured_nothing(summary):
        parts.append(safe(nothing, "bold red"))
    if summary.red_flags:
        n = len(summary.red_flags)
        first = f"{n} red {'flag' if n == 1 else 'flags'}: reasons to doubt some of these figures"
        lines = [Text(first, "yellow")]
        lines += [safe(f"  {flag.severity}: {flag.title}") for flag in summary.red_flags[:5]]
        parts.append(Text("\n").join(lines))
    return parts


def next_step(summary: Summary) -> str:
    """What to do now, in a sentence."""
    undecided = [v for v in summary.verdicts if v.outcome == "inconclusive" and not v.held]
    broken = [v for v in summary.verdicts if not v.held and v not in undecided]
    if measured_nothing(summary):
        return "put right what the errors name and run the same command again: failed tasks are done again"
    if summary.finished is None:
        return "the same command resumes the audit"
    if broken:
        word = "is invalid" if broken[0].outcome == "invalid" else "fails"
        return f"open the report: “{for_terminal(broken[0].gate)}” {word}, and links to its cases"
    if undecided:
        needed = [v.queries_needed for v in undecided if v.queries_needed]
        more = f" (about {max(needed)} decide what is open)" if needed else ""
        return f"raise `queries` of the collection and of [cases]{more}, or accept the gates with other limits"
    if summary.verdicts:
        return "commit the audit file and run it with your tests: pytest makes a test of every gate"
    return "open the report: it proposes gates that hold today; put those you want into the audit file"


def gates(judged: Sequence[Verdict], flags: Sequence[RedFlag]) -> list[Table | Text]:
    """What the gates come to, the gates, and the red flags that the audit file accepts."""
    broken = any(not verdict.held for verdict in judged)
    parts: list[Table | Text] = [verdicts(judged), safe(sentence(judged), "bold red" if broken else "green")]
    accepted = [safe(f"accepted: {f.check}: {f.title}: {f.accepted}", "yellow") for f in flags if f.accepted]
    return [*parts, *accepted]


def _rankers(summary: Summary) -> Table:
    table = _table(
        "ranker", f"{summary.measure} on {summary.home}", "judged@10", "lowest decile", "largest corpus shift",
        "strongest attack", "certified",
    )  # fmt: skip
    table.columns[1].no_wrap = True
    for ranker in summary.rankers:
        home = [
            e
            for e in summary.effectiveness
            if (e.ranker, e.collection, e.measure, e.slice) == (ranker.name, summary.home, summary.measure, None)
        ]
        shifts = [s for s in summary.shifts if s.ranker == ranker.name and s.kind == "corpus" and s.relative]
        attacks = [a for a in summary.attacks if a.ranker == ranker.name]
        certified = [c for c in summary.certificates if c.ranker == ranker.name]
        worst, judged = (home[0].lowest_decile, home[0].judged) if home else (None, None)
        table.add_row(
            safe(ranker.name),
            _measured(home[0].mean, home[0].tally) if home else "–",
            f"{judged.value:.2f}" if judged else "–",
            f"{worst.value:.3f}" if worst else "–",
            safe(_shift(min(shifts, key=lambda s: s.relative.value if s.relative else 0.0))) if shifts else "–",
            safe(_strongest(attacks)),
            safe(_certified(certified, summary.home)),
        )
    return table


def _judgments(summary: Summary) -> list[Table | Text]:
    """Conclusions that may change with further judgments, and results of leaving systems out of the pool."""
    from robustrank.report import pool_view

    view = pool_view.build(summary)
    parts: list[Table | Text] = []
    if view.flips:
        first = f"{len(view.flips)} of {view.bounded} comparisons and shifts may change with further judgments"
        lines = [Text(first, "yellow")]
        for flip in view.flips[:3]:
            could = f"{flip.estimate.value:+.3f}, range {flip.unjudged.low:+.3f} to {flip.unjudged.high:+.3f}"
            lines.append(safe(f"  {flip.subject}, {flip.against}, {flip.where}: {could}"))
        parts.append(Text("\n").join(lines))
    if summary.pooling is not None:
        pooling = summary.pooling
        table = _table("left out of the pool", pooling.measure, "without its own judgments", "rank", "tau", "changes")
        for each in pooling.left_out:
            for system in each.systems:
                name = each.name if each.kind == "system" else f"{each.name}: {system.system}"
                table.add_row(
                    safe(name), interval(system.pooled), signed(system.change),
                    f"{system.rank} → {system.rank_left_out}", interval(each.tau, 2), str(len(system.conclusions)),
                )  # fmt: skip
        parts.append(table)
    return parts


def _shift(shift: Shift) -> str:
    return f"{shift.target} {shift.relative.value:+.0%}" if shift.relative else shift.target


def _measured(estimate: Estimate, counts: Tally, digits: int = 3) -> str:
    """The estimate, with what says nothing: ``0.718 [0.690, 0.745], 2 of 20 undecided``."""
    if counts.planned and not counts.decided:
        return f"could not run: {counts.sentence('lists')}"
    left = f", {counts.undecided} of {counts.planned} undecided" if counts.undecided else ""
    return f"{interval(estimate, digits)}{left}"


def _strongest(attacks: Sequence[AttackResult]) -> str:
    worst = strongest(attacks)
    if worst is None:
        counts = together(a.tally for a in attacks if a.stratum == "all" and not a.control)
        return f"could not run: {counts.sentence()}" if counts.undecided else "–"
    name = lead(worst)
    return f"{worst.attack}: {name} {_measured(worst.success[name], worst.tally, 2)}"


def _certified(results: Sequence[CertifiedResult], home: str) -> str:
    """CRQ at every K, at the smallest radius, on the first collection with certificates."""
    from robustrank.report.filters import extent

    if not results:
        return "–"
    smallest, where = min(c.radius for c in results), results[0].collection
    shares = [f"CRQ@{c.k} {c.crq.value:.2f}" for c in results if (c.radius, c.collection) == (smallest, where)]
    return f"{', '.join(shares)} (R={extent(smallest)}{'' if where == home else f', {where}'})"


def verdicts(judged: Iterable[Verdict]) -> Table:
    """Gates, one a line."""
    table = _table("gate", "outcome", "why")
    for verdict in judged:
        allowed = " (allowed)" if verdict.held and verdict.outcome == "inconclusive" else ""
        table.add_row(
            safe(verdict.gate),
            Text(verdict.outcome + allowed, _OUTCOMES[verdict.outcome]),
            safe(verdict.reason),
        )
    return table


def plan(estimates: Estimates) -> list[Table | Text]:
    """Cost of an audit, a line per ranker, and minimum detectable differences, a line per collection."""
    costs = _table("ranker", "tasks", "pairs", "pairs by phase", "minutes")
    for ranker, mine in estimates.by_ranker.items():
        share = ", ".join(f"{c.phase} {'at least ' if c.at_least else ''}{c.pairs:,}" for c in mine if c.pairs)
        pairs, minutes = sum(c.pairs for c in mine), sum(c.minutes for c in mine)
        costs.add_row(safe(ranker), str(sum(c.tasks for c in mine)), f"{pairs:,}", share, f"{minutes:.1f}")
    costs.add_row(
        "all", str(sum(c.tasks for c in estimates.costs)), f"{estimates.pairs:,}", "", f"{estimates.minutes:.1f}"
    )
    power = _table("collection", "queries", "minimum detectable difference of two means")
    for each in estimates.power:
        power.add_row(safe(each.collection), str(each.queries), f"{each.detectable:.3f}")
    notes = [safe(f"note: {note}", "yellow") for note in estimates.notes]
    return [*notes, costs, Text(), power]


def changes(differences: Iterable[Change]) -> Table:
    """Paired differences between two audits or rankers."""
    table = _table("ranker", "of", "measure", "old", "new", "new - old", "p (Holm)", "regressed", "improved")
    for each in differences:
        difference = f"{each.difference.value:+.3f} [{each.difference.low:+.3f}, {each.difference.high:+.3f}]"
        table.add_row(
            safe(each.labels["ranker"]), safe(each.what), safe(each.measure), f"{each.old:.3f}", f"{each.new:.3f}",
            _shown(each, f"{difference} n={each.difference.n}"),
            f"{each.p_holm:.3g}", str(len(each.regressions)), str(len(each.improvements)),
        )  # fmt: skip
    return table


def _shown(change: Change, text: str) -> Text:
    if change.worse:
        return Text(text, "red")
    if change.invalid:
        return safe(f"invalid ({change.invalid}); over the rest {text}", "bold red")
    return Text(text, "green" if change.better else "")


def moved(differences: Iterable[Change], most: int = 5) -> list[Text]:
    """Queries that regressed or improved, largest change first, for every figure that changed."""
    lines = []
    for each in differences:
        for word, queries in (("regressed", each.regressions), ("improved", each.improvements)):
            if queries and each.measure != "boost":
                some = ", ".join(f"{q.query_id} {q.old:.2f} → {q.new:.2f}" for q in queries[:most])
                rest = f" and {len(queries) - most} more" if len(queries) > most else ""
                lines.append(safe(f"{each.labels['ranker']}, {each.what}, {each.measure}: {word} {some}{rest}"))
    return lines


def interval(estimate: Estimate, digits: int = 3) -> str:
    """``0.718 [0.690, 0.745]``."""
    value, low, high = (f"{number:.{digits}f}" for number in estimate[:3])
    return f"{value} [{low}, {high}]"


def signed(estimate: Estimate, digits: int = 3) -> str:
    """``+0.031 [-0.009, +0.071]``."""
    value, low, high = (f"{number:+.{digits}f}" for number in estimate[:3])
    return f"{value} [{low}, {high}]"


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(safe(heading), overflow="fold")
    return table
