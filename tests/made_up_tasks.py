"""Results of the five tasks for tests: one or two of everything, every figure made up."""

from __future__ import annotations

from robustrank.core.types import Estimate
from robustrank.results.five_tasks import (
    Cell,
    Comparative,
    FiveTasks,
    Manipulation,
    SeedVariance,
    Setting,
    TypeLoss,
    Variance,
    VariationLoss,
    WorstSlice,
)

RANKERS = ("BM25", "MiniLM-L12 cross-encoder", "MiniLM-L6 bi-encoder")
TASKS = (
    ("1 i.i.d. variance", "coefficient of variation of nDCG@10 over queries"),
    ("4 query operations", "share lost by a changed query, re-rank fixed, mean over 2 sets of variants"),
)


def about(value: float, n: int = 50) -> Estimate:
    return Estimate(value, value - 0.1, value + 0.1, n)


def made_up_tasks() -> FiveTasks:
    """Against the baseline one cell is shown to be worse, the others are not told from chance."""
    cells = [_cell(task, figure, n, ranker) for task, figure in TASKS for n, ranker in enumerate(RANKERS)]
    return FiveTasks(
        table=cells,
        variance=[
            Variance(
                ranker=ranker, collection="SciFact", measure="nDCG@10", mean=about(0.7), deviation=0.3, cv=about(0.43),
                quantiles=[0.0, 0.4, 0.8, 1.0, 1.0], lowest_decile=about(0.05), floor=0.3, under_floor=about(0.2),
                u_risk=None if ranker == "BM25" else about(0.01), geo_risk=0.5, judgments=0.02,
            )
            for ranker in RANKERS
        ],
        seeds=[
            SeedVariance(
                family="LambdaMART", collection="SciFact", measure="nDCG@10", members=3, queries=50,
                query_variance=0.09, seed_variance=0.0004, residual_variance=0.01,
            )
        ],
        types=[
            TypeLoss(
                ranker=RANKERS[1], collection="SelQA", axis="wh", type="how", queries=18, others=82,
                change=about(-0.06), relative=about(-0.08), versus_baseline=about(0.02), p=0.3, p_holm=1.0,
            )
        ],
        variations=[
            VariationLoss(
                ranker=RANKERS[1], collection="SciFact", variation="typos", operation="swap", setting=Setting.FIXED,
                variants=150, clean=about(0.7), changed=about(0.62), loss=about(0.11), versus_baseline=about(0.03),
                worst=about(0.5), hurt=about(0.3), queries_hurt=about(0.4), by=0.1, p=0.2, p_holm=0.6,
            )
        ],
        manipulations=[
            Manipulation(
                ranker=RANKERS[1], collection="ASRC 2017", edits=223, promoted=about(0.26), fooled=about(0.24),
                earned=about(0.3), gain=about(0.1), versus_baseline=about(-0.02), p=0.7,
            )
        ],
        slices=[
            WorstSlice(
                ranker=RANKERS[1], collection="SelQA", slice="length: long", versus="BM25", queries=12,
                difference=about(-0.2), q=0.04, confirmed_p=0.01, confirmed=True, query_ids=["1", "2"],
            )
        ],
        searched=156,
        families=["the five-task table: all its cells, Holm"],
    )  # fmt: skip


def _cell(task: str, figure: str, n: int, ranker: str) -> Cell:
    if not n:
        return Cell(
            task=task, ranker=ranker, figure=figure, kind="ranking", value=about(0.33), versus_baseline=None,
            effect=None, p=None, p_holm=None, detectable=None, verdict=Comparative.NONE,
        )  # fmt: skip
    shown = task.startswith("4") and n == 1
    return Cell(
        task=task, ranker=ranker, figure=figure, kind="ranking", value=about(0.5 if shown else 0.34),
        versus_baseline=about(0.17 if shown else 0.01), effect=1.1 if shown else 0.1, p=0.001 if shown else 0.8,
        p_holm=0.004 if shown else 1.0, detectable=0.05,
        verdict=Comparative.LESS if shown else Comparative.INCONCLUSIVE,
    )  # fmt: skip
