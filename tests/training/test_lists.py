"""The round-trip filter of generated queries: what an oracle keeps, and that wider filters keep more."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from robustrank.core.errors import ConfigError
from robustrank.core.plugin_spec import parse
from robustrank.core.progress import Silent
from robustrank.plugins import registry
from robustrank.testing import WordWeights
from robustrank.training import distill
from robustrank.training.groups import Group
from robustrank.training.lists.round_trip import RoundTrip

LISTS = [
    Group("salt sea", ("the salt sea", "a sea", "moon")),  # its own passage first
    Group("salt sea", ("a sea", "the salt sea", "moon")),  # second
    Group("moon", ("sun", "moon sea", "the moon is a moon")),  # third
]


def kept(keep: int) -> list[Group]:
    return RoundTrip(ranker=WordWeights(), keep=keep).lists(LISTS, Random(0))


def test_a_list_is_kept_where_its_passage_has_the_rank_or_a_better_one() -> None:
    assert kept(1) == LISTS[:1]
    assert kept(2) == LISTS[:2]
    assert kept(3) == LISTS


def test_wider_filters_keep_what_narrow_ones_keep() -> None:
    assert set(kept(1)) <= set(kept(2)) <= set(kept(3))


def test_a_rank_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        registry.build("list_maker", parse("round_trip(ranker={'use': 'random'}, keep=0)"))


def test_a_stage_learns_from_what_is_kept(training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def counted(self: RoundTrip, lists: list[Group], rng: Random, /) -> list[Group]:
        seen.append(len(lists))
        return lists[:3]

    monkeypatch.setattr(RoundTrip, "lists", counted)
    table = 'checkpoint = 2 }\n[[stage.lists]]\nuse = "round_trip"\nranker = { use = "random" }\n'
    training.write_text(training.read_text().replace("checkpoint = 2 }", table))
    phases: list[tuple[str, int]] = []

    class Noted(Silent):
        def start(self, phase: str, total: int) -> None:
            phases.append((phase, total))

    folder = distill.run(training, tmp_path / "out", Noted())
    assert seen[0] > 3
    steps = next(total for phase, total in phases if phase == "training")
    assert steps < 2 * seen[0]
    (stage,) = json.loads((folder / "variant.json").read_text())["stages"]
    assert stage["parts"] == {"list_maker": "round_trip(ranker={'use': 'random'})"}
