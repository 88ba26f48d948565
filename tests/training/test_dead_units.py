"""Shares of dead units: by counting, on a model whose units are switched off, and where they are reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from robustrank.core.progress import Silent
from robustrank.testing.training_contract import small_batch, small_model
from robustrank.training import distill
from robustrank.training.compressors.dead_neurons import DeadNeurons
from robustrank.training.dead_units import DYNAMIC, STATIC, dead, shares


def test_dead_units_by_counting() -> None:
    first = torch.tensor([[1.0, 0.0, 5.0], [0.0, 0.0, 0.0]])  # 4 of 6 dead; in the second input 6 of 12
    second = torch.tensor([[-2.0, 0.0, 0.0], [2.0, 0.0, 4.0], [0.001, 0.0, 4.0], [2.0, 0.0, 4.0]])
    static, dynamic = dead([first, second])
    assert static == pytest.approx(1 / 3)
    assert dynamic == pytest.approx((4 / 6 + 6 / 12) / 2)


def test_of_a_model_whose_units_are_switched_off_so_many_are_dead_and_padding_counts_for_nothing() -> None:
    model, batch = small_model(), small_batch()
    before = shares(model, [batch])
    assert before[STATIC] == 0
    for layer, number in zip(model.bert.encoder.layer, (8, 4), strict=True):
        layer.intermediate.dense.bias.data[:number] = -1000.0
    after = shares(model, [batch])
    assert after[STATIC] == pytest.approx((8 / 32 + 4 / 32) / 2)
    assert after[DYNAMIC] >= after[STATIC]
    longer = {name: torch.nn.functional.pad(each, (0, 6)) for name, each in batch.inputs.items()}
    padded = shares(model, [batch._replace(inputs=longer)])
    assert padded == pytest.approx(after, abs=1e-6)
    assert not model.bert.encoder.layer[0].intermediate._forward_hooks


def test_without_inputs_or_feed_forward_parts_there_is_no_share() -> None:
    assert shares(small_model(), []) == {}
    assert shares(torch.nn.Linear(2, 2), [small_batch()]) == {}


def test_the_mode_of_the_model_stays() -> None:
    model = small_model().train()
    DeadNeurons().attach(model, 1).figures([small_batch()])
    assert model.training


def test_a_variant_says_how_many_units_were_dead_before_and_after_the_stage_that_prunes_them(
    training: Path, tmp_path: Path
) -> None:
    table = 'checkpoint = 2 }\n[stage.compress]\nuse = "dead_neurons"\nshare = 0.9\ncycles = 1'
    training.write_text(training.read_text().replace("checkpoint = 2 }", table))
    (stage,) = json.loads((distill.run(training, tmp_path / "out", Silent()) / "variant.json").read_text())["stages"]
    before, after = stage["figures"]["before"], stage["figures"]["after"]
    assert before.keys() == after.keys() == {STATIC, DYNAMIC}
    assert all(0 <= value <= 1 for value in (*before.values(), *after.values()))
    assert before != after
