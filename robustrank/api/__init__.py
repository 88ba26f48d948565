"""RobustRank from Python: audits of objects and files, and their results as data frames, tables and charts."""

from __future__ import annotations

from robustrank.api.auditing import audit, load
from robustrank.api.result import AuditResult

__all__ = ["AuditResult", "audit", "load"]
