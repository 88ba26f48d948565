"""Scored pairs of sequential certification against 1,000 samples of every document, by a protocol fixed beforehand.

``python benchmarks/certification_cost.py develop`` and then, once, ``... confirm``.

The protocol. Ranker: BM25; lists of 20 abstracts of SciFact; attack set: synonyms of ``counterfitted-mutual``, under
which every radius is one question, so there is one question for each K of 1, 3, 5 and 10. The recipe scores 1,000
samples of every document (equal rewordings once) and decides by ``certdr-joint`` at alpha 0.05, joint over the list. In
batches, ``certify_in_batches`` draws where it decides something, up to a limit of samples a document. ``develop`` takes
12 lists of *training* queries and names the least limit of :data:`LIMITS` with which batches certify at least as many
questions as the recipe does. ``confirm`` takes 12 lists of *test* queries, with that limit, and says how many questions
either way certifies and what both cost. The claim to be confirmed: at least 5 times fewer pairs, and no question of the
recipe's lost. Center and temperature come from plain scores of training queries (``certificates_sweep.py``).

JSON goes to ``reports/certificates/cost-develop.json`` and ``cost-confirm.json``; ``confirm`` does not overwrite.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from certificates_sweep import DATA, OUT, List, build, calibrated, sampled_lists

from robustrank.collections.beir import Beir
from robustrank.core.interfaces import Ranker
from robustrank.core.types import Document, Query, RankerCard
from robustrank_defenses.certified.randomized_smoothing import RandomizedSmoothing

KS, RADIUS, SAMPLES, DEPTH = (1, 3, 5, 10), 5, 1000, 20
LIMITS = (40, 80, 160, 320, 640)
SPLITS = {"develop": ("train", 12), "confirm": ("test", 12)}


@dataclass
class Counting:
    """Counts the pairs it is asked for; a pair that was scored before is counted all the same."""

    base: Ranker
    known: dict[tuple[str, str], float]
    pairs: int = 0

    @property
    def card(self) -> RankerCard:
        return self.base.card

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        self.pairs += len(docs)
        new = [doc for doc in docs if (query.text, doc.text) not in self.known]
        found = self.base.score(query, new)
        self.known.update({(query.text, doc.text): score for doc, score in zip(new, found, strict=True)})
        return [self.known[query.text, doc.text] for doc in docs]


def main() -> None:
    phase = sys.argv[1]
    out = OUT / f"cost-{phase}.json"
    if phase == "confirm" and out.exists():
        sys.exit(f"{out.name} is there: this is run once")
    split, queries = SPLITS[phase]
    collection = Beir(path=str(DATA / "scifact"), split=split).load()
    lists = sampled_lists(collection, DEPTH, queries)
    with TemporaryDirectory() as cache:
        center, temperature = calibrated("bm25", "scifact", Path(cache), {})
    options = RandomizedSmoothing(
        samples=SAMPLES, substitutes="counterfitted-mutual", center=center, temperature=temperature
    )
    limits = LIMITS if phase == "develop" else (json.loads((OUT / "cost-develop.json").read_text())["limit"],)
    found = compared(build("bm25", collection, {}), lists, options, limits)
    if phase == "develop":
        wanted = found["certified by the recipe"]
        found["limit"] = next(int(n) for n, row in found["in batches"].items() if row["certified"] >= wanted)
    OUT.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1) + "\n")


def compared(
    base: Ranker, lists: Sequence[List], options: RandomizedSmoothing, limits: Sequence[int]
) -> dict[str, Any]:
    """Pairs and decisions of the recipe, and of batches with each limit."""
    by_recipe: dict[tuple[str, int], bool] = {}
    by_batches: dict[int, dict[tuple[str, int], bool]] = {limit: {} for limit in limits}
    pairs = dict.fromkeys((SAMPLES, *limits), 0)
    for query, docs in lists:
        known: dict[tuple[str, str], float] = {}
        recipe = Counting(base, known)
        claims = options.wrap(recipe).certify(query, docs, KS, [RADIUS])
        by_recipe |= {(query.query_id, claim.k): claim.certified for claim in claims}
        pairs[SAMPLES] += recipe.pairs
        for limit in limits:
            batches = Counting(base, known)
            ranker = replace(options, samples=limit).wrap(batches)
            claims = ranker.certify_in_batches(query, docs, KS, [RADIUS])
            by_batches[limit] |= {(query.query_id, claim.k): claim.certified for claim in claims}
            pairs[limit] += batches.pairs
    return {
        "ranker": base.card.name,
        "lists": len(lists),
        "depth": DEPTH,
        "questions": len(by_recipe),
        "certified by the recipe": sum(by_recipe.values()),
        "pairs of the recipe": pairs[SAMPLES],
        "in batches": {
            str(limit): {
                "certified": sum(found.values()),
                "lost": sum(by_recipe[key] and not found[key] for key in found),
                "won": sum(found[key] and not by_recipe[key] for key in found),
                "pairs": pairs[limit],
                "ratio": round(pairs[SAMPLES] / pairs[limit], 2),
            }
            for limit, found in by_batches.items()
        },
    }


if __name__ == "__main__":
    main()
