"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import runpy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings

from robustrank.core.types import (
    Access,
    CollectionRole,
    Estimate,
    Goal,
    Status,
    Surface,
)
from robustrank.results.summary import (
    AttackResult,
    CertifiedResult,
    Effectiveness,
    RankerSummary,
    Shift,
    ShiftKind,
    Summary,
)
from robustrank.work.audited import AuditedCollection

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores; read by torch when it is imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")


# How long an example takes depends on what else the machine does, and is no property of the code.
settings.register_profile("robustrank", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("robustrank")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of full test collections, which lies beside the repository on the developers' machines."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the full test collections are not on this machine (expected beside the repository)")
    return folder


@pytest.fixture(scope="session")
def summaries() -> SimpleNamespace:
    """What the files beside this one define: ``realistic``, ``bare``, ``plant``, ``made_up_cases``, ..."""
    here = Path(__file__).parent
    names = ("summaries.py", "plant.py", "made_up_cases.py", "made_up_tasks.py")
    found = {key: value for name in names for key, value in runpy.run_path(str(here / name)).items()}
    realistic, made_up_cases, made_up_tasks = (found[n] for n in ("realistic", "made_up_cases", "made_up_tasks"))
    whole = cache(lambda: replace(realistic(), cases=made_up_cases(24), five=made_up_tasks()))
    return SimpleNamespace(**found | {"realistic": whole, "bare": cache(found["bare"])})


def estimate(value: float, width: float = 0.1, n: int = 20) -> Estimate:
    """An estimate with a symmetric interval."""
    return Estimate(value, value - width, value + width, n)


def collection(name: str, role: CollectionRole) -> AuditedCollection:
    return AuditedCollection(
        name=name, role=role, documents=9, queries=20, queries_available=30, judgments=40, first_stage="bm25",
        depth=20, digest=f"digest of {name}", terms="", query_types={"how": 10, "what": 10},
    )  # fmt: skip


def effectiveness(ranker: str, where: str, value: float, slice_: str | None = None) -> Effectiveness:
    return Effectiveness(
        ranker=ranker, collection=where, measure="nDCG@10", mean=estimate(value), slice=slice_,
        lowest_decile=estimate(value / 2) if slice_ is None else None,
        per_query={f"q{i}": value + i / 100 for i in range(20)} if slice_ is None else {},
    )  # fmt: skip


def shift(ranker: str, target: str, relative: float, kind: ShiftKind = ShiftKind.CORPUS, source: str = "home") -> Shift:
    return Shift(
        ranker=ranker, kind=kind, source=source, target=target, measure="nDCG@10", change=estimate(relative / 2),
        relative=estimate(relative), relative_to_baseline=estimate(relative + 0.05) if ranker != "bm25" else None,
    )  # fmt: skip


def attack(
    ranker: str,
    name: str,
    asr: float,
    *,
    control: bool = False,
    stratum: str = "all",
    surface: Surface = Surface.DOCUMENT,
) -> AttackResult:
    return AttackResult(
        ranker=ranker, attack=name, plugin=name, control=control, surface=surface, access=Access.NONE,
        goal=Goal.PROMOTE, edits_allowed="insert", stratum=stratum,
        budget={"edits": 5, "calls": None, "similarity": None},
        statuses={Status.OK: 20}, success={"promoted": estimate(asr), "ASR@10": estimate(asr)},
        boost=estimate(3.0, 1.0), harm=estimate(0.02, 0.01), calls=estimate(10), edits=estimate(4), similarity=None,
        seconds=estimate(0.1),
    )  # fmt: skip


def certified(ranker: str, k: int, radius: int, share: float) -> CertifiedResult:
    return CertifiedResult(
        ranker=ranker, collection="home", k=k, radius=radius, edits="substitute(table)", crq=estimate(share),
        alpha=0.05, expected_false=1.0, samples=100, method="certdr-joint", assumes="",
    )  # fmt: skip


@pytest.fixture
def summary() -> Summary:
    """A finished audit: figures 0.1 to either side, n = 20."""
    rankers = [
        RankerSummary(name="bm25", plugin="bm25", fingerprint="1", note=""),
        RankerSummary(name="net", plugin="cross_encoder", fingerprint="2", note=""),
        RankerSummary(
            name="smoothed + bm25", plugin="bm25", fingerprint="3", note="", base="bm25", defense="smoothing"
        ),
    ]
    return Summary(
        name="small", started="2026-01-01T00:00:00+00:00", finished="2026-01-01T00:01:00+00:00", seed=13,
        headline="Against net, stuffing succeeded in 60% of cases.", home="home", measure="nDCG@10", baseline="bm25",
        collections=[collection("home", CollectionRole.HOME), collection("away", CollectionRole.SHIFT)],
        rankers=rankers,
        effectiveness=[
            effectiveness("bm25", "home", 0.5), effectiveness("net", "home", 0.7), effectiveness("net", "away", 0.4),
            effectiveness("net", "home", 0.6, "how"),
        ],
        comparisons=[],
        shifts=[
            shift("bm25", "away", -0.2), shift("net", "away", -0.4),
            shift("net", "home: how", -0.1, ShiftKind.QUERY_TYPE, "home: other types"),
        ],
        attacks=[
            attack("bm25", "stuffing", 0.3), attack("net", "stuffing", 0.6), attack("net", "synonyms", 0.2),
            attack("net", "control", 0.9, control=True), attack("net", "stuffing", 0.8, stratum="11-20"),
        ],
        certificates=[certified("smoothed + bm25", 5, 1, 0.8), certified("smoothed + bm25", 5, 2, 0.5)],
        worst_cases=[], red_flags=[], tested=[], not_tested=[], environment={}, source="",
    )  # fmt: skip


QUERIES = tuple(f"q{n}" for n in range(20))


@pytest.fixture
def keyed(summary: Summary) -> Summary:
    """The same with a hash of every query, so that it can be paired with another audit."""
    keys = {query_id: f"key of {query_id}" for query_id in QUERIES}
    return replace(
        summary,
        collections=[replace(c, query_keys=keys) for c in summary.collections],
        attacks=[replace(a, collection="home") for a in summary.attacks],
    )


# By their names; the summary above decides them: nDCG@10 of net is 0.7 [0.6, 0.8], its ASR@10 under stuffing 0.6.
GATES = {
    "ranks well": 'measure = "nDCG@10"\nmin = 0.5',
    "ranks very well": 'measure = "nDCG@10"\nmin = 0.75',
    "ranks perfectly": 'measure = "nDCG@10"\nmin = 0.95',
    "let through": 'measure = "nDCG@10"\nmin = 0.75\nallow_inconclusive = true',
    "resists": 'measure = "ASR@10"\nmax = 0.4',
    "no loss": 'measure = "nDCG@10"\nworse_by = 0.05',
}


@pytest.fixture
def audit_file() -> Callable[..., str]:
    """Writes the text of an audit file whose gates are some of the above; the first gate's name is in line 9."""

    def text(*gates: str, top: str = "seed = 13") -> str:
        tables = [f'[[gate]]\nname = "{name}"\nwhere = {{ ranker = "net" }}\n{GATES[name]}\n' for name in gates]
        head = f'name = "mine"\n{top}\n[[collection]]\nuse = "beir"\npath = "tiny"\nname = "home"\n'
        return "".join([head, '[[ranker]]\nuse = "bm25"\nname = "net"\n', *tables])

    return text
