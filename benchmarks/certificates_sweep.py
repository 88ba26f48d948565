"""Certified lists by rule at equal samples: ``python benchmarks/certificates_sweep.py SETTING ... --memo FOLDER``.

For each SETTING (``ranker/collection/law``) the smoothed ranker is built once per rule over one memory of scores, so
all rules see the same draws of the same texts. Queries are a seeded sample of those with a full list of BM25's
candidates. Temperature and center are fixed beforehand from plain scores of development queries: the mean of the ten
best scores of a list, and half the standard deviation within lists. Results go to
``reports/certificates/SETTING.json``; ``--tables`` writes the markdown of all that are there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from robustrank import measures, stats
from robustrank.certificates import RULES, Bits, Reach
from robustrank.collections.beir import Beir
from robustrank.config import Plugin
from robustrank.interfaces import Ranker
from robustrank.ranking import order
from robustrank.retrieval import first_stage
from robustrank.smoothing import Smoothing
from robustrank.types import AttackSet, Collection, Document, Query, RankerCard
from robustrank_defenses.randomized_smoothing import RandomizedSmoothing

HERE = Path(__file__).resolve().parents[1]
OUT = HERE / "reports" / "certificates"
DATA = HERE.parent / "shared" / "data"
KS, RADII = (1, 5, 10), (1, 2, 5, 0.05)
LAWS: dict[str, dict[str, Any]] = {
    "wordnet": {"law": "substitute", "substitutes": "wordnet"},
    "mutual": {"law": "substitute", "substitutes": "counterfitted-mutual"},
    "counterfitted": {"law": "substitute", "substitutes": "counterfitted", "size": 100},
    "mask30": {"law": "mask", "keep": 0.3},
    "mask10": {"law": "mask", "keep": 0.1},
    "delete30": {"law": "delete", "keep": 0.3},
}
SIZES = {"bm25": (300, 20, 20), "small": (200, 15, 12), "bi": (200, 15, 12), "l12": (100, 12, 10)}
"""Ranker to samples, depth and queries; the last can be lowered with ``--queries``."""
DEVELOPMENT = {"scifact": ("scifact", "train"), "msmarco-dl19": ("msmarco-dl21", "test")}
SEED, DEV_QUERIES = 5, 15

List = tuple[Query, list[Document]]


@dataclass
class Remembering:
    """A ranker that scores each pair once, also over runs."""

    base: Ranker
    path: Path
    scores: dict[str, float] = field(default_factory=dict)
    asked: int = 0

    def __post_init__(self) -> None:
        if self.path.exists():
            self.scores = json.loads(self.path.read_text())

    @property
    def card(self) -> RankerCard:
        return self.base.card

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        keys = [blake2b(f"{query.text}\n{doc.text}".encode(), digest_size=10).hexdigest() for doc in docs]
        new = {key: doc for key, doc in zip(keys, docs, strict=True) if key not in self.scores}
        if new:
            found = self.base.score(query, list(new.values()))
            self.scores.update({key: round(score, 5) for key, score in zip(new, found, strict=True)})
            self.asked += len(new)
        return [self.scores[key] for key in keys]

    def save(self) -> None:
        self.path.write_text(json.dumps(self.scores))


@dataclass
class Once:
    """A law that works out everything once for all rules."""

    law: Smoothing
    known: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    @property
    def edits(self) -> AttackSet:
        return self.law.edits

    def every(self, text: str, limit: int) -> list[str] | None:
        return self._once(("every", text, limit), lambda: self.law.every(text, limit))

    def draws(self, text: str, seed: int, start: int, stop: int) -> list[str]:
        return self._once(("draws", text, seed, start, stop), lambda: self.law.draws(text, seed, start, stop))

    def reach(self, text: str, radius: float) -> Reach:
        return self._once(("reach", text, radius), lambda: self.law.reach(text, radius))

    def touched(self, text: str, seed: int, samples: int) -> Bits | None:
        return self._once(("touched", text, seed, samples), lambda: self.law.touched(text, seed, samples))

    def _once(self, key: tuple[Any, ...], work: Callable[[], Any]) -> Any:
        if key not in self.known:
            self.known[key] = work()
        return self.known[key]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("settings", nargs="*")
    parser.add_argument("--memo", type=Path)
    parser.add_argument("--small", help="folder of the small cross-encoder")
    parser.add_argument("--queries", type=int)
    parser.add_argument("--tables", action="store_true")
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    for setting in options.settings:
        found = sweep(setting, options.memo, options.small, options.queries)
        (OUT / f"{setting.replace('/', '-')}.json").write_text(json.dumps(found, indent=1) + "\n")
    if options.tables:
        (OUT / "README.md").write_text(tables())


def sweep(setting: str, memo: Path, small: str | None, fewer: int | None = None) -> dict[str, Any]:
    """All rules on one setting."""
    name, where, law = setting.split("/")
    samples, depth, queries = SIZES[name]
    queries = min(queries, fewer or queries)
    collection = Beir(path=str(DATA / where)).load()
    base = Remembering(build(name, collection, small), memo / f"{setting.replace('/', '-')}.json")
    center, temperature = calibrated(name, where, small)
    lists = sampled_lists(collection, depth, queries)
    options = {"samples": samples, "center": center, "temperature": temperature, **LAWS[law]}
    rules = [rule for rule in RULES if not (law.startswith("delete") and RULES[rule].sampled)]
    smoothed = {rule: RandomizedSmoothing(rule=rule, **options).wrap(base) for rule in rules}
    law_once = Once(smoothed[rules[0]].law)
    smoothed = {rule: replace(ranker, law=law_once) for rule, ranker in smoothed.items()}
    held: dict[str, dict[str, list[bool]]] = {rule: {} for rule in rules}
    clean: dict[str, list[float]] = {rule: [] for rule in ("plain", *rules)}
    for query, docs in lists:
        clean["plain"].append(judged(collection, query, docs, base.score(query, docs)))
        for rule, ranker in smoothed.items():
            clean[rule].append(judged(collection, query, docs, ranker.score(query, docs)))
            for claim in ranker.certify(query, docs, KS, RADII):
                held[rule].setdefault(f"{claim.k} {claim.radius:g}", []).append(claim.certified)
        base.save()
        law_once.known.clear()
    return {
        "setting": setting,
        "ranker": base.card.name,
        "law": LAWS[law],
        "samples": samples,
        "depth": depth,
        "queries": [query.query_id for query, _ in lists],
        "alpha": RandomizedSmoothing.alpha,
        "center": center,
        "temperature": temperature,
        "nDCG@10": {rule: tuple(stats.mean(values))[:3] for rule, values in clean.items()},
        "CRQ": {
            rule: {cell: tuple(stats.share(values))[:3] for cell, values in row.items()} for rule, row in held.items()
        },
    }


def build(name: str, collection: Collection, small: str | None) -> Ranker:
    """The ranker behind."""
    if name == "bm25":
        from robustrank.rankers.bm25 import BM25

        return BM25().fit(collection)
    if name == "bi":
        from robustrank.rankers.bi_encoder import BiEncoder

        return BiEncoder()
    from robustrank.rankers.cross_encoder import CrossEncoder

    return CrossEncoder() if name == "l12" else CrossEncoder(model=str(small), device="cpu")


def sampled_lists(collection: Collection, depth: int, queries: int, seed: int = SEED) -> list[List]:
    """A seeded sample of the queries with a full list."""
    found = first_stage(Plugin(use="bm25"), collection, collection.queries, depth)
    full = [query for query in collection.queries if len(found.get(query.query_id, ())) == depth]
    chosen = Random(seed).sample(full, min(queries, len(full)))
    return [(query, [collection.documents[doc_id] for doc_id in found[query.query_id]]) for query in chosen]


def calibrated(name: str, where: str, small: str | None) -> tuple[float, float]:
    """Center and temperature from plain scores of development queries."""
    folder, split = DEVELOPMENT[where]
    collection = Beir(path=str(DATA / folder), split=split).load()
    ranker = build(name, collection, small)
    rows = [np.sort(ranker.score(*one))[::-1] for one in sampled_lists(collection, 20, DEV_QUERIES)]
    spread = float(np.mean([row.std() for row in rows]))
    return round(float(np.mean([row[:10].mean() for row in rows])), 2), round(spread / 2, 3)


def judged(collection: Collection, query: Query, docs: Sequence[Document], scores: Sequence[float]) -> float:
    """nDCG@10 of the re-ranked list."""
    ranking = order([(doc.doc_id, score) for doc, score in zip(docs, scores, strict=True)])
    qrels = {query.query_id: collection.qrels[query.query_id]}
    found = measures.per_query(["nDCG@10"], {query.query_id: ranking}, qrels, collection.relevant)
    return found["nDCG@10"][query.query_id]


def tables() -> str:
    """Markdown of all settings."""
    parts = ["# Certified lists by rule\n", f"Written by `{Path(__file__).parent.name}/{Path(__file__).name}`.\n"]
    for path in sorted(OUT.glob("*.json")):
        found = json.loads(path.read_text())
        if "CRQ" not in found:
            continue
        cells = [f"{k} {radius:g}" for k in KS for radius in RADII]
        parts.append(
            f"\n## {found['setting']}\n\n{found['ranker']}, {len(found['queries'])} lists of {found['depth']}, "
            f"{found['samples']} samples, alpha {found['alpha']}, scores mapped by sigmoid((score - {found['center']}) "
            f"/ {found['temperature']}); plain nDCG@10 {found['nDCG@10']['plain'][0]:.3f}. "
            "Cells: CRQ@K at R changed words (0.05: 5 %).\n"
        )
        parts.append("| rule | nDCG@10 | " + " | ".join(f"@{cell.replace(' ', ' R=')}" for cell in cells) + " |")
        parts.append("|---" * (len(cells) + 2) + "|")
        for rule, row in found["CRQ"].items():
            values = [f"{row[cell][0]:.2f}" for cell in cells]
            parts.append(f"| `{rule}` | {found['nDCG@10'][rule][0]:.3f} | " + " | ".join(values) + " |")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
