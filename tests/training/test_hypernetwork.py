"""The hypernetwork: one task, the start of a second one, what is kept of the first, and whose model is left behind."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from robustrank.core.errors import ConfigError, PluginError
from robustrank.core.progress import Silent
from robustrank.rankers.models.linear_maps import linear_maps
from robustrank.testing import KilledAfter
from robustrank.testing.training_contract import small_batch, small_model
from robustrank.training import distill
from robustrank.training.adapters.hypernetwork import Generated, Hypernetwork
from robustrank.training.losses import margin_mse
from robustrank.training.trainer import scores_of

FIRST = Hypernetwork(task="first", chunk=200, rank=2)
SECOND = Hypernetwork(task="second", chunk=200, rank=2)
NUMBERS = 2 * (4 * 2 * (16 + 16) + 2 * 2 * (16 + 32))
"""Of all factors: of two layers, four maps and two, with rank 2."""


def attach(rules: Hypernetwork, model: Any, learned: Any = None) -> Generated:
    return (rules if learned is None else rules.going_on(learned)).attach(model, 13)


def value(attached: Generated, seed: int) -> float:
    with torch.no_grad():
        return float(loss(attached, seed))


def loss(attached: Generated, seed: int) -> torch.Tensor:
    batch = small_batch(seed=seed)
    scores = scores_of(attached.model, batch)
    whole: torch.Tensor = margin_mse(scores, batch.targets).mean() + attached.extra(attached.model, batch, scores)
    return whole


def trained(attached: Generated, seed: int, steps: int = 40) -> Generated:
    optimizer = torch.optim.Adam([each for each in attached.model.parameters() if each.requires_grad], lr=5e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(attached, seed).backward()
        optimizer.step()
        schedule.step()
    return attached


def maps(model: Any) -> dict[str, torch.Tensor]:
    return {name: module.weight.detach().clone() for name, module in linear_maps(model)}


def plus(base: Mapping[str, torch.Tensor], updates: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    return {name: weight + updates[name].scale * updates[name].up @ updates[name].down for name, weight in base.items()}


def close(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return all(torch.allclose(weight, other[name], atol=1e-5) for name, weight in one.items())


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        scores: torch.Tensor = model(**small_batch(seed=9).inputs).logits
    return scores


@pytest.fixture(scope="module")
def after_first() -> tuple[Any, dict[str, torch.Tensor], Any]:
    """A model that was trained on a first task, its weights before, and what was learned."""
    model = small_model()
    base = maps(model)
    attached = trained(attach(FIRST, model), seed=1)
    learned = attached.learned()
    return attached.merged(), base, learned


def test_one_task_is_plain_training_whatever_beta_is() -> None:
    models = []
    for beta in (0.0, 1e6):
        attached = attach(Hypernetwork(task="first", chunk=200, rank=2, beta=beta), small_model())
        before = value(attached, 1)
        assert torch.allclose(logits(attached.model), logits(small_model()), atol=1e-6)
        assert attached.extra(attached.model, small_batch(), torch.zeros(1)).item() == 0
        models.append(trained(attached, seed=1))
        assert value(attached, 1) < before / 2
    assert close(maps(models[0].merged()), maps(models[1].merged()))


def test_a_second_task_begins_at_the_model_of_the_first_where_the_regulariser_and_its_gradient_are_0(
    after_first: tuple[Any, dict[str, torch.Tensor], Any],
) -> None:
    parent, _, learned = after_first
    model = deepcopy(parent)
    attached = attach(SECOND, model, learned)
    assert torch.allclose(logits(model), logits(parent), atol=1e-6)
    extra = attached.extra(model, small_batch(), torch.zeros(1))
    extra.backward()
    assert extra.item() == 0
    assert all(each.grad is None or not each.grad.any() for each in attached.network.parameters())
    with torch.no_grad():
        attached.network.out.bias += 0.1
    assert attached.extra(model, small_batch(), torch.zeros(1)).item() == pytest.approx(NUMBERS * 0.01, rel=1e-4)


def test_a_strong_regulariser_keeps_what_is_generated_for_the_first_task_and_without_it_it_moves(
    after_first: tuple[Any, dict[str, torch.Tensor], Any],
) -> None:
    parent, _, learned = after_first

    def drift(beta: float) -> float:
        rules = Hypernetwork(task="second", chunk=200, rank=2, beta=beta)
        attached = attach(rules, deepcopy(parent), learned)
        before = value(attached, 2)
        trained(attached, seed=2, steps=120)
        now = attached.network(learned.tasks["first"]).detach()
        if beta == 0:
            assert value(attached, 2) < before / 2, "the second task is learned"
        return float((now - attached.kept["first"]).norm() / attached.kept["first"].norm())

    free, held = drift(0.0), drift(1e6)
    assert free > 0.1
    assert held < 0.01 * free


def test_the_model_that_is_left_behind_is_that_of_one_task(
    after_first: tuple[Any, dict[str, torch.Tensor], Any],
) -> None:
    parent, base, learned = after_first
    for name in (None, "second", "first"):
        rules = Hypernetwork(task="second", chunk=200, rank=2, model=name)
        attached = trained(attach(rules, deepcopy(parent), learned), seed=2)
        of = learned.tasks["first"] if name == "first" else attached.network.task.detach().clone()
        expected = plus(base, attached.factors(of))
        updates = attached.updates()
        assert close(plus(maps(parent), updates), expected), "an update that is kept is added to the weights before"
        merged = attached.merged()
        assert close(maps(merged), expected)
        assert merged.state_dict().keys() == parent.state_dict().keys()
    assert not close(expected, maps(parent)), "what is generated for the first task moved"


def test_a_third_stage_with_a_task_of_before_trains_its_embedding_on_and_keeps_the_other(
    after_first: tuple[Any, dict[str, torch.Tensor], Any],
) -> None:
    parent, _, learned = after_first
    second = trained(attach(SECOND, deepcopy(parent), learned), seed=2)
    now = second.learned()
    assert list(now.tasks) == ["first", "second"]
    left = second.merged()
    again = attach(FIRST, deepcopy(left), now)
    assert torch.equal(again.network.task, now.tasks["first"])
    assert list(again.kept) == ["second"]
    third = attach(Hypernetwork(task="third", chunk=200, rank=2, beta=3.0), left, now)
    assert list(third.kept) == ["first", "second"]
    with torch.no_grad():
        third.network.out.bias += 0.1
    mean = third.extra(third.model, small_batch(), torch.zeros(1)).item()
    assert mean == pytest.approx(3.0 * NUMBERS * 0.01, rel=1e-4)


def test_a_copy_of_the_model_has_a_network_of_its_own(after_first: tuple[Any, dict[str, torch.Tensor], Any]) -> None:
    parent, _, learned = after_first
    model = deepcopy(parent)
    attached = attach(SECOND, model, learned)
    copied = deepcopy(model)
    before = logits(copied)
    trained(attached, seed=2)
    assert torch.equal(logits(copied), before)
    assert not torch.allclose(logits(model), before, atol=1e-3)


def test_stages_that_do_not_fit_together_are_refused(after_first: tuple[Any, dict[str, torch.Tensor], Any]) -> None:
    parent, _, learned = after_first
    for values, message in (({"rank": 3}, "stages before"), ({"hidden": 5}, "stages before"), ({"model": "x"}, "'x'")):
        rules = Hypernetwork(**{"task": "second", "chunk": 200, "rank": 2, **values})  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=message):
            attach(rules, deepcopy(parent), learned)
    changed = deepcopy(parent)
    changed.bert.encoder.layer[0].output.dense.weight.data += 0.1
    with pytest.raises(PluginError, match="changed the weights"):
        attach(SECOND, changed, learned)
    for wrong in ({"rank": 0}, {"beta": -1.0}, {"targets": ()}):
        with pytest.raises(ConfigError, match="hypernetwork"):
            Hypernetwork(task="first", **wrong)


@pytest.fixture
def stages(training: Path) -> Path:
    """A training file with two tasks."""
    head, _, body = training.read_text().partition("[[stage]]")
    text = head
    for number in (1, 2):
        own = body.replace('"only"', f'"stage {number}"').replace("seed = 1", f"seed = {number}")
        table = f'checkpoint = 2 }}\n[stage.adapter]\nuse = "hypernetwork"\nfactor = 10.0\ntask = "{number}"'
        text += "[[stage]]" + own.replace("checkpoint = 2 }", table)
    training.write_text(text)
    return training


def test_two_stages_in_a_training_file_resume_and_kept_updates_are_those_of_one_task_each(
    stages: Path, tmp_path: Path
) -> None:
    folder = distill.run(stages, tmp_path / "whole", Silent())
    whole = load_file(folder / "model.safetensors")
    with pytest.raises(KeyboardInterrupt):
        distill.run(stages, tmp_path / "cut", KilledAfter(2 * 14 - 3))
    assert len(list((tmp_path / "cut" / "checkpoints").iterdir())) == 2
    resumed = load_file(distill.run(stages, tmp_path / "cut", Silent()) / "model.safetensors")
    assert all(torch.equal(resumed[name], weight) for name, weight in whole.items())
    text = stages.read_text()
    for number in (1, 2):
        text = text.replace(f'task = "{number}"', f'task = "{number}"\nkeep = "{number}"')
    stages.write_text(text + '[[merge]]\nuse = "sum"\nadapters = ["1", "2"]\nweights = [0.0, 1.0]\n')
    kept = load_file(distill.run(stages, tmp_path / "kept", Silent()) / "model.safetensors")
    assert all(torch.allclose(kept[name], weight, atol=2e-3) for name, weight in whole.items())
