"""Certified lists by rule at equal samples: ``python benchmarks/certificates_sweep.py SETTING ... --cache FOLDER``.

For each SETTING (``ranker/collection/distribution``) every rewording is scored once and kept in FOLDER by list, so
a run that is stopped goes on where it stood, and a further distribution pays for the texts that are new; then all rules
judge the same
draws, at several numbers of samples and at every K and radius. Queries are a seeded sample of those with a full list of
BM25's candidates. Temperature and center are fixed beforehand from plain scores of development queries: the mean of the
ten best scores of a list, and half the standard deviation within lists; a trained ranker has those of the ranker it was
trained from. Results go to ``reports/certificates/SETTING.json``; ``certificates_report.py`` makes tables and curves of
them.

``--model NAME=FOLDER`` names trained rankers: ``noise`` is robustrank-tiny trained on rewordings, ``l12-noise`` the
L-12. Of other sizes than the usual ones the report holds, on msmarco-dl19, ``tiny`` and ``noise`` under ``wide``
(``--samples 64 --depth 11 --queries 43``; ``--samples 16 --depth 20 --queries 43 --suffix=-20``), and ``tiny`` under
``delete`` and ``mask`` (``--samples 64 --depth 20``) and ``mutual8`` (``--samples 128 --queries 6``).
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
from numpy.typing import NDArray

from robustrank.certificates import RULES, Bits, Reach, ScoreDistribution
from robustrank.certificates.smoothing import Smoothing
from robustrank.collections.beir import Beir
from robustrank.core.interfaces import Ranker
from robustrank.core.plugin_spec import Plugin
from robustrank.core.ranking import order
from robustrank.core.types import AttackSet, Collection, Document, Query, RankerCard
from robustrank.measures import effectiveness
from robustrank.rankers import controls
from robustrank.retrieval.first_stage import first_stage
from robustrank_defenses.certified.randomized_smoothing import RandomizedSmoothing, SmoothedRanker

HERE = Path(__file__).resolve().parents[1]
OUT = HERE / "reports" / "certificates"
DATA = HERE.parent / "shared" / "data"
KS, RADII = (1, 5, 10), (1, 2, 5, 0.05)
DISTRIBUTIONS: dict[str, dict[str, Any]] = {
    "mutual": {"distribution": "substitute", "substitutes": "counterfitted-mutual"},
    "mutual8": {"distribution": "substitute", "substitutes": "counterfitted-mutual", "size": 8},
    "mutual5": {"distribution": "substitute", "substitutes": "counterfitted-mutual", "size": 5},
    "wide": {"distribution": "substitute", "substitutes": "counterfitted", "size": 100},
    "mask": {"distribution": "mask", "keep": 0.1},
    "delete": {"distribution": "delete", "keep": 0.1},
}
"""Under ``mutual`` all components are whole sets, so no number of synonyms moves a draw, and under ``mutual8`` nearly
all; the others depend on R. ``wide`` is the size of CertDR's sets."""
SIZES = {
    "bm25": (300, 20, 20),
    "tiny": (100, 100, 20),
    "noise": (100, 100, 20),
    "bi": (64, 100, 8),
    "l12": (64, 11, 8),
    "l12-noise": (64, 11, 8),
}
"""Ranker to samples, depth and queries; ``--samples``, ``--depth`` and ``--queries`` say otherwise."""
ROWS: dict[str, dict[str, Any]] = {
    **{rule: {"rule": rule} for rule in RULES},
    "quantile 0.25": {"rule": "quantile", "quantile": 0.25},
    "shared-quantile 0.25": {"rule": "shared-quantile", "quantile": 0.25},
}
DEVELOPMENT = {"scifact": ("scifact", "train"), "msmarco-dl19": ("msmarco-dl21", "test")}
TRAINED_FROM = {"noise": "tiny", "l12-noise": "l12"}
SEED, DEV_QUERIES = 5, 15
AT_ONCE = 2000
"""Rewordings scored between two savings."""

List = tuple[Query, list[Document]]
Models = dict[str, str]


