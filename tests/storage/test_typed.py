"""Typed values to JSON and back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from robustrank.storage import typed


@dataclass(frozen=True)
class Inner:
    pairs: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Outer:
    name: str = ""
    inner: Inner = field(default_factory=Inner)
    many: list[Inner] = field(default_factory=list)


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        {"a": [], "b": {}, "c": [1, {"d": 1.5, "é": None}]},
        {"a": "\ud800"},
        {"a": float("inf")},
        [[-0.0], "\n<"],
    ],
)
def test_indented_is_what_json_writes(value: Any) -> None:
    assert typed.indented(value) == json.dumps(value, indent=1)


@pytest.mark.parametrize("name", ["plain", "\ud800"])
def test_what_was_written_is_read_and_what_would_be_dropped_is_refused(name: str) -> None:
    value = Outer(name, Inner([(1, "a")]), [Inner(), Inner([(2, "b")])])
    text = typed.dumps(value, 1)
    assert typed.loads(text, Outer, 1) == value
    data = json.loads(text)
    data["many"][1]["more"] = 0
    with pytest.raises(typed.WrongForm, match=r"unknown field - at `\$\.many\[1\]\.more`"):
        typed.loads(json.dumps(data), Outer, 1)


def test_what_the_type_fills_in_may_be_missing() -> None:
    assert typed.loads('{"schema": 1, "name": "x"}', Outer, 1) == Outer("x")
