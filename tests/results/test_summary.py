"""summary.json: what is written is what is read, or a typed error says why not."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from itertools import repeat
from pathlib import Path
from types import SimpleNamespace

import pytest

from robustrank.core.errors import StoreError
from robustrank.core.types import Estimate
from robustrank.results import summary


@pytest.mark.parametrize("kind", ["realistic", "bare"])
def test_a_summary_survives_writing_and_reading(summaries: SimpleNamespace, kind: str, tmp_path: Path) -> None:
    whole = getattr(summaries, kind)()
    summary.write(whole, tmp_path / "summary.json")
    back = summary.read(tmp_path / "summary.json")
    assert json.dumps(asdict(back)) == json.dumps(asdict(whole))
    assert all(isinstance(figure.mean, Estimate) for figure in back.effectiveness)


def test_reading_and_writing_again_gives_the_same_bytes(summaries: SimpleNamespace, tmp_path: Path) -> None:
    summary.write(summaries.realistic(), tmp_path / "a.json")
    summary.write(summary.read(tmp_path / "a.json"), tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_text_that_utf8_cannot_hold_survives(summaries: SimpleNamespace, tmp_path: Path) -> None:
    whole = summaries.plant(summaries.realistic(), repeat("\ud800\u202e\x1b"))
    summary.write(whole, tmp_path / "summary.json")
    assert summary.read(tmp_path / "summary.json").worst_cases[0].before == "\ud800\u202e\x1b"
    assert (tmp_path / "summary.json").read_bytes().isascii()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ("[]", f"schema None, this version reads {summary.SCHEMA}"),
        ('{"schema": 99}', f"schema 99, this version reads {summary.SCHEMA}"),
        (f'{{"schema": {summary.SCHEMA}, "name": "x"}}', "not a summary of this version"),
        (f'{{"schema": {summary.SCHEMA}, "nonsense": 1}}', "not a summary of this version"),
    ],
)
def test_a_file_that_is_no_summary_is_refused_with_a_reason(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(content, encoding="utf-8")
    with pytest.raises(StoreError, match=said):
        summary.read(tmp_path / "summary.json")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("colour",), "red", r"unknown field - at `\$\.colour`"),
        (("attacks", 0, "colour"), "red", r"unknown field - at `\$\.attacks\[0\]\.colour`"),
        (("cases", "rows", 2, "colour"), "red", r"unknown field - at `\$\.cases\.rows\[2\]\.colour`"),
        (("attacks", 0, "boost", 1), "low", r"Expected `float`, got `str` - at `\$\.attacks\[0\]\.boost\[1\]`"),
        (("attacks", 0, "access"), "all", r"Invalid enum value 'all' - at `\$\.attacks\[0\]\.access`"),
        (("effectiveness", 0, "per_query"), [1.0], r"Expected `object`, got `array` - at `\$\.effectiveness\[0\]"),
        (("cases", "rows", 0, "status"), 3, r"Expected `str`, got `int` - at `\$\.cases\.rows\[0\]\.status`"),
        (("five", "table", 0, "verdict"), "worse", r"Invalid enum value 'worse' - at `\$\.five\.table\[0\]\.verdict`"),
        (("pooling", "systems", 0, "kind"), None, r"Expected `str`, got `null` - at `\$\.pooling\.systems\[0\]\.kind`"),
    ],
)
def test_a_value_of_another_form_is_refused_with_its_place(
    summaries: SimpleNamespace, path: tuple[str | int, ...], value: object, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "summary.json"
    summary.write(summaries.realistic(), file)
    data = json.loads(file.read_text())
    del data["crc32"]
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    file.write_text(json.dumps(data))
    with pytest.raises(StoreError, match=rf"summary\.json: not a summary of this version: .*{said}"):
        summary.read(file)


def test_a_figure_that_was_changed_by_hand_is_refused(summaries: SimpleNamespace, tmp_path: Path) -> None:
    file = tmp_path / "summary.json"
    summary.write(summaries.realistic(), file)
    whole = file.read_text()
    changed = re.sub(r'("mean": \[\s*)[\d.]+', r"\g<1>0.123", whole, count=1)
    assert changed != whole
    file.write_text(changed)
    with pytest.raises(StoreError, match="its checksum does not fit, so it was changed"):
        summary.read(file)
    file.write_text(whole[: whole.index(',\n "crc32"')] + "\n}\n")
    with pytest.raises(StoreError, match="it has no checksum"):
        summary.read(file)


def test_a_missing_summary_says_what_writes_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="robustrank audit"):
        summary.read(tmp_path / "summary.json")