@dataclass
class Remembering:
    """A ranker that scores each pair of a list once, also over runs."""

    base: Ranker
    path: Path
    scores: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path.exists():
            with np.load(self.path) as kept:
                self.scores = dict(zip(kept["keys"].tolist(), kept["scores"].tolist(), strict=True))

    @property
    def card(self) -> RankerCard:
        return self.base.card

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        keys = [int.from_bytes(blake2b(f"{query.text}\n{doc.text}".encode(), digest_size=8).digest()) for doc in docs]
        new = list({key: doc for key, doc in zip(keys, docs, strict=True) if key not in self.scores}.items())
        for start in range(0, len(new), AT_ONCE):
            part = new[start : start + AT_ONCE]
            found = np.array(self.base.score(query, [doc for _, doc in part]), dtype=np.float32)
            self.scores.update(zip((key for key, _ in part), found.tolist(), strict=True))
            self.save()
        return [self.scores[key] for key in keys]

    def save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        keys: NDArray[np.uint64] = np.fromiter(self.scores, dtype=np.uint64, count=len(self.scores))
        scores = np.fromiter(self.scores.values(), dtype=np.float32, count=len(self.scores))
        np.savez(new := self.path.with_suffix(".new.npz"), keys=keys, scores=scores)
        new.replace(self.path)


