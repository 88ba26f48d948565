"""Populations whose truth is known, for coverage.py: real per-query values (data/populations.json), and made-up ones.

A population is one matrix a group, one row a query and one column a quantity; samples are drawn with replacement.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from robustrank.protocols.five_tasks.variance import PARTS, anywhere
from robustrank.stats.resampling import Floats

DATA = Path(__file__).parent / "data" / "populations.json"
MANY = 4000
"""Queries of a made-up population."""

Figure = Callable[..., Floats]
"""From one list of columns a group, each of any one shape, to the statistic of them."""


class Cell(NamedTuple):
    """What is estimated of which population.

    Args:
        statistic: Its name in the table.
        population: Its name in the table.
        groups: A matrix each.
        figure: The statistic of the groups' means.
        unseen: Per group the rows that a query could have.
        sizes: Of the groups' samples, as multiples of n.
    """

    statistic: str
    population: str
    groups: Sequence[Floats]
    figure: Figure
    unseen: Sequence[Floats]
    sizes: Sequence[int] = (1,)
    parts: Sequence[float] = (1.0,)

    @property
    def truth(self) -> float:
        """The statistic of the population."""
        return float(self.figure(*([*group.mean(axis=0)] for group in self.groups)))


def cells() -> Iterator[Cell]:
    """All of them."""
    real, made = dict(_real()), dict(_made())
    for name, values in {**{k: v[:, 0] for k, v in real.items()}, **made}.items():
        yield Cell("mean", name, [values[:, None]], lambda a: a[0], [_ends((0, 1))])
    for name, values in _binary():
        yield Cell("share", name, [values[:, None]], lambda a: a[0], [_ends((0, 1))])
    for name, rows in _clusters():
        most = rows[:, 1].max()
        unseen = np.array([[0.0, most], [most, most]])
        yield Cell("share of cases", name, [rows], lambda a: a[0] / a[1], [unseen])
    differences = {**{k: v[:, 1] - v[:, 0] for k, v in real.items()}, **dict(_losses())}
    for name, values in differences.items():
        yield Cell("paired difference", name, [values[:, None]], lambda a: a[0], [_ends((-1, 1))])
    for one, other in (
        ("SelQA nDCG@10: BM25, tiny", "DL21 nDCG@10: BM25, tiny"),
        ("NFCorpus nDCG@10: BM25, tiny", "DL19 RR@10: BM25, tiny"),
        ("3 % lose .6 to 1, 20 % jitter", "SelQA RR@10: BM25, tiny"),
        ("3 % lose .6 to 1, 20 % jitter", "3 % lose .6 to 1, 20 % jitter"),
    ):
        groups = [differences[name][:, None] for name in (one, other)]
        name = f"{one} − {other}"
        yield Cell("difference of differences", name, groups, lambda a, b: a[0] - b[0], [_ends((-1, 1))] * 2, (1, 1))
    yield from _changes(real, made)
    for name, values in {**{k: v[:, 0] for k, v in real.items()}, **made}.items():
        rows = np.c_[values, values**2]
        yield Cell("coefficient of variation", name, [rows], _variation, [np.array(anywhere((0, 1)))], parts=PARTS)
    for name, rows in real.items():
        four = np.c_[rows[:, :1], rows[:, :1] ** 2, rows[:, 1:], rows[:, 1:] ** 2]
        unseen = np.array([[*x, *y] for x, y in product(anywhere((0, 1)), repeat=2)])
        yield Cell(
            "difference of CVs", name, [four], lambda a: _variation(a[2:]) - _variation(a[:2]), [unseen], parts=PARTS
        )


def _changes(real: dict[str, Floats], made: dict[str, Floats]) -> Iterator[Cell]:
    """Relative losses: on the same queries, on others, and minus the baseline's."""
    broken = np.array(made["spread: beta(2, 3)"])
    rng = np.random.default_rng(9)
    lost = np.where(
        rng.random(MANY) < 0.03, 0.0, broken - (rng.random(MANY) < 0.2) * broken * rng.uniform(0.01, 0.1, MANY)
    )
    paired = {**real, "3 % lose all, 20 % jitter": np.c_[broken, lost]}
    for name, rows in paired.items():
        yield Cell("share lost, same queries", name, [rows], lambda a: 1 - a[1] / a[0], [_ends((0, 1), (0, 1))])
    away = (
        ("SelQA nDCG@10: BM25, tiny", "NFCorpus nDCG@10: BM25, tiny"),
        ("DL21 RR@10: BM25, tiny", "SelQA P@10: BM25, tiny"),
    )
    away += (
        ("DL19 nDCG@10: BM25, tiny", "DL21 nDCG@10: BM25, tiny"),
        ("NFCorpus AP: BM25, tiny", "SelQA AP: BM25, tiny"),
    )
    for home, other in away:
        both = [real[home], real[other]]
        alone = [each[:, :1] for each in both]
        name = f"{home.partition(':')[0]} → {other.partition(':')[0]}"
        yield Cell("difference of two collections", name, alone, lambda a, b: b[0] - a[0], [_ends((0, 1))] * 2, (1, 1))
        yield Cell("share lost, other queries", name, alone, lambda a, b: b[0] / a[0] - 1, [_ends((0, 1))] * 2, (1, 1))
        yield Cell("share lost, 4 n at home", name, alone, lambda a, b: b[0] / a[0] - 1, [_ends((0, 1))] * 2, (4, 1))
        yield Cell("share lost minus the baseline's", name, both, _against, [_ends((0, 1), (0, 1))] * 2, (1, 1))


