"""A pilot run: a small part of an audit, run to propose its gates and to choose how many queries will decide them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from robustrank.auditing import cost
from robustrank.auditing import run as auditing
from robustrank.config.specs import AuditSpec
from robustrank.core.errors import RobustRankError
from robustrank.core.interfaces import Executor
from robustrank.core.progress import Progress, Silent
from robustrank.judging import gate, proposals
from robustrank.judging.proposals import Proposal
from robustrank.results.select import audited, lead
from robustrank.results.summary import AttackResult, Summary
from robustrank.work.workbench import Workbench

QUERIES = 15
"""Of the home collection; of a collection of at most twice as many, all."""

CASES = 10
"""Queries whose lists are attacked."""

GROWTH = 2
"""The audit has so many times the pilot's queries, at most those that there are."""

MINUTES = 10.0
"""Attacks that ask the ranker are left out where the pilot would score for longer."""


@dataclass(frozen=True, kw_only=True)
class Pilot:
    """What a pilot run came to."""

    summary: Summary
    proposals: Sequence[Proposal]
    """Gates that the audit is foreseen to decide."""
    queries: int
    """Of the audit."""
    cases: int
    """Of the audit, whose lists are attacked."""
    seconds: float
    left_out: Sequence[str]
    """Attacks for which there was no time."""

    @property
    def unlimited(self) -> list[AttackResult]:
        """Attacks on the audited ranker that no proposed gate is about, controls left out."""
        named = {each.gate.where.get("attack") for each in self.proposals}
        mine = [a for a in self.summary.attacks if a.ranker == audited(self.summary) and a.stratum == "all"]
        return [a for a in mine if a.success and not a.control and a.attack not in named]

    @property
    def minutes(self) -> float:
        """About how long the audit will take, from how long the pilot took."""
        ran = self._attacked
        return self.seconds / 60 * max(self.queries / self._ranked, self.cases / ran if ran else 0.0)

    @property
    def _ranked(self) -> int:
        return next(c.queries for c in self.summary.collections if c.name == self.summary.home)

    @property
    def _attacked(self) -> int:
        return max((a.success[lead(a)].n for a in self.summary.attacks if a.success), default=0)


def run(
    spec: AuditSpec, executor: Callable[[], Executor], progress: Progress | None = None, minutes: float = MINUTES
) -> Pilot:
    """Run a small part of an audit, in a folder that is thrown away.

    Args:
        spec: The audit; its gates do not matter.
        executor: Makes what tasks run on.
        progress: Informed of every phase and task.
        minutes: That it may score, as estimated beforehand.

    Raises:
        RobustRankError: As the audit itself would, or nothing could be measured.
    """
    progress = progress or Silent()
    began = monotonic()
    there = len(Workbench(spec).lists(spec.home.name).collection.queries)
    whole = replace(spec.home, queries=there)
    some, attacked = (there if there <= 2 * most else most for most in (QUERIES, CASES))
    small = replace(
        spec,
        gates=(),
        collections=(replace(whole, queries=some), *spec.collections[1:]),
        cases=replace(spec.cases, queries=min(attacked, some)),
    )
    left_out: list[str] = []
    asking = [attack.name for attack in spec.attacks if attack.budget.calls is not None]
    if asking and (foreseen := cost.plan(small).minutes) > minutes:
        left_out = asking
        small = replace(small, attacks=tuple(a for a in small.attacks if a.name not in asking))
        progress.message(
            f"the pilot would take about {foreseen:.0f} minutes; it leaves out {', '.join(map(repr, asking))}"
        )
    with TemporaryDirectory(prefix="robustrank-pilot-") as folder:
        summary = auditing.run(small, Path(folder, "pilot"), executor=executor(), progress=progress)
    if nothing := gate.measured_nothing(summary):
        raise RobustRankError(f"the pilot {nothing}")
    queries, cases = min(GROWTH * some, there), min(GROWTH * small.cases.queries, there)
    proposed = []
    for each in proposals.propose(summary):
        grown = cases / small.cases.queries if "attack" in each.gate.where else queries / some
        [figure] = gate.named(each.gate, summary)
        proposed.append(proposals.for_more(each, round(each.estimate.n * grown), figure.bounds))
    return Pilot(
        summary=summary, proposals=[each for each in proposed if each is not None], queries=queries, cases=cases,
        seconds=monotonic() - began, left_out=left_out,
    )  # fmt: skip
