"""How much of the best possible attack is found, where a neural ranker's legal texts can be enumerated.

``python benchmarks/optimum_share.py [N]``: the first N short sentences of SelQA's questions whose space of two
substitutions has at most 1,500 texts; the victim is robustrank-tiny. Prints, for each access, the mean share of the
largest possible gain in score that was reached (sentences that no text betters are left out), how often all of it was,
and the pairs asked against those enumerated.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import combinations, product
from random import Random

from robustrank.collections.bundled import SelQA
from robustrank.core.interfaces import Ranker
from robustrank.core.plugin_spec import Plugin
from robustrank.core.types import Budget, Case, Document
from robustrank.core.words import substitute, words
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.perturbations.substitutes import load
from robustrank.plugins.registry import build
from robustrank.stats import intervals
from robustrank.testing import make_case

TABLE, EDITS, MOST, WORDS = "counterfitted|wordnet", 2, 1_500, 20
ATTACKS = {
    "weights": ("word_substitution", {"access": "weights", "pairs": 24, "batch": 2}),
    "scores": ("word_substitution", {"access": "scores", "pairs": 24, "batch": 2}),
    "scores, 60 pairs": ("word_substitution", {"access": "scores", "pairs": 60, "batch": 2}),
    "ranks": ("word_substitution", {"access": "ranks", "pairs": 24, "batch": 2}),
    "TextFooler's order": ("textfooler", {}),
    "beam of 4": ("beam_substitution", {}),
}


def main() -> None:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    ranker = build("ranker", Plugin(use="cross_encoder", params={"model": "robustrank-tiny"}))
    shares: dict[str, list[float]] = {name: [] for name in ATTACKS}
    pairs: dict[str, list[int]] = {name: [] for name in ATTACKS}
    sizes = []
    for case in _cases(ranker, wanted):
        victim = MeteredRanker(ranker)
        best, size = _best(victim, case)
        (clean,) = victim.score(case.query, [case.target])
        if best <= clean:
            continue
        sizes.append(size)
        for name, (use, params) in ATTACKS.items():
            attack = build("attack", Plugin(use=use, params={**params, "substitutes": TABLE}))
            oracle = MeteredOracle(victim, case, attack.threat, Budget(edits=EDITS))
            done = attack.perturb(case, oracle, Random(0))
            text = case.target.text if done.target is None else done.target
            (score,) = victim.score(case.query, [Document("", text)])
            shares[name].append((score - clean) / (best - clean))
            pairs[name].append(oracle.spent)
    print(f"{len(sizes)} sentences, {sum(sizes) / len(sizes):.0f} texts enumerated on average, {EDITS} words")
    for name, found in shares.items():
        mean = intervals.mean(found, bounds=(-1, 1))
        whole = intervals.share([share > 1 - 1e-6 for share in found])
        print(
            f"{name}: {mean.value:.2f} [{mean.low:.2f}, {mean.high:.2f}] of the optimum, all in {whole.value:.2f} "
            f"[{whole.low:.2f}, {whole.high:.2f}] (n={mean.n}), {sum(pairs[name]) / len(found):.0f} pairs"
        )


def _cases(ranker: Ranker, wanted: int) -> Iterator[Case]:
    collection = SelQA().load()
    found = 0
    for query in collection.queries:
        pool = [collection.documents[doc_id] for doc_id in collection.candidates[query.query_id]]
        short = [doc for doc in pool if len(words(doc.text)) <= WORDS and 0 < _size(doc.text) <= MOST]
        if short and len(pool) > 1:
            others = [doc.text for doc in pool if doc != short[0]]
            yield make_case(ranker, query.text, [short[0].text, *others], 0, goal_rank=0)
            found += 1
            if found == wanted:
                return


def _size(text: str) -> int:
    counts = [len(others) for others in load(TABLE).within(text).values()]
    return sum(counts) + sum(a * b for a, b in combinations(counts, 2))


def _best(victim: MeteredRanker, case: Case) -> tuple[float, int]:
    """The best score of any legal text, and how many there are."""
    possible = load(TABLE).within(case.target.text)
    texts = [
        substitute(case.target.text, dict(zip(positions, chosen, strict=True)))
        for count in range(1, EDITS + 1)
        for positions in combinations(possible, count)
        for chosen in product(*(possible[position] for position in positions))
    ]
    return max(victim.score(case.query, [case.target, *(Document("", text) for text in texts)])), len(texts)


if __name__ == "__main__":
    main()
