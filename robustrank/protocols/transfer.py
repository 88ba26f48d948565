"""Transfer: every text that was made against one ranker, put before the others.

An attacker without access to a ranker attacks one of their own and hopes. Each changed document that an attack handed
in against one ranker is ranked in the lists of every other attacked ranker, at one pair each where that ranker is
point-wise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from robustrank.core.types import Estimate, Goal, Surface
from robustrank.protocols.interface import AuditProtocol, Evidence, Section
from robustrank.results.figures import Figure, FigureKind, by_query
from robustrank.results.outcomes import Ends, Open, Tally, tally, undecided
from robustrank.results.summary import Summary
from robustrank.work.transfer_records import TOP, TransferRecord, handed_in

if TYPE_CHECKING:
    from robustrank.config.specs import AuditSpec
    from robustrank.work.base import Place, Task
    from robustrank.work.records import Record
    from robustrank.work.workbench import Workbench

ALL = "all"
"""In place of an attack: all of them, controls left out."""
MEASURE = f"transfer@{TOP}"


def tasks(bench: Workbench, records: Mapping[str, Record], places: Sequence[Place]) -> Sequence[Task]:
    """One for every changed document and every other attacked ranker that has it in its list."""
    from robustrank.work import transfer

    return transfer.tasks(bench, records, places)


def foreseen(bench: Workbench, planned: Sequence[Task]) -> Mapping[str, tuple[int, int]]:
    """Ranker to the most tasks and pairs, from the attacks that are planned."""
    from robustrank.work import transfer

    return transfer.foreseen(bench, planned)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Texts made against one ranker, before another one."""

    ranker: str
    source: str
    attack: str
    """:data:`ALL` for all but the controls."""
    control: bool = False
    reached: Estimate | None = None
    """Share that reached the top ten, of those that stood below it; ``None`` where none did."""
    promoted: Estimate | None = None
    """Share that stand higher than before."""
    there: float = 0.0
    """Share that reached the top ten of the ranker they were made against."""
    per_query: Mapping[str, float] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    ends: Ends | None = None
    open: Open = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Of an audit."""

    cells: Sequence[Cell] = ()


def summarise(evidence: Evidence) -> Transfer | None:
    """One cell for every two rankers and attack, and for all attacks."""
    groups: dict[tuple[str, str, str], list[TransferRecord]] = {}
    for record in (*evidence.of(TransferRecord), *_lost(evidence)):
        groups.setdefault((record.ranker, record.source, record.attack), []).append(record)
        if not record.control:
            groups.setdefault((record.ranker, record.source, ALL), []).append(record)
    return Transfer(cells=[_cell(key, group) for key, group in groups.items()]) if groups else None


def _lost(evidence: Evidence) -> list[TransferRecord]:
    """Texts for lists that their ranker could not rank, as errors below the top ten."""
    from robustrank.work.records import AttackRecord, RankingRecord

    spec = evidence.spec
    if not spec.cases.transfer:
        return []
    attacked = {victim.name for victim in spec.victims if victim.attacked}
    failed = [r for r in evidence.of(RankingRecord) if undecided(r) and r.ranker in attacked]
    texts: dict[tuple[str, str], list[AttackRecord]] = {}
    for record in evidence.of(AttackRecord) if failed else ():
        if handed_in(record):
            texts.setdefault((record.collection, record.query_id), []).append(record)
    return [
        TransferRecord(
            key=f"{text.key} before {clean.ranker}", ranker=clean.ranker, collection=clean.collection,
            query_id=clean.query_id, status=clean.status, error=clean.error, source=text.ranker, attack=text.attack,
            control=text.control, doc_id=text.doc_id, rank_before=TOP + 1, rank_after=TOP + 1,
            list_length=clean.candidates, reached_there=text.rank_before > TOP >= text.rank_after,
        )
        for clean in failed
        for text in texts.get((clean.collection, clean.query_id), ())
        if text.ranker != clean.ranker
    ]  # fmt: skip


def _cell(key: tuple[str, str, str], group: Sequence[TransferRecord]) -> Cell:
    from robustrank.stats import intervals

    ranker, source, attack = key
    decided = [r for r in group if not undecided(r)]
    below = [r for r in group if r.rank_before > TOP]
    sides = [[_reached(r, open_as=side) for r in below] for side in (False, True)]
    queries = [r.query_id for r in below]
    known = [r for r in below if not undecided(r)]
    open_queries = sorted({r.query_id for r in below if undecided(r)})
    shares = [by_query(queries, side) for side in sides]
    return Cell(
        ranker=ranker,
        source=source,
        attack=attack,
        control=all(r.control for r in group),
        reached=intervals.share([_reached(r) for r in known], clusters=[r.query_id for r in known]) if known else None,
        promoted=intervals.share(
            [r.rank_after < r.rank_before for r in decided], clusters=[r.query_id for r in decided]
        )
        if decided
        else None,
        there=sum(r.reached_there for r in group) / len(group),
        per_query=by_query([r.query_id for r in known], [_reached(r) for r in known]),
        tally=tally(group),
        ends=Ends(*(intervals.share(side, clusters=queries) for side in sides)) if open_queries else None,
        open={q: (shares[0][q], shares[1][q]) for q in open_queries},
    )


def _reached(record: TransferRecord, *, open_as: bool = False) -> bool:
    return open_as if undecided(record) else record.rank_after <= TOP


def _names(spec: AuditSpec) -> Sequence[str]:
    possible = spec.attacks and spec.cases.transfer and sum(victim.attacked for victim in spec.victims) > 1
    return (MEASURE,) if possible else ()


def _expected(bench: Workbench) -> Iterator[Figure]:
    spec = bench.spec
    if not _names(spec):
        return
    attacked = [victim.name for victim in spec.victims if victim.attacked]
    for source in attacked:
        named = [a.name for a in spec.attacks if source in (a.rankers or (source,))]
        threats = {name: bench.attack(name).threat for name in named}
        document = [n for n, t in threats.items() if t.surface is Surface.DOCUMENT and t.goal is Goal.PROMOTE]
        for ranker in (name for name in attacked if name != source):
            for attack in document:
                labels = {"ranker": ranker, "source": source, "attack": attack}
                yield Figure(measure=MEASURE, labels=labels, control=threats[attack].control)
            if any(not threats[attack].control for attack in document):
                yield Figure(measure=MEASURE, labels={"ranker": ranker, "source": source, "attack": ALL})


def _measured(summary: Summary) -> Iterator[Figure]:
    result = PROTOCOL.result_in(summary)
    for cell in result.cells if result else ():
        yield Figure(
            measure=MEASURE,
            labels={"ranker": cell.ranker, "source": cell.source, "attack": cell.attack},
            estimate=cell.reached,
            missing="" if cell.reached or cell.ends else "no text stood below the top ten",
            control=cell.control,
            collection=summary.home,
            per_query=cell.per_query,
            higher_is_better=False,
            tally=cell.tally,
            ends=cell.ends,
            open=cell.open,
            others=(cell.source,),
        )


PROTOCOL = AuditProtocol(
    name="transfer",
    about="Where the texts that were made against one ranker stand under each of the others.",
    result=Transfer,
    summarise=summarise,
    records=(TransferRecord,),
    tasks=tasks,
    foreseen=foreseen,
    figures=(
        FigureKind(
            name=MEASURE,
            about="share of the texts made against the ranker `source` that reach the top 10 of another one",
            where=("ranker", "source", "attack"),
            names=_names,
            expected=_expected,
            measured=_measured,
            bounds=lambda spec, measure: (0, 1),
        ),
    ),
    sections=(Section(anchor="transfer", title="Transfer", place=77),),
)