def _against(a: Sequence[Floats], b: Sequence[Floats]) -> Floats:
    return b[1] / a[1] - b[0] / a[0]


def _variation(a: Sequence[Floats]) -> Floats:
    spread: Floats = np.sqrt(np.maximum(a[1] - a[0] ** 2, 0)) / a[0]
    return spread


def _ends(*bounds: tuple[float, float]) -> Floats:
    return np.array(list(product(*bounds)), dtype=np.float64)


def _real() -> Iterator[tuple[str, Floats]]:
    """Two rankers side by side on the same queries."""
    data = json.loads(DATA.read_text())["values"]
    for collection, measures in data.items():
        for measure, values in measures.items():
            other = "tiny" if "tiny" in values else "late interaction"
            yield f"{collection} {measure}: BM25, {other}", np.c_[values["BM25"], values[other]]
            if "LambdaMART, seed 1" in values:
                name = f"{collection} {measure}: two seeds"
                yield name, np.c_[values["LambdaMART, seed 1"], values["LambdaMART, seed 2"]]


def _made() -> Iterator[tuple[str, Floats]]:
    rng = np.random.default_rng(1)
    near_one = 1 - 0.01 * rng.random(MANY)
    yield "spread: beta(2, 3)", rng.beta(2, 3, MANY)
    yield "95 % in [.99, 1], 5 % zeros", np.where(rng.random(MANY) < 0.05, 0.0, near_one)
    yield "98 % in [.99, 1], 2 % zeros", np.where(rng.random(MANY) < 0.02, 0.0, near_one)
    yield "near-constant .5 with jitter", 0.5 + 0.001 * rng.standard_normal(MANY)
    yield "near-constant, 10 % at 1", np.where(rng.random(MANY) < 0.1, 1.0, 0.3 + 0.002 * rng.random(MANY))
    yield "ties: 0, 1/2, 1", rng.choice([0.0, 0.5, 1.0], p=[0.7, 0.2, 0.1], size=MANY)
    yield "90 % ones, else beta(2, 2)", np.where(rng.random(MANY) < 0.1, rng.beta(2, 2, MANY), 1.0)
    yield "70 % zeros, else beta(5, 2)", np.where(rng.random(MANY) < 0.3, rng.beta(5, 2, MANY), 0.0)


def _binary() -> Iterator[tuple[str, Floats]]:
    for p in (0.02, 0.1, 0.3, 0.5, 0.95):
        yield f"p = {p}", (np.arange(MANY) < p * MANY).astype(np.float64)


def _clusters() -> Iterator[tuple[str, Floats]]:
    """(successes, cases) of queries with several targets."""
    rng = np.random.default_rng(2)
    easy, five = rng.beta(0.4, 1.6, MANY), np.full(MANY, 5)
    yield "5 targets, queries differ", np.c_[rng.binomial(5, easy), five]
    yield "5 targets, all alike", np.c_[rng.binomial(5, 0.2, MANY), five]
    yield "5 targets, 95 % of queries all, else none", np.c_[5 * (rng.random(MANY) < 0.95), five]
    some = rng.integers(1, 6, MANY)
    yield "1 to 5 targets, more where it is easy", np.c_[rng.binomial(some, some / 8), some]


def _losses() -> Iterator[tuple[str, Floats]]:
    """Differences of two releases."""
    rng = np.random.default_rng(3)

    def jitter(share: float) -> Floats:
        return (rng.random(MANY) < share) * rng.uniform(0.01, 0.1, MANY) * rng.choice([-1, 1], MANY)

    yield "3 % lose .6 to 1, 20 % jitter", np.where(rng.random(MANY) < 0.03, -rng.uniform(0.6, 1, MANY), jitter(0.2))
    yield "1 % lose 1, all jitter", np.where(rng.random(MANY) < 0.01, -1.0, jitter(1))
    yield "5 % lose .3, else 0", np.where(rng.random(MANY) < 0.05, -0.3, 0.0)
    yield (
        "5 % lose .5 to 1, 5 % gain so much",
        np.where(rng.random(MANY) < 0.1, rng.choice([-1, 1], MANY) * rng.uniform(0.5, 1, MANY), jitter(0.5)),
    )
    yield (
        "normal, sd .2, and 3 % lose 1",
        np.where(rng.random(MANY) < 0.03, -1.0, np.clip(rng.normal(0, 0.2, MANY), -1, 1)),
    )
    yield "constant .02 with jitter", 0.02 + 0.001 * rng.standard_normal(MANY)
