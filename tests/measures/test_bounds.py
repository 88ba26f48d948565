"""Every measure declares the range of its values, and keeps to it."""

from __future__ import annotations

from math import inf
from random import Random

import ir_measures
import pytest

from robustrank.core.errors import ConfigError
from robustrank.measures import effectiveness
from robustrank.measures.bounds import difference_bounds, measure_bounds
from robustrank.stats import intervals

NAMES = (
    "nDCG@5", "NDCG", "RR@10", "MRR", "AP", "MAP@5", "P@5", "P(rel=2)@5", "R@5", "Success@1", "Bpref", "Rprec", "infAP",
    "IPrec@0.1", "SetP", "SetR", "SetF", "SetAP", "Judged@5", "WSS@95", "WSS@50", "NumRet", "NumRel", "NumQ",
)  # fmt: skip


UNBOUNDED = {"NumRet": "counts", "NumRel": "counts", "NumRelRet": "counts", "NumQ": "counts"}
"""Measures without an upper bound; see test_measures_below_0_and_without_an_upper_bound_have_intervals."""
PARAMETERS = (
    "nDCG(judged_only=True)@5", "P(judged_only=True)@5", "AP(rel=2)@5", "SetP(relative=True)",
    "SetF(beta=0.1)", "RR(rel=3)", "IPrec@0.5", "IPrec@1.0",
)  # fmt: skip


def _offered(name: str) -> bool:
    try:
        effectiveness.per_query([name], {}, {})
    except ConfigError:
        return False
    return True


OFFERED = [
    name
    for family in sorted(ir_measures.measures.registry)
    for name in (family, f"{family}@1", f"{family}@7")
    if _offered(name)
]
"""Everything that an audit file may name of ir-measures, by family, and with a cutoff."""


def test_every_measure_that_is_offered_declares_bounds_or_is_listed_as_a_count() -> None:
    assert len(OFFERED) > 30
    for name in (*NAMES, *OFFERED, *PARAMETERS):
        counts = name.partition("@")[0] in UNBOUNDED
        assert measure_bounds(name)[1] == inf if counts else measure_bounds(name)[1] <= 1, name


def test_values_lie_within_the_bounds_that_are_declared() -> None:
    random = Random(3)
    docs, names = [f"d{i}" for i in range(10)], [*dict.fromkeys((*NAMES, *OFFERED, *PARAMETERS))]
    for _ in range(60):
        qrels = {"q": {d: random.randint(-1, 3) for d in random.sample(docs, 6)} | {"d0": random.randint(0, 2)}}
        found = effectiveness.per_query(names, {"q": random.sample(docs, random.randint(0, 10))}, qrels)
        for name in names:
            least, greatest = measure_bounds(name)
            assert least - 1e-12 <= found[name]["q"] <= greatest + 1e-12, name


def test_bounds_by_name() -> None:
    assert measure_bounds("WSS@95") == pytest.approx((-0.05, 0.95))
    assert difference_bounds("WSS@95") == pytest.approx((-1, 1))
    assert {measure_bounds(name) for name in NAMES if not name.startswith(("WSS", "Num"))} == {(0, 1)}
    assert measure_bounds("NumRet") == (0, inf)
    assert measure_bounds("nDCG(gains={1:-5})@10") == (-inf, inf)
    assert measure_bounds("INST") == (-inf, inf)
    assert difference_bounds("nDCG@10") == (-1, 1)
    assert difference_bounds("NumRet") == (-inf, inf)


@pytest.mark.parametrize(("name", "values"), [("WSS@95", [-0.05, -0.05, 0.2]), ("NumRet", [20.0, 20.0, 20.0])])
def test_measures_below_0_and_without_an_upper_bound_have_intervals(name: str, values: list[float]) -> None:
    for found in (
        intervals.mean(values, bounds=measure_bounds(name)),
        intervals.lowest_decile(values, bounds=measure_bounds(name)),
    ):
        assert measure_bounds(name)[0] - 1e-12 <= found.low <= found.value <= found.high < inf
        assert found.low < found.high


def test_names_are_read_whole_and_without_regard_to_case() -> None:
    assert measure_bounds("WSS@100") == (0.0, 1.0)
    assert measure_bounds("ndcg@10") == measure_bounds("SETF(beta=2.0)") == measure_bounds("AP(rel=2)@5") == (0.0, 1.0)
    for name in ("xnDCG@10", "nDCGx", "WSS@", "xWSS@95", "WSS@95x", "xNumRet", "NumRetx", "ERR@10", "AP(gains={0:-1})"):
        assert measure_bounds(name) == (-inf, inf), name
    assert measure_bounds("NumRel(rel=2)") == measure_bounds("NumRelRet") == measure_bounds("NumRet@10") == (0.0, inf)
    assert difference_bounds("WSS@80") == (-1.0, 1.0)
    assert difference_bounds("ERR@10") == (-inf, inf)
