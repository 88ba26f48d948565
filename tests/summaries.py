"""Summaries for tests: one that looks like a real audit (every figure is made up), and one that has only begun."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from dataclasses import replace
from math import sqrt
from pathlib import Path
from random import Random

from robustrank.core.flags import Check
from robustrank.core.types import (
    Access,
    CollectionRole,
    Estimate,
    Goal,
    Range,
    Status,
    Surface,
)
from robustrank.protocols.pooling import Question, analyse
from robustrank.results.outcomes import Tally
from robustrank.results.pooling import Pooling
from robustrank.results.red_flags import RedFlag, Severity
from robustrank.results.summary import (
    AgainstControl,
    AttackResult,
    CertifiedResult,
    Comparison,
    Effectiveness,
    RankerSummary,
    Shift,
    ShiftKind,
    Summary,
)
from robustrank.results.verdicts import Outcome, Verdict
from robustrank.results.weak_queries import FirstDocument, WeakQuery
from robustrank.work.audited import AuditedCollection

BM25, CROSS, BI = "BM25", "MiniLM-L12 cross-encoder", "MiniLM-L6 bi-encoder"
SMOOTHED = f"smoothed + {BM25}"
HOME, AWAY = "SciFact", "SelQA"
WORST_CASES = runpy.run_path(str(Path(__file__).with_name("worst_cases.py")))["worst_cases"]()

SOURCE = """\
name = "made-up example"
seed = 13
baseline = "BM25"

[[collection]]
name = "SciFact"
use = "scifact"
queries = 50
depth = 20

[[attack]]
use = "prada"
budget = { edits = 10, calls = 60 }

