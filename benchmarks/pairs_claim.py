"""How many times fewer pairs than TextAttack's greedy-WIR are asked, at success that is shown not to be worse.

``python benchmarks/pairs_claim.py [RECORDS]`` reads records of ``benchmarks/word_substitution.py run`` (by default
``reports/word-substitution/pairs.jsonl``) and prints a Markdown table. *Not worse* holds where the lower end of the
paired difference's two-sided 95 % interval (whole queries resampled), which is stricter than the one-sided one, is
above -0.05. Ratios are of means and of medians of pairs over the same targets.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import mean, median
from typing import Any

from robustrank.stats import intervals

RECORDS = Path(__file__).parents[1] / "reports" / "word-substitution" / "pairs.jsonl"
THEIRS = "TextAttack greedy-WIR"
GOAL, WORSE = 10, 0.05
CLAIMED = {"ours, scores": 5, "ours, weights": 10}


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else RECORDS
    groups: dict[tuple[str, str, str], dict[tuple[str, str], Any]] = {}
    for record in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        group = groups.setdefault((record["collection"], record["ranker"], record["attack"]), {})
        group[record["query_id"], record["stratum"]] = record
    print("| collection | victim | ours | targets (queries) | top 10 ours / theirs | difference [95 %] | not worse "
          "by 0.05 | pairs, mean ours / theirs | ratio of means | of medians | claimed |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for (collection, ranker, attack), ours in sorted(groups.items()):
        theirs = groups.get((collection, ranker, THEIRS), {})
        both = sorted(ours.keys() & theirs.keys())
        if attack == THEIRS or not both:
            continue
        won = [[float(side[t]["rank_after"] <= GOAL) for t in both] for side in (ours, theirs)]
        pairs = [[side[t]["pairs"] for t in both] for side in (ours, theirs)]
        differences = [a - b for a, b in zip(*won, strict=True)]
        e = intervals.mean(differences, clusters=[q for q, _ in both], bounds=(-1, 1))
        ratios = mean(pairs[1]) / mean(pairs[0]), median(pairs[1]) / median(pairs[0])
        claim = CLAIMED[attack]
        verdict = "yes" if e.low > -WORSE else "no"
        print(
            f"| {collection} | {ranker} | {attack} | {len(both)} ({e.n}) | {sum(won[0]):.0f} / {sum(won[1]):.0f} | "
            f"{e.value:+.3f} [{e.low:+.3f}, {e.high:+.3f}] | {verdict} | {mean(pairs[0]):.0f} / {mean(pairs[1]):.0f} | "
            f"{ratios[0]:.1f} | {ratios[1]:.1f} | {claim}: {'reached' if min(ratios) >= claim else 'not reached'} |"
        )


if __name__ == "__main__":
    main()
