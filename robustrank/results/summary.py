"""Results of an audit as plain data: everything the report shows, the gates judge and programs read.

Built from records alone (:mod:`robustrank.protocols`); written as ``summary.json``. All lists are in display order.
A probability or share is in [0, 1]. ``None`` means not measured, never zero.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from zlib import crc32

from robustrank.core.answers import Answers
from robustrank.core.errors import StoreError
from robustrank.core.types import Access, Estimate, Goal, Range, SpeaksOf, Status, Surface
from robustrank.core.usage import Usage
from robustrank.results.attack_cases import Cases
from robustrank.results.five_tasks import FiveTasks
from robustrank.results.outcomes import Ends, Open, Tally
from robustrank.results.pooling import Pooling
from robustrank.results.red_flags import RedFlag
from robustrank.results.sequential import Sequential
from robustrank.results.verdicts import Verdict
from robustrank.results.weak_queries import WeakQuery
from robustrank.storage import typed
from robustrank.storage.files import replace
from robustrank.work.audited import AuditedCollection

SCHEMA = 9


@dataclass(frozen=True, kw_only=True)
class RankerSummary:
    """One ranker, plain or defended."""

    name: str
    plugin: str
    """Canonical one-line form."""
    fingerprint: str
    note: str
    base: str | None = None
    """The ranker behind a defended one."""
    defense: str | None = None
    pairs: int = 0
    seconds: float = 0.0
    """Time inside the ranker's own ``score``, and gradients."""
    claimed: Mapping[str, float] = field(default_factory=dict)
    """What its makers claim, by measure; shown beside what was measured."""
    tasks: Mapping[str, Tally] = field(default_factory=dict)
    """Kind of task to how they ended."""
    service: Usage | None = None
    """What its calls of a service cost, faults included; ``None`` where it made none."""
    answers: Answers | None = None
    """What it answered in all; ``None`` where it does not say what was wrong in that."""


@dataclass(frozen=True, kw_only=True)
class Effectiveness:
    """A measure's mean over the queries of one collection, or of one query type of it."""

    ranker: str
    collection: str
    measure: str
    mean: Estimate
    slice: str | None = None
    judged: Estimate | None = None
    """judged@10: mean share of the top 10 that is judged for the query."""
    unjudged: Range | None = None
    """From the least to the greatest mean that judging the unjudged of the top k could give; ``None``: not bounded."""
    deviation: float | None = None
    """Standard deviation over queries."""
    lowest_decile: Estimate | None = None
    """Mean of the lowest tenth of the queries."""
    per_query: Mapping[str, float] = field(default_factory=dict)
    """Query id to value; only where ``slice`` is ``None``."""
    tally: Tally = field(default_factory=Tally)
    """Of its lists; one that could not be ranked counts as an empty one."""
    ends: Mapping[str, Ends] = field(default_factory=dict)
    """``"mean"``, ``"lowest decile"`` and ``"judged"``, where there are such lists."""
    valid: Estimate | None = None
    """The mean over the lists whose answers were all valid; ``None`` of a ranker that does not say, and without any."""
    valid_share: Estimate | None = None
    """The share of these lists; ``None`` of a ranker that does not say."""
    open: Open = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Ranker ``a`` minus ranker ``b``, paired over the queries both ranked."""

    a: str
    b: str
    collection: str
    measure: str
    difference: Estimate
    p: float
    p_holm: float
    """Holm-corrected over all comparisons of the audit."""
    test: str
    judged_a: Estimate | None = None
    """judged@10 of ``a`` on these queries."""
    judged_b: Estimate | None = None
    unjudged: Range | None = None
    """From the least to the greatest difference that judging the unjudged of both top k could give."""
    may_change: bool | None = None
    """Whether that could change the difference's sign."""
    tally: Tally | None = None
    """Of the queries: errors are those of which a list could not be ranked; it counts as an empty one in the
    difference."""
    ends: Ends | None = None
    """The difference with all those lists at their ends, against ``a`` and for it; ``p`` is the greatest of the three,
    and 1 where their signs differ."""


class ShiftKind(StrEnum):
    """What is unforeseen."""

    CORPUS = "corpus"
    QUERY_TYPE = "query type"


