"""Worst cases for the summaries of tests: what an attack changed, one of each kind."""

from __future__ import annotations

from hashlib import sha256

from robustrank.perturbations.verify import diff
from robustrank.results.summary import WorstCase


def worst_cases() -> list[WorstCase]:
    """Four: an insertion, substitutions with an unseen character among them, a typo, and a long insertion."""
    claim = "Vitamin D deficiency is unrelated to birth weight."
    text = (
        "Maternal vitamin D status during pregnancy and its association with childhood outcomes was examined in a "
        "cohort of 1,094 women. Serum concentrations were measured at 34 weeks. Low concentrations were common in "
        "winter, and were not associated with the duration of gestation or with blood pressure at age nine. The "
        "findings should be read with care because loss to follow-up was considerable and diet was self-reported."
    )
    changes = {
        "examined": "scrutinised", "cohort": "coh\u043ert", "associated with": "link\u200bed to",
        "considerable": "\u202elarge\u202c",
    }  # fmt: skip
    edited = text
    for old, new in changes.items():
        edited = edited.replace(old, new)
    typos = "glucsoe intolerance in pergnancy"
    return [
        _case("MiniLM-L12 cross-encoder", "query at the start", claim, (18, 1), (-6.21, 7.94), text, f"{claim} {text}"),
        _case(
            "MiniLM-L6 bi-encoder",
            "word substitution",
            "Do pregnant women lack vitamin D?",
            (17, 2),
            (0.312, 0.603),
            text,
            edited,
        ),
        _case(
            "MiniLM-L12 cross-encoder",
            "query typos",
            "glucose intolerance in pregnancy",
            (1, 9),
            (4.1, -2.2),
            text,
            text,
            typos,
        ),
        _case("BM25", "query interleaved", "vitamin", (20, 3), (2.4, 11.8), text, f"vitamin {text} vitamin"),
    ]  # fmt: skip


def _case(
    ranker: str, attack: str, query: str, ranks: tuple[int, int], scores: tuple[float, float], before: str, after: str,
    query_after: str | None = None,
) -> WorstCase:  # fmt: skip
    old, new = (before, after) if query_after is None else (query, query_after)
    return WorstCase(
        key=sha256(f"{ranker}{attack}".encode()).hexdigest()[:24], ranker=ranker, attack=attack, collection="SciFact",
        query_id="1319", query=query,
        query_after=query_after, doc_id="4346436", rank_before=ranks[0], rank_after=ranks[1], score_before=scores[0],
        score_after=scores[1], list_length=20, edits=5, similarity=None if query_after else 0.91, calls=60,
        before=before, after=after, diff=diff(old, new),
    )  # fmt: skip