[[gate]]
name = "no attack lifts half of the documents into the top ten"
measure = "ASR@10"
max = 0.5
"""


def realistic() -> Summary:
    """Three rankers and a smoothed one, two collections, six attacks (two of them controls), certificates, gates."""
    figures = [_effect(r, c, m, mean) for r, c, m, mean in _MEANS]
    figures += [_slice(r, t, mean, n) for r in (BM25, CROSS, BI) for t, mean, n in _SLICES]
    return Summary(
        name="made-up example",
        started="2025-11-21T09:14:02+00:00",
        finished="2025-11-21T09:23:43+00:00",
        seed=13,
        headline=f"Against {BM25}, the attack query at the start succeeded in 97% of cases [83%, 99%], n=30 queries: "
        "the target document reached the top 10.",
        home=HOME,
        measure="nDCG@10",
        baseline=BM25,
        collections=_collections(),
        rankers=_rankers(),
        effectiveness=figures,
        comparisons=[
            _comparison(CROSS, BM25, HOME, 0.031, 0.040, 50, 0.14, 0.42),
            _comparison(BI, BM25, HOME, -0.046, 0.047, 50, 0.06, 0.24),
            _comparison(CROSS, BI, HOME, 0.077, 0.044, 50, 0.0008, 0.005),
            _comparison(CROSS, BM25, AWAY, 0.183, 0.046, 100, 0.0001, 0.0007),
            _comparison(SMOOTHED, f"{BM25} (same lists)", HOME, -0.028, 0.031, 20, 0.09, 0.27),
        ],
        shifts=_shifts(),
        attacks=_attacks(),
        pooling=_pooling(),
        certificates=[
            _certified(k, radius, held)
            for k, line in {1: (11, 8, 3), 5: (9, 5, 1), 10: (7, 4, 0)}.items()
            for radius, held in zip((1, 2, 5), line, strict=True)
        ],
        worst_cases=WORST_CASES,
        weakest=_weakest(),
        red_flags=_flags(),
        tested=[
            "i.i.d. effectiveness on SciFact",
            "shift of corpus: SelQA",
            "attack query at the start: document, access none, insert",
            "attack word substitution: document, access weights, substitute(wordnet|counterfitted)",
            "attack query typos: query, access scores, misspell",
            "control random substitutions: document, access none, substitute(wordnet|counterfitted)",
            "defense smoothed: randomized_smoothing(samples=500)",
        ],
        not_tested=[
            "the first stage: every ranker re-ranks the same candidates, and an attack changes no candidate list",
            "documents injected into the corpus (poisoning), and attacks on training data",
            "instructions to a language-model ranker (prompt injection), invisible characters and homoglyphs",
            "languages other than those of the collections",
        ],
        environment={
            "versions": {"robustrank": "0.1.0", "numpy": "2.4.6", "bm25s": "0.3.16", "onnxruntime": "1.27.0"},
            "python": "3.11.2",
            "platform": "Linux-6.1-x86_64",
            "cores": 2,
            "tie_rule": "score, then document id, both descending",
            "word_unit": "robustrank-words/2",
            "spec_hash": "0f3a9c21d4",
            "wall_seconds": 581.4,
            "task_seconds": 560.2,
            "scoring_seconds": 541.8,
            "pairs_scored": 18432,
            "sessions": 1,
        },
        source=SOURCE,
        verdicts=_verdicts(),
    )


def bare() -> Summary:
    """An audit that has only just begun: no attacks, certificates, shifts or gates, not finished."""
    full = realistic()
    return replace(
        full, finished=None, baseline=None, headline="No document attack was run; see below for what was measured.",
        collections=full.collections[:1], rankers=full.rankers[:1], effectiveness=(), comparisons=(), shifts=(),
        attacks=(), certificates=(), worst_cases=(), red_flags=(), tested=(), verdicts=(), environment={},
    )  # fmt: skip


def share(value: float, n: int) -> Estimate:
    """A Wilson interval."""
    z = 1.96
    middle = (value + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(value * (1 - value) / n + z * z / (4 * n * n))
    return Estimate(value, max(0.0, middle - half), min(1.0, middle + half), n)


def _about(value: float, half: float, n: int) -> Estimate:
    return Estimate(float(value), float(value - half), float(value + half), n)


def _collections() -> list[AuditedCollection]:
    return [
        AuditedCollection(
            name=HOME, role=CollectionRole.HOME, documents=5183, queries=50, queries_available=300, judgments=339,
            first_stage="bm25", depth=20, digest="7be1c40f92aa0d3354bb1f1c", terms="CC BY-NC 2.0 (made-up line)",
            query_types={}, warnings=("2 documents without text were kept",),
        ),
        AuditedCollection(
            name=AWAY, role=CollectionRole.SHIFT, documents=8210, queries=100, queries_available=1200, judgments=8210,
            first_stage="candidates", depth=20, digest="190ac2b7de5544bb81c3a9f0", terms="Apache-2.0 (made-up line)",
            query_types={"how": 18, "what": 41, "when": 12, "who": 29},
        ),
    ]  # fmt: skip


def _rankers() -> list[RankerSummary]:
    return [
        RankerSummary(name=BM25, plugin="bm25", fingerprint="b4c1d2e3f4a5", note="", pairs=4100, seconds=2.4),
        RankerSummary(
            name=CROSS, plugin="cross_encoder(model='ms-marco-MiniLM-L-12-v2')", fingerprint="4e1a09cc71d2",
            note="int8 ONNX; gradients from dequantised weights", pairs=7802, seconds=402.9,
        ),
        RankerSummary(
            name=BI, plugin="bi_encoder(model='all-MiniLM-L6-v2')", fingerprint="aa01f3c9e2b4", note="", pairs=5120,
            seconds=97.2,
        ),
        RankerSummary(
            name=SMOOTHED, plugin="bm25", fingerprint="77f00c2d9e1b", note="500 samples a document", base=BM25,
            defense="randomized_smoothing(samples=500)", pairs=1410, seconds=39.3,
        ),
    ]  # fmt: skip


_MEANS = (
    (BM25, HOME, "nDCG@10", 0.672), (BM25, HOME, "RR@10", 0.641), (BM25, AWAY, "nDCG@10", 0.583),
    (CROSS, HOME, "nDCG@10", 0.703), (CROSS, HOME, "RR@10", 0.676), (CROSS, AWAY, "nDCG@10", 0.766),
    (BI, HOME, "nDCG@10", 0.626), (BI, HOME, "RR@10", 0.594), (BI, AWAY, "nDCG@10", 0.671),
    (SMOOTHED, HOME, "nDCG@10", 0.649),
)  # fmt: skip
_SLICES = (("how", 0.55, 18), ("what", 0.63, 41), ("when", 0.71, 12), ("who", 0.68, 29))


def _effect(ranker: str, collection: str, measure: str, mean: float) -> Effectiveness:
    n = 20 if ranker == SMOOTHED else 50 if collection == HOME else 100
    random = Random(f"{ranker}|{collection}|{measure}")
    top = round((mean - 0.25) * n)
    rest = [random.betavariate(1.2, 1.6) for _ in range(n - top)]
    values = [1.0] * top + [min(1.0, value * (mean * n - top) / sum(rest)) for value in rest]
    mean = sum(values) / n
    deviation = sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    worst = sorted(values)[: n // 10]
    return Effectiveness(
        ranker=ranker, collection=collection, measure=measure, mean=_about(mean, 1.96 * deviation / sqrt(n), n),
        judged=_about(0.11, 0.04, n) if collection == HOME else Estimate(1.0, 0.96, 1.0, n), deviation=deviation,
        lowest_decile=Estimate(sum(worst) / len(worst), worst[0], worst[-1], n),
        per_query={str(q): value for q, value in enumerate(values)},
    )  # fmt: skip


def _slice(ranker: str, label: str, mean: float, n: int) -> Effectiveness:
    return Effectiveness(
        ranker=ranker, collection=AWAY, measure="nDCG@10", mean=_about(mean, 1.0 / sqrt(n) * 0.6, n), slice=label,
        judged=Estimate(1.0, 0.9, 1.0, n), deviation=0.31, lowest_decile=Estimate(0.04, 0.0, 0.12, n),
    )  # fmt: skip


def _comparison(
    a: str, b: str, collection: str, difference: float, half: float, n: int, p: float, holm: float
) -> Comparison:
    return Comparison(
        a=a, b=b, collection=collection, measure="nDCG@10", difference=_about(difference, half, n), p=p, p_holm=holm,
        test="paired over queries, two-sided, by the interval",
        judged_a=_about(0.11, 0.03, n), judged_b=_about(0.12, 0.03, n),
        unjudged=Range(difference - 0.1, difference + 0.05), may_change=difference < 0.1,
    )  # fmt: skip


def _pooling() -> Pooling:
    """Three systems on three queries, one of which finds what the others do not; one document is not judged."""
    order = {"lexical": "abcx", "dense": "acdb", "new": "efab"}
    runs = {name: {q: list(ids) for q in ("1", "2", "3")} for name, ids in order.items()}
    grades = {d: int(d in "aef") for d in "abcdef"}
    question = Question(collection=HOME, depth=3, groups={"old": ("lexical", "dense")}, rankers=("new",))
    return analyse(runs, {"1": grades, "2": grades, "3": {**grades, "b": 1}}, question)


def _shifts() -> list[Shift]:
    found = []
    for ranker, corpus, kinds in (
        (BM25, -0.13, {"how": -0.09, "what": -0.02, "when": 0.08, "who": 0.05}),
        (CROSS, 0.09, {"how": -0.06, "what": 0.01, "when": 0.04, "who": 0.02}),
        (BI, 0.07, {"how": -0.19, "what": 0.03, "when": -0.11, "who": 0.06}),
    ):
        baseline = ranker == BM25
        found.append(
            Shift(
                ranker=ranker, kind=ShiftKind.CORPUS, source=HOME, target=AWAY, measure="nDCG@10",
                change=_about(corpus * 0.67, 0.09, 100), relative=_about(corpus, 0.13, 100),
                relative_to_baseline=None if baseline else _about(corpus + 0.13, 0.12, 100),
                judged_source=_about(0.11, 0.03, 50), judged_target=_about(1.0, 0.02, 100),
                unjudged=Range(corpus * 0.67 - 0.2, corpus * 0.67 + 0.1), may_change=True,
                may_change_vs_baseline=not baseline or None,
            )
        )  # fmt: skip
        for label, value in kinds.items():
            found.append(
                Shift(
                    ranker=ranker, kind=ShiftKind.QUERY_TYPE, source=f"{AWAY}: other types", target=f"{AWAY}: {label}",
                    measure="nDCG@10", change=_about(value * 0.6, 0.1, 20), relative=_about(value, 0.16, 20),
                    relative_to_baseline=None if baseline else _about(value + 0.04, 0.17, 20),
                )
            )  # fmt: skip
    return found


_PLUGINS: dict[str, tuple[str, str, str, str, dict[str, float | int | None]]] = {
    "query at the start": ("query_injection(place='start')", "document", "none", "insert", {}),
    "query interleaved": ("query_injection(place='interleave')", "document", "none", "insert", {}),
    "word substitution": (
        "prada", "document", "weights", "substitute(wordnet|counterfitted)",
        {"edits": 10, "calls": 60, "similarity": 0.8},
    ),
    "query typos": ("query_typos", "query", "scores", "misspell", {"edits": 2, "calls": 40}),
    "random substitutions": ("random_edits", "document", "none", "substitute(wordnet|counterfitted)", {"edits": 10}),
    "benign insertion": ("benign_insertion", "document", "none", "insert", {}),
}  # fmt: skip

# attack, success, boost, mean edits, mean calls, invalid cases
_ATTACKS: Mapping[str, tuple[tuple[str, float, float, float, float, int], ...]] = {
    BM25: (
        ("query at the start", 29 / 30, 12.1, 11.2, 0, 0), ("query interleaved", 29 / 30, 12.1, 11.2, 0, 0),
        ("word substitution", 7 / 30, 2.2, 6.1, 58.1, 4), ("query typos", 14 / 30, 1.9, 1.7, 31.0, 0),
        ("random substitutions", 2 / 30, -0.3, 10.0, 0, 0), ("benign insertion", 1 / 30, -0.9, 11.2, 0, 0),
    ),
    CROSS: (
        ("query at the start", 23 / 30, 8.8, 11.2, 0, 0), ("query interleaved", 15 / 30, 4.9, 11.2, 0, 0),
        ("word substitution", 17 / 30, 5.6, 7.9, 60.0, 2), ("query typos", 12 / 30, 1.1, 1.8, 36.2, 0),
        ("random substitutions", 3 / 30, 0.2, 10.0, 0, 0), ("benign insertion", 4 / 30, 0.4, 11.2, 0, 0),
    ),
    BI: (
        ("query at the start", 27 / 30, 10.4, 11.2, 0, 0), ("query interleaved", 20 / 30, 7.1, 11.2, 0, 0),
        ("word substitution", 12 / 30, 3.7, 8.3, 60.0, 2), ("query typos", 17 / 30, 2.3, 1.8, 33.9, 0),
        ("random substitutions", 6 / 30, 0.7, 10.0, 0, 0), ("benign insertion", 3 / 30, 0.1, 11.2, 0, 0),
    ),
    SMOOTHED: (
        ("word substitution", 2 / 20, 0.6, 7.0, 60.0, 1), ("random substitutions", 2 / 20, 0.1, 10.0, 0, 0),
    ),
}  # fmt: skip


def _attacks() -> list[AttackResult]:
    whole = [_attack(ranker, *row) for ranker, rows in _ATTACKS.items() for row in rows]
    first = whole[0]
    halves = [
        replace(
            first,
            stratum=stratum,
            success={"ASR@10": share(value, 15)},
            statuses={Status.OK: 15},
            tally=Tally(planned=15),
        )
        for stratum, value in (("11-15", 1.0), ("16-20", 14 / 15))
    ]
    return [first, *halves, *whole[1:]]


def _attack(
    ranker: str, name: str, success: float, boost: float, edits: float, calls: float, invalid: int
) -> AttackResult:
    plugin, surface, access, allowed, limits = _PLUGINS[name]
    n = 20 if ranker == SMOOTHED else 30
    control = name in ("random substitutions", "benign insertion")
    query = surface == "query"
    ways = {"promoted": 1.0, "ASR@1": 0.5, "ASR@5": 0.8, "ASR@10": 1.0, "goal": 0.5}
    if query:
        ways = {"demoted": 1.0, "harmed": 0.7}
    p, holm = (0.0004, 0.008) if success > 0.3 else (0.21, 0.63)
    against = [
        AgainstControl(control=c, difference=_about(success - 0.08, 0.1, n), p=p, p_holm=holm)
        for c in ("random substitutions", "benign insertion")
        if not (control or query)
    ]
    return AttackResult(
        ranker=ranker, attack=name, plugin=plugin, control=control, surface=Surface(surface), access=Access(access),
        goal=Goal.DEMOTE if query else Goal.PROMOTE, edits_allowed=allowed, budget=limits, stratum="all",
        statuses={Status.OK: n - invalid, Status.INVALID: invalid} if invalid else {Status.OK: n},
        tally=Tally(planned=n, invalid=invalid, breach="12 words edited, the budget is 10" if invalid else ""),
        success={key: share(round(success * n * part) / n, n) for key, part in ways.items()},
        boost=_about(-boost if query else boost, 1.6, n), harm=_about(0.004 * abs(boost), 0.012, n),
        calls=_about(calls, calls * 0.1, n), edits=_about(edits, 0.8, n), similarity=_about(0.9, 0.03, n),
        seconds=_about(0.02 + calls * 0.04, 0.01, n), against_controls=against,
        curve=[(round(calls * p), round(success * n * p) / n) for p in ((0.25, 0.5, 1.0) if calls else (1.0,))],
    )  # fmt: skip


def _certified(k: int, radius: int, held: int) -> CertifiedResult:
    return CertifiedResult(
        ranker=SMOOTHED, collection=HOME, k=k, radius=radius, edits="substitute(wordnet|counterfitted)",
        crq=share(held / 20, 20), alpha=0.01, expected_false=0.2, samples=500, method="certdr-joint",
        assumes="the exact smoothed ranker, the word table wordnet|counterfitted (hash 5a1c77e0), words as "
        "robustrank-words/2 cuts them",
    )  # fmt: skip


def _flags() -> list[RedFlag]:
    return [
        RedFlag(
            check=Check.BATCH, severity=Severity.SERIOUS,
            title=f"{CROSS}: scores depend on the other documents of the batch",
            detail="largest difference 1.40% of the spread of the list (SciFact, query 1319)",
        ),
        RedFlag(
            check=Check.CONTROL, severity=Severity.WARNING,
            title="word substitution: not significantly better than “random substitutions”",
            detail=f"ASR@10 0.10 against {SMOOTHED}; minus the control +0.00 [-0.15, +0.15], n=20",
        ),
        RedFlag(
            check=Check.JUDGED, severity=Severity.WARNING, title=f"{BI} on SciFact: few judgments",
            detail="only 11% of its top 10 is judged; nDCG@10 counts the rest as not relevant, which favours rankers "
            "close to the ones that were pooled",
        ),
    ]  # fmt: skip


def _weakest() -> list[WeakQuery]:
    """The first could not be ranked, and of the second no candidate is relevant."""
    return [
        WeakQuery(
            query_id=f"{n}", query=f"does vitamin {n} help", value=0.04 * n, candidates=20, relevant=min(n, 2),
            first=[
                FirstDocument(
                    doc_id=f"d{n}{rank}", head=f"Vitamin {n} in a trial of {rank + 2} years…",
                    grade=(None, 0, 2)[rank], relevant=rank == 2 and n > 4,
                )
                for rank in range(3 if n else 0)
            ],
            relevant_at=None if n < 2 else 3 if n > 4 else 12 - n, error="" if n else "HTTP 429",
        )
        for n in range(10)
    ]  # fmt: skip


def _verdicts() -> list[Verdict]:
    return [
        Verdict(
            gate="no attack lifts half of the documents into the top ten", outcome=Outcome.FAIL,
            reason=f"ASR@10 of {CROSS}, query at the start, the worst of 3 attacks, is 0.767 [0.591, 0.882] with n=30; "
            "wanted at most 0.5",
            estimate=share(23 / 30, 30), limit="at most 0.5",
        ),
        Verdict(
            gate="word substitution stays under two thirds", outcome=Outcome.INCONCLUSIVE,
            reason=f"ASR@10 of {CROSS}, word substitution is 0.567 [0.392, 0.726] with n=30; wanted at most 0.66; "
            "about 115 queries would decide it",
            estimate=share(17 / 30, 30), limit="at most 0.66", queries_needed=115,
        ),
        Verdict(
            gate="the cross-encoder is good at home", outcome=Outcome.PASS,
            reason=f"nDCG@10 of {CROSS} on SciFact is 0.703 [0.623, 0.783] with n=50; wanted at least 0.6",
            estimate=_about(0.703, 0.08, 50), limit="at least 0.6", held=True,
        ),
    ]  # fmt: skip
