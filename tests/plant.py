"""Texts of an attacker's choice in every place of a summary that holds text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

from robustrank.core.types import Estimate, Range


def plant(value: Any, texts: Iterator[str]) -> Any:
    """The same data with every string in it, keys of mappings included, replaced by the next of ``texts``.

    Strings the report reads for meaning (``"all"``, ``"document"``, ``"ok"`` and the like) stay, or there would be
    nothing to show.
    """
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return value if value in _MEANINGFUL else next(texts)
    if isinstance(value, Mapping):
        return {plant(key, texts): plant(item, texts) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: plant(getattr(value, f.name), texts) for f in fields(value)})
    if isinstance(value, Estimate | Range) or not isinstance(value, list | tuple):
        return value
    planted = [plant(item, texts) for item in value]
    return type(value)(*planted) if hasattr(value, "_fields") else type(value)(planted)


_MEANINGFUL = frozenset(
    ["home", "shift", "all", "document", "query", "equal", "replace", "insert", "delete", "ok", "fail", "pass",
     "inconclusive", "serious", "warning", "corpus", "query type", "system", "ASR@10", "demoted", "versions"]
)  # fmt: skip