@dataclass(frozen=True, kw_only=True)
class Shift:
    """The change of effectiveness from home to somewhere unforeseen; negative is a drop."""

    ranker: str
    kind: ShiftKind
    source: str
    target: str
    measure: str
    change: Estimate
    """Absolute: mean there minus mean at home."""
    relative: Estimate | None
    """``change`` as a share of the mean at home."""
    relative_to_baseline: Estimate | None
    """``relative`` minus the baseline ranker's, because queries and corpora differ in difficulty for everyone."""
    judged_source: Estimate | None = None
    """judged@10 at home."""
    judged_target: Estimate | None = None
    unjudged: Range | None = None
    """From the least to the greatest ``change`` that judging the unjudged of the top k could give."""
    may_change: bool | None = None
    """Whether that could change its sign."""
    tally: Tally = field(default_factory=Tally)
    """Of the lists it is made from, the baseline's included."""
    relative_ends: Ends | None = None
    """Of ``relative``, where lists could not be ranked."""
    baseline_ends: Ends | None = None
    """Of ``relative_to_baseline``."""
    may_change_vs_baseline: bool | None = None
    """The same for ``relative_to_baseline``; conservative: each ranker's documents are graded alone."""


@dataclass(frozen=True, kw_only=True)
class AgainstControl:
    """An attack's success minus a control's on the same cases, paired."""

    control: str
    difference: Estimate
    p: float
    p_holm: float


@dataclass(frozen=True, kw_only=True)
class AttackResult:
    """One attack under one budget against one ranker, over the cases of one rank stratum (or all)."""

    ranker: str
    attack: str
    """Name in the audit file."""
    plugin: str
    control: bool
    surface: Surface
    access: Access
    goal: Goal
    edits_allowed: str
    budget: Mapping[str, float | int | None]
    stratum: str
    """A rank range, or ``"all"``."""
    statuses: Mapping[Status, int]
    """How many of its cases ended how."""
    success: Mapping[str, Estimate]
    """Measure name, such as ``"promoted"``, ``"ASR@10"``, ``"goal"``, to the share of decided cases; empty without any,
    and then no figure below has a value."""
    boost: Estimate | None
    """Clean rank minus attacked rank; positive is better for a promoter, negative for who demotes."""
    harm: Estimate | None
    """Clean minus attacked nDCG@10 of the list: what users lose."""
    calls: Estimate | None
    """Pairs requested per case."""
    edits: Estimate | None
    """Words (or characters: ``unit``) changed or inserted, as counted by the harness."""
    similarity: Estimate | None
    seconds: Estimate | None
    unit: str = "words"
    """What ``edits`` counts."""
    changed: int = 0
    """Decided cases with a changed text."""
    same_score: int = 0
    """How many of them have the target's clean score, bit for bit: the ranker does not read the change."""
    against_controls: Sequence[AgainstControl] = ()
    judged: Estimate | None = None
    """judged@10 of the attacked lists; a changed document counts as judged if the original was."""
    collection: str = ""
    per_query: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Success, ``boost`` and ``harm`` to query id to the mean over the query's cases."""
    quality: Mapping[str, Estimate] = field(default_factory=dict)
    """What changed documents look like (:mod:`robustrank.perturbations.quality`), over those that were changed."""
    curve: Sequence[tuple[int, float]] = ()
    """Pairs requested, rising, and the share of decided cases in which the attack had succeeded by then."""
    tally: Tally = field(default_factory=Tally)
    """Of its cases, those of lists that could not be ranked included."""
    ends: Mapping[str, Ends] = field(default_factory=dict)
    """Every success, ``boost`` and ``harm``, where cases are undecided."""
    open: Mapping[str, Open] = field(default_factory=dict)
    known_as: Sequence[str] = ()
    """Ids of the attack in public catalogues (:mod:`robustrank.core.catalogues`)."""
    deployed: Mapping[str, Estimate] = field(default_factory=dict)
    """Every success with the cases of invalid answers as the ranker's repair ranks them; empty without such cases."""