@dataclass
class Once:
    """A distribution that works out everything once for all rules."""

    distribution: Smoothing
    known: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    @property
    def edits(self) -> AttackSet:
        return self.distribution.edits

    def every(self, text: str, limit: int) -> list[str] | None:
        return self._once(("every", text, limit), lambda: self.distribution.every(text, limit))

    def draws(self, text: str, seed: int, start: int, stop: int) -> list[str]:
        return self._once(("draws", text, seed, start, stop), lambda: self.distribution.draws(text, seed, start, stop))

    def reach(self, text: str, radius: float) -> Reach:
        return self._once(("reach", text, radius), lambda: self.distribution.reach(text, radius))

    def touched(self, text: str, seed: int, samples: int) -> Sequence[Bits] | None:
        return self._once(("touched", text, seed, samples), lambda: self.distribution.touched(text, seed, samples))

    def _once(self, key: tuple[Any, ...], work: Callable[[], Any]) -> Any:
        if key not in self.known:
            self.known[key] = work()
        return self.known[key]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("settings", nargs="+")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--model", action="append", default=[])
    for name in ("samples", "depth", "queries"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--score-only", action="store_true")
    parser.add_argument("--suffix", default="", help="of the results' names, for other sizes than the usual ones")
    options = parser.parse_args()
    models = dict(each.split("=", 1) for each in options.model)
    for setting in options.settings:
        usual = zip((options.samples, options.depth, options.queries), SIZES[setting.split("/")[0]], strict=True)
        sizes = tuple(given or own for given, own in usual)
        found = sweep(setting, options.cache, models, *sizes, score_only=options.score_only)
        if not options.score_only:
            OUT.mkdir(parents=True, exist_ok=True)
            (OUT / f"{setting.replace('/', '-')}{options.suffix}.json").write_text(json.dumps(found, indent=1) + "\n")


def sweep(
    setting: str, cache: Path, models: Models, samples: int, depth: int, queries: int, *, score_only: bool = False
) -> dict[str, Any]:
    """All rules on one setting."""
    name, where, distribution = setting.split("/")
    collection = Beir(path=str(DATA / where)).load()
    base = build(name, collection, models)
    center, temperature = calibrated(name, where, cache, models)
    lists = sampled_lists(collection, depth, queries)
    counts = sorted({max(samples // 4, 1), max(samples // 2, 1), samples})
    rows = [row for row in ROWS if not (distribution.startswith("delete") and RULES[ROWS[row]["rule"]].sampled)]
    held: dict[str, dict[str, dict[str, str]]] = {str(n): {row: {} for row in rows} for n in counts}
    clean: dict[str, dict[str, list[float]]] = {str(n): {row: [] for row in rows} for n in counts}
    plain = []
    for number, (query, docs) in enumerate(lists, start=1):
        ranker = Remembering(base, kept_in(cache, base, where) / f"{query.query_id}.npz")
        once = Once(smoothed(ranker, distribution, samples, center, temperature, "cdf").distribution)
        if score_only:
            for rule in ("cdf", "shared-draws"):
                with_rule = smoothed(ranker, distribution, samples, center, temperature, rule, once)
                ranker.score(
                    query, [*docs, *(d._replace(text=t) for d in docs for t in with_rule.perturbed(d.text)[0])]
                )
            print(setting, number, query.query_id, len(ranker.scores), flush=True)
            continue
        plain.append(judged(collection, query, docs, ranker.score(query, docs)))
        for n in counts:
            kept: dict[bool, dict[tuple[str, str], ScoreDistribution]] = {True: {}, False: {}}
            for row in rows:
                one = smoothed(ranker, distribution, n, center, temperature, once=once, **ROWS[row])
                one = replace(one, _kept=kept[RULES[ROWS[row]["rule"]].sampled])
                clean[str(n)][row].append(judged(collection, query, docs, one.score(query, docs)))
                for claim in one.certify(query, docs, KS, RADII):
                    cells = held[str(n)][row]
                    cell = f"{claim.k} {claim.radius:g}"
                    cells[cell] = cells.get(cell, "") + str(int(claim.certified))
    return {
        "setting": setting,
        "ranker": f"cross_encoder({Path(models[name]).name})" if name in models else base.card.name,
        "law": DISTRIBUTIONS[distribution],
        "samples": samples,
        "depth": depth,
        "queries": [query.query_id for query, _ in lists],
        "alpha": RandomizedSmoothing.alpha,
        "center": center,
        "temperature": temperature,
        "shift": shifts(distribution, lists),
        "plain nDCG@10": plain,
        "nDCG@10": clean,
        "held": held,
    }


def smoothed(
    ranker: Ranker, distribution: str, samples: int, center: float, temperature: float, rule: str,
    once: Once | None = None,
    quantile: float = 0.5,
) -> SmoothedRanker:  # fmt: skip
    """The smoothed ranker under one rule; ``once`` in place of its distribution."""
    options = RandomizedSmoothing(
        samples=samples,
        center=center,
        temperature=temperature,
        rule=rule,
        quantile=quantile,
        **DISTRIBUTIONS[distribution],
    )
    made = options.wrap(ranker)
    return made if once is None else replace(made, distribution=once)


def shifts(distribution: str, lists: Sequence[List]) -> dict[str, float]:
    """Radius to the mean total variation that it brings, over all documents of the lists."""
    own = RandomizedSmoothing(**DISTRIBUTIONS[distribution]).wrap(controls.Random()).distribution
    texts = [doc.text for _, docs in lists for doc in docs]
    return {f"{r:g}": round(float(np.mean([own.reach(text, r).variation for text in texts])), 3) for r in RADII}


def kept_in(cache: Path, base: Ranker, where: str) -> Path:
    """The folder of a ranker's scores on a collection: distributions share them, rankers of other weights do not."""
    return cache / base.card.fingerprint[:16] / where


def build(name: str, collection: Collection, models: Models) -> Ranker:
    """The ranker behind."""
    if name == "bm25":
        from robustrank.rankers.bm25 import BM25

        return BM25().fit(collection)
    if name == "bi":
        from robustrank.rankers.bi_encoder import BiEncoder

        return BiEncoder(device="cpu")
    from robustrank.rankers.cross_encoder import CrossEncoder

    if name == "l12":
        return CrossEncoder()
    length = 256 if name == "l12-noise" else 128
    return CrossEncoder(model=models.get(name, "robustrank-tiny"), max_length=length, device="cpu", batch=64)


def sampled_lists(collection: Collection, depth: int, queries: int, seed: int = SEED) -> list[List]:
    """A seeded sample of the queries with a full list; fewer queries are a part of more."""
    found = first_stage(Plugin(use="bm25"), collection, collection.queries, depth)
    full = [query for query in collection.queries if len(found.get(query.query_id, ())) == depth]
    Random(seed).shuffle(full)
    return [(query, [collection.documents[doc_id] for doc_id in found[query.query_id]]) for query in full[:queries]]


def calibrated(name: str, where: str, cache: Path, models: Models) -> tuple[float, float]:
    """Center and temperature from plain scores of development queries."""
    name = TRAINED_FROM.get(name, name)
    folder, split = DEVELOPMENT[where]
    collection = Beir(path=str(DATA / folder), split=split).load()
    base = build(name, collection, models)
    rows = []
    for query, docs in sampled_lists(collection, 20, DEV_QUERIES):
        ranker = Remembering(base, kept_in(cache, base, f"{folder}-{split}") / f"{query.query_id}.npz")
        rows.append(np.sort(ranker.score(query, docs))[::-1])
    spread = float(np.mean([row.std() for row in rows]))
    return round(float(np.mean([row[:10].mean() for row in rows])), 2), round(spread / 2, 3)


def judged(collection: Collection, query: Query, docs: Sequence[Document], scores: Sequence[float]) -> float:
    """nDCG@10 of the re-ranked list."""
    ranking = order([(doc.doc_id, score) for doc, score in zip(docs, scores, strict=True)])
    qrels = {query.query_id: collection.qrels[query.query_id]}
    found = effectiveness.per_query(["nDCG@10"], {query.query_id: ranking}, qrels, collection.relevant)
    return round(found["nDCG@10"][query.query_id], 4)


if __name__ == "__main__":
    main()
