"""Plug-ins of training: the contract of each kind, what it notices, and training files with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from robustrank.core.errors import ConfigError, ContractError, PluginError
from robustrank.core.plugin_spec import parse
from robustrank.core.progress import Silent
from robustrank.core.training_types import Then
from robustrank.core.types import Document, Query
from robustrank.plugins import registry
from robustrank.rankers.models import weights
from robustrank.rankers.models.linear_maps import linear_maps
from robustrank.testing import KilledAfter
from robustrank.testing.training_contract import check_change, check_optimizer, small_model
from robustrank.training import distill
from robustrank.training.card import measured, weights_digest
from robustrank.training.merges.sum_of_updates import SumOfUpdates
from robustrank.training.parametrized import Parametrized, parametrize_maps
from robustrank.training.spec import load

ALL_MAPS = "targets=('query', 'key', 'value', 'out', 'up', 'down')"
ADAPTERS = [
    "peft", f"peft({ALL_MAPS}, options={{'use_dora': True}})", "peft(method='RANDLORA', options={'r': 4})",
    "peft(method='VERA')", "peft(method='IA3', options={'feedforward_modules': []})",
    "peft(method='SHIRA', options={'r': 2})", "peft(method='OFT', options={'oft_block_size': 4})",
]  # fmt: skip


OURS = [
    "bottleneck",
    "bottleneck(size=3, head=False)",
    "compander",
    "compander(learned=True)",
    "hypernetwork(task='one', chunk=200)",
    "hypernetwork(task='one', chunk=200, head=True)",
    "nola",
    "nola(rank=2, bases=3)",
    "sora(shrink=0.0)",
    "sora(shrink=0.05)",
    "small_weights",
    "small_weights(penalty=0.01, again=0.5)",
    "sparse_mask(entries=100)",
    "spectral",
    "spectral(vectors=3, gap=1)",
]


WEIGHT_NORM = ["weight_norm", "weight_norm(rank=2, gap=2)", "weight_norm(released=True)"]


@pytest.mark.parametrize("plugin", [*ADAPTERS, *OURS])
def test_an_adapter_keeps_its_contract(plugin: str) -> None:
    check_change(registry.build("adapter", parse(plugin)))


@pytest.mark.parametrize(
    "plugin",
    [
        "grid",
        "grid(bits=4)",
        "magnitude",
        "magnitude(share=0.9)",
        "dead_neurons(cycles=1)",
        "graph_mask",
        "graph_mask(graph='watts_strogatz', targets=['query', 'up'])",
        "maestro",
        "maestro(rank=3, penalty=0.001)",
        "perp",
        "perp(rank=0)",
        "svd(rank=4)",
        "trained_rank",
    ],
)
def test_a_compressor_keeps_its_contract(plugin: str) -> None:
    check_change(registry.build("compressor", parse(plugin)), starts_as_parent=False)


def test_a_model_with_fewer_layers_keeps_the_contract_but_for_its_parts() -> None:
    check_change(registry.build("compressor", parse("layers(keep=[1])")), starts_as_parent=False, keeps_parts=False)


@pytest.mark.parametrize("plugin", ["galore", "galore(rank=2, gap=2)", "fira", "fira(rank=2, gap=2)", *WEIGHT_NORM])
def test_an_optimizer_keeps_its_contract(plugin: str) -> None:
    check_optimizer(registry.build("optimizer", parse(plugin)))


class Shift(torch.nn.Module):
    """A parametrization that adds something learned; ``broken`` is what it does wrong."""

    def __init__(self, weight: Any, broken: str) -> None:
        super().__init__()
        self.broken = broken
        self.learned = torch.nn.Parameter(torch.zeros_like(weight))
        if broken == "gradient":
            self.learned_in_vain = torch.nn.Parameter(torch.zeros(1))

    def forward(self, weight: Any) -> Any:
        return weight + self.learned + (1.0 if self.broken == "start" else 0.0)


class Broken:
    """An adapter with one fault."""

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def attach(self, model: Any, seed: int, /) -> Any:
        model.requires_grad_(False)
        parametrize_maps(model, lambda name, weight: Shift(weight, self.fault))
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("learned" in name)
        return Faulty(model, self.fault)


@dataclass(frozen=True)
class Faulty(Parametrized):
    fault: str

    def after_step(self, step: int, total: int, /) -> Then:
        if self.fault == "moved":
            self.model.classifier.weight.data += 1.0
        return Then.GO_ON

    def merged(self) -> Any:
        model = super().merged()
        if self.fault == "merge":
            next(linear_maps(model))[1].weight.data *= 2.0
        if self.fault == "parts":
            model.extra = torch.nn.Linear(1, 1)
        return model


def test_the_contract_passes_an_adapter_without_a_fault() -> None:
    check_change(Broken(""))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("start", "must score as its parent"),
        ("gradient", "without a gradient"),
        ("moved", "not open to training, and moved"),
        ("merge", "must score as the attached one"),
        ("parts", "parts of the parent"),
    ],
)
def test_the_contract_notices_an_adapter_with_a_fault(fault: str, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        check_change(Broken(fault))


def test_the_contract_notices_an_optimizer_that_forgets_its_state() -> None:
    class Forgets:
        def build(self, groups: Any, /) -> Any:
            optimizer = torch.optim.AdamW(groups, lr=1e-3)
            optimizer.calls = 0
            step = optimizer.step

            def counted(*rest: Any) -> Any:
                optimizer.calls += 1
                for group in optimizer.param_groups:
                    group["lr"] *= optimizer.calls
                return step(*rest)

            optimizer.step = counted
            return optimizer

    with pytest.raises(ContractError, match="goes on to other weights"):
        check_optimizer(Forgets())


def with_tables(training: Path, tables: str, student: str = "") -> Path:
    text = training.read_text()
    text = text.replace("max_length = 24", f"max_length = 24\n{student}")
    training.write_text(text.replace("checkpoint = 2 }", f"checkpoint = 2 }}\n{tables}\n"))
    return training


def variant(folder: Path) -> Mapping[str, Any]:
    body: Mapping[str, Any] = json.loads((folder / "variant.json").read_text())
    return body


PARTS = """
ranking = 0.5
[stage.optimizer]
use = "galore"
rank = 2
gap = 2
[stage.compress]
use = "magnitude"
share = 0.5
[stage.weights]
use = "by_loss"
[[stage.objective]]
use = "plackett_luce"
weight = 0.1
"""


def test_a_stage_with_every_part_goes_on_after_a_kill_to_the_same_bytes(training: Path, tmp_path: Path) -> None:
    with_tables(training, PARTS)
    whole = distill.run(training, tmp_path / "whole", Silent())
    with pytest.raises(KeyboardInterrupt):
        distill.run(training, tmp_path / "cut", KilledAfter(12))
    again = distill.run(training, tmp_path / "cut", Silent())
    assert (again / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert variant(whole) == variant(again)


def test_zeros_survive_training_and_export_and_are_counted(training: Path, tmp_path: Path) -> None:
    folder = distill.run(with_tables(training, PARTS), tmp_path / "out", Silent())
    card = variant(folder)
    assert card["zeros"] == pytest.approx(0.5, abs=1e-3)
    stored = load_file(folder / "model.safetensors")
    share = (stored["bert.encoder.layer.0.attention.self.query.weight"] == 0).float().mean().item()
    assert share == pytest.approx(0.5, abs=1e-3)
    (stage,) = card["stages"]
    assert stage["parts"]["optimizer"] == "galore(gap=2, rank=2)"
    assert stage["pairs"] > 0
    assert card["parent"] == "robustrank-tiny"


def test_a_stage_that_only_compresses_learns_nothing_and_keeps_the_grid(training: Path, tmp_path: Path) -> None:
    text = training.read_text()
    text = text[: text.index("[[stage]]")] + '[[stage]]\nname = "int8"\n[stage.compress]\nuse = "grid"\n'
    training.write_text(text)
    folder = distill.run(training, tmp_path / "out", Silent())
    weight = load_file(folder / "model.safetensors")["bert.encoder.layer.1.output.dense.weight"]
    scale = weight.abs().amax(dim=1, keepdim=True) / 127
    assert torch.allclose(weight / scale, (weight / scale).round(), atol=1e-3)
    assert json.loads((folder / "courses.json").read_text()) == {}
    assert 0 < variant(folder)["changed"] <= variant(folder)["parameters"]


def test_pruning_in_cycles_reaches_its_share_in_a_run_that_was_killed_between_two_of_them(
    training: Path, tmp_path: Path
) -> None:
    with_tables(training, '[stage.compress]\nuse = "dead_neurons"\nshare = 0.6\ncycles = 2')
    whole = distill.run(training, tmp_path / "whole", Silent())
    assert variant(whole)["zeros"] == pytest.approx(0.6, abs=1e-3)
    with pytest.raises(KeyboardInterrupt):
        distill.run(training, tmp_path / "cut", KilledAfter(10))
    again = distill.run(training, tmp_path / "cut", Silent())
    assert (again / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_pruning_in_cycles_is_no_pruning_at_the_end_of_a_stage(training: Path, tmp_path: Path) -> None:
    with_tables(training, '[stage.compress]\nuse = "dead_neurons"\nwhen = "end"')
    with pytest.raises(PluginError, match='when = "start"'):
        distill.run(training, tmp_path / "out", Silent())


def test_frozen_parts_do_not_move(training: Path, tmp_path: Path) -> None:
    with_tables(training, "", 'freeze = ["embeddings"]')
    folder = distill.run(training, tmp_path / "out", Silent())
    stored = load_file(folder / "model.safetensors")
    parent = load_file(Path(weights.resolve("robustrank-tiny")) / "model.safetensors")
    for name in stored:
        if not name.endswith("key.bias"):  # it adds the same to every piece's match, so it has no gradient
            assert torch.equal(stored[name], parent[name]) == ("embeddings" in name), name


def test_the_weights_before_a_sparse_mask_was_chosen_are_never_the_best_ones(training: Path, tmp_path: Path) -> None:
    adapter = '[stage.adapter]\nuse = "sparse_mask"\nentries = 500\nhead = false'
    folder = distill.run(with_tables(training, adapter), tmp_path / "out", Silent())
    stored = load_file(folder / "model.safetensors")
    parent = load_file(Path(weights.resolve("robustrank-tiny")) / "model.safetensors")
    moved = sum(int((stored[name] != parent[name]).sum()) for name in stored)
    assert 0 < moved <= 500
    (stage,) = variant(folder)["stages"]
    assert stage["best_step"] > stage["steps"] // 2


def test_two_kept_adapters_are_merged_into_the_parent(
    training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums: list[Any] = []
    plain = SumOfUpdates.merged

    def noted(self: SumOfUpdates, *given: Any) -> Any:
        sums.append(plain(self, *given))
        return sums[-1]

    monkeypatch.setattr(SumOfUpdates, "merged", noted)
    head, _, stage = training.read_text().partition("[[stage]]")
    adapter = 'checkpoint = 2 }}\n[stage.adapter]\nuse = "peft"\nkeep = "{}"\nhead = false\noptions = {{ r = {} }}'
    text = head
    for rank, name in enumerate(("one", "two"), start=1):
        mine = stage.replace('"only"', f'"{name}"').replace("checkpoint = 2 }", adapter.format(name, rank))
        text += f"[[stage]]{mine}"
    training.write_text(text + '\n[[merge]]\nuse = "sum"\nadapters = ["one", "two"]\nweights = [1.0, 0.5]\n')
    folder = distill.run(training, tmp_path / "out", Silent())
    card, stored = variant(folder), load_file(folder / "model.safetensors")
    parent = load_file(Path(weights.resolve("robustrank-tiny")) / "model.safetensors")
    targets = sorted(name for name in card["ranks"] if "query" in name or "value" in name)
    for name, update in zip(targets, sums, strict=True):
        assert update.abs().max() > 0
        assert torch.allclose(
            stored[name].float(), parent[name].float() + update, atol=1e-3 * float(update.abs().max()) + 2e-4
        )
    assert {rank for name, rank in card["ranks"].items() if "query" in name or "value" in name} == {3}
    assert {rank for name, rank in card["ranks"].items() if "query" not in name and "value" not in name} == {0}


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ("ranking = 0.0", "leaves nothing to learn from"),
        ('[stage.adapter]\nuse = "peft"\n[stage.compress]\nuse = "grid"', "would undo the compression"),
        ('[stage.adapter]\nuse = "peft"\nkeep = "x"', "no \\[\\[merge\\]\\] uses the kept adapter 'x'"),
        ('[stage.adapter]\nuse = "peft"\nfactor = 0', "a factor above 0"),
        ('[stage.compress]\nuse = "grid"\nwhen = "never"', "'start' or 'end'"),
        ('[[stage.objective]]\nuse = "plackett_luce"\nweight = -1', "a weight of at least 0"),
    ],
)
def test_what_cannot_be_combined_is_refused_before_anything_runs(training: Path, tables: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(with_tables(training, tables))


def test_an_update_that_is_not_of_low_rank_cannot_be_kept(training: Path, tmp_path: Path) -> None:
    with_tables(training, '[stage.adapter]\nuse = "bottleneck"\nhead = false\nkeep = "x"')
    training.write_text(training.read_text() + '\n[[merge]]\nuse = "sum"\nadapters = ["x"]\n')
    with pytest.raises(PluginError, match="no update of low rank"):
        distill.run(training, tmp_path / "out", Silent())


def test_a_wider_feed_forward_part_is_stored_as_a_plain_model(training: Path, tmp_path: Path) -> None:
    folder = distill.run(with_tables(training, '[stage.adapter]\nuse = "bottleneck"\nsize = 5'), tmp_path, Silent())
    assert json.loads((folder / "config.json").read_text())["intermediate_size"] == 512 + 5
    stored = load_file(folder / "model.safetensors")
    parent = load_file(Path(weights.resolve("robustrank-tiny")) / "model.safetensors")
    for name, weight in stored.items():
        if "classifier" not in name:
            assert torch.equal(weight[tuple(slice(size) for size in parent[name].shape)], parent[name]), name
    assert (stored["bert.encoder.layer.1.output.dense.weight"][:, 512:] != 0).any()
    query, texts = Query("q", "sea"), [Document("a", "wide sea"), Document("b", "salt sun moon")]
    before, after = (
        registry.build("ranker", parse(f"cross_encoder(model={model!r})")).score(query, texts)
        for model in ("robustrank-tiny", str(folder))
    )
    assert all(abs(x - y) > 0 for x, y in zip(before, after, strict=True))


def test_an_adapter_that_trained_the_head_cannot_be_kept(training: Path, tmp_path: Path) -> None:
    with_tables(training, '[stage.adapter]\nuse = "peft"\nkeep = "x"')
    training.write_text(training.read_text() + '\n[[merge]]\nuse = "sum"\nadapters = ["x"]\n')
    with pytest.raises(PluginError, match="set head = false"):
        distill.run(training, tmp_path / "out", Silent())


def test_the_card_measures_rank_zeros_and_change() -> None:
    model = small_model()
    parent = {name: weight.clone() for name, weight in model.state_dict().items()}
    maps = dict(linear_maps(model))
    first, second = list(maps.values())[:2]
    first.weight.data += torch.outer(torch.ones(16), torch.arange(16.0) + 1)
    second.weight.data[0] = 0.0
    body = measured(parent, model)
    names = [f"{name}.weight" for name in maps]
    assert [body["ranks"][name] for name in names[:3]] == [1, 1, 0]
    assert body["changed"] == 16 * 16 + 16
    assert body["zeros"] == pytest.approx(16 / sum(each.weight.numel() for each in maps.values()))
    assert weights_digest(parent) != weights_digest(model.state_dict())
    assert weights_digest(parent) == weights_digest(small_model().state_dict())