@dataclass(frozen=True, kw_only=True)
class CertifiedResult:
    """Share of queries whose list is certified top-K robust."""

    ranker: str
    collection: str
    k: int
    radius: int | float
    edits: str
    crq: Estimate
    alpha: float
    expected_false: float
    """Expected number of falsely certified queries, at most: alpha times queries."""
    samples: int
    method: str
    assumes: str
    per_query: Mapping[str, float] = field(default_factory=dict)
    """Query id to 1 where its list is certified, else 0."""
    speaks_of: SpeaksOf = SpeaksOf.EXACT
    attacks_on_certified: int = 0
    """Attacks of this audit that the certificates cover, on targets below a certified top K."""
    certificates_broken: int = 0
    """How many of them entered the top K."""
    attacks_on_uncertified: int = 0
    """The same attacks on lists that are not certified at this K and radius."""
    uncertified_broken: int = 0
    """How many of them entered the top K: the power of the attacks. Where none did, the tests above say little."""
    tally: Tally = field(default_factory=Tally)
    """Of its lists."""
    ends: Ends | None = None
    """Of ``crq``, where certifying failed."""
    open: Open = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WorstCase:
    """One attacked case, for people to read."""

    key: str
    ranker: str
    attack: str
    collection: str
    query_id: str
    query: str
    query_after: str | None
    doc_id: str
    rank_before: int
    rank_after: int
    score_before: float
    score_after: float
    list_length: int
    edits: int
    similarity: float | None
    calls: int
    before: str
    after: str
    diff: Sequence[tuple[str, str, str]]
    """Runs of (``"equal"`` | ``"replace"`` | ``"insert"`` | ``"delete"``, text before, text after)."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A whole audit."""

    name: str
    started: str
    finished: str | None
    """``None`` while the audit is still running."""
    seed: int
    headline: str
    """One or two sentences: the worst thing found, with its figure."""
    home: str
    measure: str
    """The first measure of the audit file, which the tables lead with."""
    baseline: str | None
    collections: Sequence[AuditedCollection]
    rankers: Sequence[RankerSummary]
    effectiveness: Sequence[Effectiveness]
    comparisons: Sequence[Comparison]
    shifts: Sequence[Shift]
    attacks: Sequence[AttackResult]
    certificates: Sequence[CertifiedResult]
    worst_cases: Sequence[WorstCase]
    red_flags: Sequence[RedFlag]
    tested: Sequence[str]
    not_tested: Sequence[str]
    environment: Mapping[str, Any]
    """Versions, hardware, wall seconds, pairs scored, seconds in rankers, tie rule, tokenisation, spec hash."""
    source: str
    """The audit file."""
    audited: str | None = None
    """The ranker that the audit file names as the one that it is about (:func:`robustrank.results.select.audited`)."""
    verdicts: Sequence[Verdict] = ()
    pooling: Pooling | None = None
    cases: Cases = field(default_factory=Cases)
    """Every attacked case; :attr:`worst_cases` are the largest moves among them, with whole texts."""
    five: FiveTasks = field(default_factory=FiveTasks)
    """The five robustness tasks."""
    sequential: Sequential | None = None
    """``None`` where the number of queries was settled beforehand."""
    made_from: str = ""
    """A hash of all that it was made from."""
    weakest: Sequence[WeakQuery] = ()
    """The clean queries of the home collection that the audited ranker served worst, from the worst."""
    results: Mapping[str, Any] = field(default_factory=dict)
    """Name of a protocol of another package to its result, as plain data (``AuditProtocol.result_in``)."""


def write(summary: Summary, path: Path) -> None:
    """Write ``summary.json``, whole or not at all; in ASCII, so that unseen characters are seen and surrogates pass."""
    data = {**typed.plain(summary), "schema": SCHEMA}
    cases = data.pop("cases")
    rows = ",\n".join(map(json.dumps, cases["rows"]))  # a line a case: with a line a field it is thrice as long
    texts = ",\n".join(map(json.dumps, cases["texts"]))
    whole = typed.indented(data).removesuffix("\n}")
    body = f'{whole},\n "cases": {{"texts": [\n{texts}\n], "rows": [\n{rows}\n]}}'
    replace(path, body + _end(body))


def read(path: Path) -> Summary:
    """Read ``summary.json``.

    Raises:
        StoreError: It is missing, torn, changed by hand, or of another schema.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise StoreError(f"{path}: no summary; `robustrank audit` writes it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error
    body, mark, _ = text.rpartition(_MARK)
    try:
        if mark and text != body + _end(body):
            raise typed.WrongForm("its checksum does not fit, so it was changed")
        result: Summary = typed.loads(body + "\n}" if mark else text, Summary, SCHEMA)
        if not mark:
            raise typed.WrongForm("it has no checksum")
    except typed.WrongForm as error:
        raise StoreError(f"{path}: not a summary of this version: {error}; run the audit again") from error
    return result


_MARK = ',\n "crc32": "'


def _end(body: str) -> str:
    """The end of the file: the checksum of everything before it."""
    return f'{_MARK}{crc32(body.encode()):08x}"\n}}\n'
