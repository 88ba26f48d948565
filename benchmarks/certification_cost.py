"""Scored pairs of sequential certification against 1,000 samples of every document.

``python benchmarks/certification_cost.py [QUERIES [SMALL]]``. BM25 on QUERIES lists of 20 abstracts of SciFact, and
if a folder SMALL with a cross-encoder is given that too, on QUERIES / 5 lists of 10. Attack set: synonyms of
``counterfitted-mutual``. The recipe is ``certdr-joint`` at 1,000 samples; in batches there are at most 160 samples of a
document, chosen after a run with up to 1,000 on 3 of the lists (which cost 1.2 times less). Both are
asked for K = 1, 5, 10 and 1, 2 and 5 words at alpha 0.05 joint over the list.
JSON goes to ``reports/certificates/cost.json``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from certificates_sweep import OUT, build, calibrated, sampled_lists

from robustrank.collections.bundled import SciFact
from robustrank.interfaces import Ranker
from robustrank.types import Document, Query, RankerCard
from robustrank_defenses.randomized_smoothing import RandomizedSmoothing

KS, RADII, SAMPLES, LIMIT = (1, 5, 10), (1, 2, 5), 1000, 160


@dataclass
class Counting:
    """Counts the pairs that are scored."""

    base: Ranker
    pairs: int = 0

    @property
    def card(self) -> RankerCard:
        return self.base.card

    def score(self, query: Query, docs: Sequence[Document], /) -> list[float]:
        self.pairs += len(docs)
        return self.base.score(query, docs)


def main() -> None:
    queries = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    small = sys.argv[2] if len(sys.argv) > 2 else None
    found = [compared("bm25", queries, 20, None)]
    if small is not None:
        found.append(compared("small", max(queries // 5, 1), 10, small))
    text = json.dumps(found, indent=1) + "\n"
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "cost.json").write_text(text)
    sys.stdout.write(text)


def compared(name: str, queries: int, depth: int, small: str | None) -> dict[str, Any]:
    """Pairs and decisions of both ways."""
    collection = SciFact().load()
    center, temperature = calibrated(name, "scifact", small)
    base = build(name, collection, small)
    fixed, batches = Counting(base), Counting(base)
    options = RandomizedSmoothing(
        samples=SAMPLES, substitutes="counterfitted-mutual", center=center, temperature=temperature
    )
    asked = both = recipe_only = batches_only = 0
    for query, docs in sampled_lists(collection, depth, queries):
        by_recipe = {(c.k, c.radius): c.certified for c in options.wrap(fixed).certify(query, docs, KS, RADII)}
        for claim in replace(options, samples=LIMIT).wrap(batches).certify_in_batches(query, docs, KS, RADII):
            other = by_recipe[claim.k, claim.radius]
            asked += 1
            both += claim.certified and other
            recipe_only += other and not claim.certified
            batches_only += claim.certified and not other
    return {
        "ranker": base.card.name,
        "lists": queries,
        "depth": depth,
        "questions": asked,
        "certified by both": both,
        "by the recipe only": recipe_only,
        "in batches only": batches_only,
        "pairs of the recipe": fixed.pairs,
        "pairs in batches": batches.pairs,
        "ratio": round(fixed.pairs / batches.pairs, 2),
    }


if __name__ == "__main__":
    main()
