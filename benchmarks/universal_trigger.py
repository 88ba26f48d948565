"""Finds a universal trigger on TREC DL 2021 and reports it on held-out queries and documents.

``python benchmarks/universal_trigger.py [--size N] [--restarts N] [--training N] [--seed N]``

The queries of the collection are divided by seed: those of ``benchmarks/insertion.py`` (the first 20) are held out, the
next ``--training`` are searched on, and the others decide between restarts; a pair whose document is in a list of a
held-out query is left out. Lists are BM25's top 100, each query gives a document of clean rank 11 to 20 and one of 21
to 50 that are not judged relevant. Printed are the trigger, the mean gain of log rank on the three sets, and its
control: the best of as many random triggers, chosen on the same pairs. No other collection is looked at.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from math import exp
from pathlib import Path
from random import Random

from word_substitution import DATA, GOAL, RANKERS, _cases

from robustrank.collections.beir import Beir
from robustrank.core.interfaces import Ranker
from robustrank.core.plugin_spec import Plugin
from robustrank.core.ranking import rank_of
from robustrank.core.types import Budget, Case
from robustrank.core.words import cost, words
from robustrank.perturbations.oracle import MeteredOracle, MeteredRanker
from robustrank.plugins.registry import build
from robustrank.stats import intervals
from robustrank_attacks.insertion.universal_trigger import Trigger, UniversalTrigger, find_trigger

HELD_OUT = 20
WORDS = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=3)
    parser.add_argument("--restarts", type=int, default=6)
    parser.add_argument("--training", type=int, default=20)
    parser.add_argument("--queries", type=int, default=53)
    parser.add_argument("--sweeps", type=int, default=10)
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument(
        "--records", type=Path, default=Path("universal-trigger.jsonl"), help="lists are kept beside it"
    )
    options = parser.parse_args()
    options.collection, options.ranker, options.strata = "msmarco-dl21", "tiny", ["11-20", "21-50"]
    use, params = RANKERS[options.ranker]
    ranker: Ranker = build("ranker", Plugin(use=use, params=params))
    collection = Beir(path=str(DATA / options.collection)).load()
    clean_of = {case: clean for _, case, clean in _cases(options, collection, ranker)}
    training, selection, held_out = divided(list(clean_of), options)
    print(f"pairs: {len(training)} searched on, {len(selection)} chosen on, {len(held_out)} held out")
    seen = Counter(w.text.lower() for case in training for w in words(case.target.text) if cost(w.text) == 1)
    possible = sorted(seen, key=lambda word: (-seen[word], word))[:WORDS]
    for name, sweeps in (("trigger", options.sweeps), ("control: best of as many random triggers", 0)):
        found = find_trigger(
            ranker, training, selection, possible, Random(options.seed),
            size=options.size, restarts=options.restarts, sweeps=sweeps,
        )  # fmt: skip
        print(line(name, found, ranker, {case: clean_of[case] for case in held_out}), flush=True)


def divided(cases: Sequence[Case], options: argparse.Namespace) -> tuple[list[Case], list[Case], list[Case]]:
    """Pairs to search on, to choose on, and held out; no held-out list has a document of the others."""
    queries = list(dict.fromkeys(case.query.query_id for case in cases))
    number = {query: at for at, query in enumerate(queries)}
    held_out = [case for case in cases if number[case.query.query_id] < HELD_OUT]
    hidden = {doc.doc_id for case in held_out for doc in case.candidates}
    others = [case for case in cases if number[case.query.query_id] >= HELD_OUT and case.target.doc_id not in hidden]
    last = HELD_OUT + options.training
    training = [case for case in others if number[case.query.query_id] < last]
    return training, [case for case in others if number[case.query.query_id] >= last], held_out


def line(name: str, found: Trigger, ranker: Ranker, held_out: Mapping[Case, Sequence[tuple[str, float]]]) -> str:
    """What a trigger does, with the share of held-out documents that it brings into the top 10."""
    attack = UniversalTrigger(words=found.words)
    tops, ratios = [], []
    for case, clean in held_out.items():
        metered = MeteredRanker(ranker)
        metered.remember(case.query, case.candidates, [dict(clean)[doc.doc_id] for doc in case.candidates])
        oracle = MeteredOracle(metered, case, attack.threat, Budget())
        text = str(attack.perturb(case, oracle, Random(0)).target)
        (score,) = ranker.score(case.query, [case.target._replace(text=text)])
        before = rank_of(case.target.doc_id, dict(clean)[case.target.doc_id], clean)
        after = rank_of(case.target.doc_id, score, clean)
        tops.append(after <= GOAL)
        ratios.append(after / before)
    share = intervals.share(tops, clusters=[case.query.query_id for case in held_out])
    kept = sum(ratio < 1 for ratio in ratios)
    return (
        f"{name}: {' '.join(found.words)!r}: rank divided by {exp(found.training):.2f} (searched on), "
        f"{exp(found.selection):.2f} (chosen on), {held_out_ratio(ratios):.2f} (held out); "
        f"top 10 {share.value:.2f} [{share.low:.2f}, {share.high:.2f}], better for {kept} of {len(ratios)}"
    )


def held_out_ratio(ratios: Sequence[float]) -> float:
    """Geometric mean of rank before over rank after."""
    product = 1.0
    for ratio in ratios:
        product *= ratio ** (-1 / len(ratios))
    return product


if __name__ == "__main__":
    main()
