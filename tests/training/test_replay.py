"""Replay: which lists a stage learns from again, with which targets, and that a run that was cut off goes on."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from robustrank.core.errors import ConfigError, ContractError
from robustrank.core.progress import Progress, Silent
from robustrank.core.training_types import ListMaker, WithEarlier
from robustrank.testing import KilledAfter
from robustrank.training import distill
from robustrank.training.batches import Example
from robustrank.training.groups import Group
from robustrank.training.lists.replay import Replay
from robustrank.training.lists.round_trip import RoundTrip
from robustrank.training.trainer import fit


def stage(name: str, number: int) -> list[Group]:
    return [Group(f"{name} {each}", ("a", "b"), (1.0, 0.0)) for each in range(number)]


NEW, FIRST, SECOND = [Group("new", ("a", "b"))], stage("first", 10), stage("second", 20)


def replayed(share: float, seed: int = 1) -> list[Group]:
    lists = Replay(share=share).after([FIRST, SECOND]).lists(NEW, Random(seed))
    assert list(lists[:1]) == NEW
    return list(lists[1:])


def test_a_share_of_every_earlier_stage_is_added_and_the_same_seed_draws_the_same_lists() -> None:
    half = replayed(0.5)
    assert len(set(half)) == len(half) == 15
    assert len(set(half) & set(FIRST)) == 5
    assert len(set(half) & set(SECOND)) == 10
    assert replayed(0.5) == half
    assert replayed(0.5, seed=2) != half
    assert set(replayed(1.0)) == {*FIRST, *SECOND}


def test_a_share_of_0_is_the_stage_alone() -> None:
    assert replayed(0.0) == []
    assert list(Replay(share=0.0).lists(NEW, Random(1))) == NEW


def test_without_an_earlier_stage_of_teachers_there_is_nothing_to_replay() -> None:
    with pytest.raises(ConfigError, match="no earlier"):
        Replay().lists(NEW, Random(1))
    assert isinstance(Replay(), ListMaker)
    assert isinstance(Replay(), WithEarlier)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_shares_that_mean_nothing_are_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="from 0 to 1"):
        Replay(share=share)


@pytest.fixture
def stages(training: Path) -> Path:
    """A training file with three stages, whose teachers differ; the last two replay half of the lists before them."""
    head, _, body = training.read_text().partition("[[stage]]")
    text = head
    for number in (1, 2, 3):
        own = body.replace('"only"', f'"stage {number}"').replace("seed = 1", f"seed = {number}")
        table = 'checkpoint = 2 }\n[[stage.lists]]\nuse = "replay"\nshare = 0.5'
        text += "[[stage]]" + (own.replace("checkpoint = 2 }", table) if number > 1 else own)
    training.write_text(text)
    return training


def learned(file: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[Example]]:
    """The training examples of every stage."""
    seen: list[list[Example]] = []

    def watched(model: Any, train: list[Example], *rest: Any, **named: Any) -> Any:
        seen.append(list(train))
        return fit(model, train, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(distill, "fit", watched)
        distill.run(file, out, Silent())
    return seen


def content(examples: list[Example]) -> list[tuple[Any, ...]]:
    return [(*(tuple(ids) for ids in each.ids), *each.targets) for each in examples]


def test_replayed_lists_keep_the_targets_of_their_own_teachers_and_are_not_replayed_twice(
    stages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = learned(stages, tmp_path / "out", monkeypatch)
    number = len(first)
    half = round(number / 2)
    assert [len(first), len(second), len(third)] == [number, number + half, number + 2 * half]
    assert {*content(second[number:])} < {*content(first)}
    assert not {*content(second[:number])} & {*content(first)}, "teachers of the stages differ"
    assert {*content(third[number : number + half])} < {*content(first)}
    assert {*content(third[number + half :])} < {*content(second[:number])}


def test_a_list_maker_that_changes_texts_after_replay_is_an_error(
    stages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def longer(self: RoundTrip, lists: list[Group], rng: Random, /) -> list[Group]:
        return [each._replace(texts=(*each.texts, "more")) for each in lists]

    monkeypatch.setattr(RoundTrip, "lists", longer)
    table = '[[stage.lists]]\nuse = "round_trip"\nranker = { use = "random" }\n'
    text = stages.read_text().replace("share = 0.5\n", f"share = 0.5\n{table}")
    assert text.count("round_trip") == 2
    stages.write_text(text)
    with pytest.raises(ContractError, match="put replay after"):
        distill.run(stages, tmp_path / "out", Silent())


def test_a_share_of_0_trains_the_model_of_the_stages_without_replay(stages: Path, tmp_path: Path) -> None:
    text = stages.read_text()
    without = text.replace('[[stage.lists]]\nuse = "replay"\nshare = 0.5', "")
    assert "replay" not in without
    stages.write_text(without)
    plain = weights(stages, tmp_path / "plain", Silent())
    stages.write_text(text.replace("share = 0.5", "share = 0.0"))
    none = weights(stages, tmp_path / "none", Silent())
    assert all(torch.equal(none[name], weight) for name, weight in plain.items())


def test_a_run_that_was_cut_off_in_a_stage_with_replay_goes_on_to_the_same_weights(
    stages: Path, tmp_path: Path
) -> None:
    stages.write_text(stages.read_text().replace("epochs = 2", "epochs = 4"))
    whole = weights(stages, tmp_path / "whole", Silent())
    counted = Counted()
    weights(stages, tmp_path / "count", counted)
    with pytest.raises(KeyboardInterrupt):
        distill.run(stages, tmp_path / "cut", KilledAfter(counted.steps - 3))
    assert len(list((tmp_path / "cut" / "checkpoints").iterdir())) == 3
    resumed = weights(stages, tmp_path / "cut", Silent())
    assert all(torch.equal(resumed[name], weight) for name, weight in whole.items())


class Counted(Silent):
    """Counts advances."""

    steps = 0

    def advance(self, n: int = 1) -> None:
        self.steps += bool(n)


def weights(file: Path, out: Path, progress: Progress) -> dict[str, Any]:
    stored: dict[str, Any] = load_file(distill.run(file, out, progress) / "model.safetensors")
    return stored
