"""Attacked cases for tests and benchmarks: any number of them, every word and figure made up."""

from __future__ import annotations

from random import Random

from robustrank.core.types import Status
from robustrank.results.attack_cases import AttackedCase, Cases, Change, Proof
from robustrank.results.outcomes import Ending
from robustrank.work.records import Fall

RANKERS = ("BM25", "MiniLM-L12 cross-encoder", "MiniLM-L6 bi-encoder")
ATTACKS = ("query at the start", "word substitution", "query typos", "random substitutions")
SYLLABLES = [first + second for first in "bcdfghklmnprstvwxyz" for second in "aeiou"]
PER_DOCUMENT = 10
"""Cases that share a document, as they do where a dozen attacks meet three rankers."""


def made_up_cases(n: int, *, length: int = 260, seed: int = 13) -> Cases:
    """Cases of documents with ``length`` words each; the same arguments give the same cases."""
    random = Random(seed)
    vocabulary = ["".join(random.choices(SYLLABLES, k=random.randint(1, 4))) for _ in range(4000)]
    texts: list[str] = []
    rows = []
    for index in range(n):
        if index % PER_DOCUMENT == 0:
            texts += [" ".join(random.choices(vocabulary, k=size)) for size in (9, length)]
        rows.append(_row(index, texts, random, vocabulary))
    return Cases(texts=texts, rows=rows)


def _row(index: int, texts: list[str], random: Random, vocabulary: list[str]) -> AttackedCase:
    query, document = len(texts) - 2, len(texts) - 1
    attack, ranker = ATTACKS[index % 4], RANKERS[index % 3]
    before = random.randint(11, 20)
    after = random.randint(1, before)
    status = random.choices((Status.OK, Status.INVALID, Status.ERROR), (18, 1, 1))[0]
    ok, typo = status is Status.OK, attack == "query typos"
    before, after = (after, before) if typo else (before, after if ok else before)
    reached = [name for name, k in (("ASR@1", 1), ("ASR@5", 5), ("ASR@10", 10)) if after <= k and not typo]
    ending = (Ending.SUCCEEDED if "ASR@10" in reached else Ending.FAILED) if ok else Ending(status)
    return AttackedCase(
        key=f"{random.getrandbits(64):016x}", ranker=ranker, attack=attack, collection="SciFact",
        stratum="best relevant" if typo else "11-20", status=status, ending=ending,
        error="" if ok else "a made-up reason",
        query_id=str(query), query=query, doc_id=str(document), document=document,
        changes=() if status is Status.ERROR else _changes(attack, texts[query], texts[document], random, vocabulary),
        query_changed=typo, rank_before=before, rank_after=after, list_length=20, score_before=random.gauss(0, 3),
        score_after=random.gauss(2, 3), harm=random.random() / 4, edits=random.randint(1, 10),
        similarity=None if typo else random.uniform(0.75, 1), calls=random.randint(0, 60), reached=reached,
        success=before < after if typo else after <= 10,
        fell=[Fall(str(7 * rank), rank, rank + 1, rank % 4 == 1) for rank in range(after, min(before, 11))],
        proofs=[Proof(1, 2.0, index % 6 == 1)] if index % 12 == 1 else (),
    )  # fmt: skip


def _changes(attack: str, query: str, text: str, random: Random, vocabulary: list[str]) -> list[Change]:
    if attack == "query at the start":
        return [Change(0, 0, query + " ")]
    starts = [0, *(i + 1 for i, letter in enumerate(query if attack == "query typos" else text) if letter == " ")]
    chosen = sorted(random.sample(starts, min(len(starts), 8 if attack != "query typos" else 1)))
    whole = query if attack == "query typos" else text
    ends = [whole.find(" ", start) for start in chosen]
    return [
        Change(start, end if end >= 0 else len(whole), random.choice(vocabulary))
        for start, end in zip(chosen, ends, strict=True)
    ]
