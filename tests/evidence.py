"""Evidence of made-up records, for protocols that read no setup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from robustrank.config import audit_file
from robustrank.protocols.interface import Evidence
from robustrank.work.records import SetupRecord, TaskRecord

AUDIT = """
name = "made up"
measures = ["nDCG@10"]
[[collection]]
use = "jsonl"
path = "x"
name = "home"
[[ranker]]
use = "random"
name = "r"
[[ranker]]
use = "bm25"
name = "s"
"""


def evidence(records: Sequence[TaskRecord], effectiveness: Sequence[Any] = (), attacks: Sequence[Any] = ()) -> Evidence:
    """Records of the rankers ``r`` (not the first stage) and ``s`` (the first stage itself) on ``home``."""
    results = {"effectiveness": list(effectiveness), "attacks": list(attacks)}
    return Evidence(spec=audit_file.parse(AUDIT), setup=cast(SetupRecord, None), tasks=records, results=results)
