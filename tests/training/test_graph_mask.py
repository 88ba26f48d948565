"""Masks from random graphs: the same number of edges of every kind, and the shape that each kind is known for."""

from __future__ import annotations

import pytest
import torch

from robustrank.core.errors import ConfigError
from robustrank.rankers.models.linear_maps import linear_maps
from robustrank.testing.training_contract import small_model
from robustrank.training.compressors.graph_mask import GRAPHS, GraphMask


@pytest.mark.parametrize("graph", list(GRAPHS))
@pytest.mark.parametrize(("shape", "share"), [((12, 30), 0.5), ((31, 7), 0.83), ((5, 5), 0.0)])
def test_every_kind_of_graph_has_the_same_number_of_edges_spread_over_all_rows(
    graph: str, shape: tuple[int, int], share: float
) -> None:
    mask = GraphMask(graph=graph, share=share).mask(torch.zeros(shape), "1|a")  # type: ignore[arg-type]
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    assert int((mask == 0).sum()) == int(share * shape[0] * shape[1])
    rows = mask.sum(dim=1)
    assert rows.max() - rows.min() <= 1


@pytest.mark.parametrize("graph", list(GRAPHS))
def test_a_seed_and_a_map_give_the_same_graph_always_and_others_another(graph: str) -> None:
    rules, weight = GraphMask(graph=graph), torch.zeros(20, 20)  # type: ignore[arg-type]
    assert torch.equal(rules.mask(weight, "1|a"), rules.mask(weight, "1|a"))
    assert not torch.equal(rules.mask(weight, "1|a"), rules.mask(weight, "2|a"))
    assert not torch.equal(rules.mask(weight, "1|a"), rules.mask(weight, "1|b"))


def test_every_map_of_a_model_has_a_graph_of_its_own() -> None:
    merged = GraphMask(targets=("up",)).attach(small_model(), 1).merged()
    first, second = (module.weight != 0 for _, module in linear_maps(merged, ("up",)))
    assert not torch.equal(first, second)


def test_without_new_edges_every_output_is_joined_to_the_inputs_beside_it() -> None:
    mask = GraphMask(graph="watts_strogatz", share=0.7, rewire=0.0).mask(torch.zeros(10, 10), "1")
    neighbours = [{(row + step) % 10 for step in (-1, 0, 1)} for row in range(10)]
    assert [set(row.nonzero().flatten().tolist()) for row in mask] == neighbours


def test_as_many_edges_are_drawn_anew_as_was_set() -> None:
    weight = torch.zeros(200, 200)
    ring = GraphMask(graph="watts_strogatz", share=0.9, rewire=0.0).mask(weight, "1")
    rewired = GraphMask(graph="watts_strogatz", share=0.9, rewire=0.25).mask(weight, "1")
    assert ((ring > rewired).sum() / ring.sum()).item() == pytest.approx(0.25, abs=0.03)


def test_inputs_have_far_more_unequal_edges_where_those_that_have_some_attract_more() -> None:
    weight = torch.zeros(300, 100)
    spread = {
        graph: GraphMask(graph=graph, share=0.95).mask(weight, "1").sum(dim=0).var().item()  # type: ignore[arg-type]
        for graph in GRAPHS
    }
    assert spread["barabasi_albert"] > 5 * spread["erdos_renyi"]
    assert spread["watts_strogatz"] < spread["erdos_renyi"]


def test_no_share_is_the_parent_and_only_the_targets_are_masked() -> None:
    parent = dict(linear_maps(small_model()))
    for share in (0.0, 0.5):
        merged = GraphMask(share=share, targets=("up",)).attach(small_model(), 1).merged()
        for name, module in linear_maps(merged):
            same = torch.equal(module.weight, parent[name].weight)
            assert same == (share == 0.0 or "intermediate" not in name)


@pytest.mark.parametrize("values", [{"share": 1.0}, {"rewire": 1.5}, {"graph": "tree"}, {"targets": ("head",)}])
def test_values_that_mean_nothing_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="graph_mask"):
        GraphMask(**values)  # type: ignore[arg-type]
