"""What a worker keeps between tasks."""

from __future__ import annotations

from robustrank.config import audit_file
from robustrank.work.perform import workbench

AUDIT = """
name = "small"
[[collection]]
use = "scifact"
[[ranker]]
use = "bm25"
"""


def test_a_process_keeps_one_workbench_for_an_audit_file_whatever_object_holds_it() -> None:
    one, same = (audit_file.parse(AUDIT) for _ in range(2))
    other = audit_file.parse(AUDIT.replace("small", "other"))
    first = workbench(one)
    assert workbench(one) is first
    assert workbench(same) is first
    assert workbench(other).spec == other
    assert workbench(same).spec == one
