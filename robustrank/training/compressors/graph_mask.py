"""Sparse maps from random graphs, after studies of recurrent nets whose connections are those of a random graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from robustrank.core.errors import ConfigError
from robustrank.rankers.models.linear_maps import KINDS
from robustrank.training.compressors.magnitude import masked
from robustrank.training.parametrized import Parametrized, parametrize_maps


@dataclass(frozen=True, kw_only=True)
class GraphMask:
    """Keep the weights of linear maps that are edges of a random bipartite graph between its inputs and outputs.

    All kinds of graph have the same number of edges, so that what differs is how they are spread:
    ``"erdos_renyi"`` draws them evenly; ``"watts_strogatz"`` joins every output to the inputs beside it and draws a
    share of these edges anew; ``"barabasi_albert"`` joins inputs the more often the more outputs they have already.

    Args:
        graph: Its kind.
        share: Of every map's weights that are set to 0.
        rewire: Share of the edges of ``"watts_strogatz"`` that are drawn anew.
        targets: Linear maps that are masked.

    Raises:
        ConfigError: A share below 0, or of 1 and above; another rewire than from 0 to 1; or an unknown graph or target.
    """

    graph: Literal["erdos_renyi", "watts_strogatz", "barabasi_albert"] = "erdos_renyi"
    share: float = 0.5
    rewire: float = 0.3
    targets: tuple[str, ...] = ("up", "down")

    def __post_init__(self) -> None:
        """Check the parameters."""
        if not 0.0 <= self.share < 1.0 or not 0.0 <= self.rewire <= 1.0:
            raise ConfigError("graph_mask: share must be at least 0 and below 1, and rewire from 0 to 1")
        if self.graph not in GRAPHS or set(self.targets) - set(KINDS):
            raise ConfigError(f"graph_mask: graph: {', '.join(GRAPHS)}; targets: some of {', '.join(KINDS)}")

    def attach(self, model: Any, seed: int, /) -> Parametrized:
        """Mask the weights."""
        parametrize_maps(model, lambda name, weight: masked(self.mask(weight, f"{seed}|{name}")), tuple(self.targets))
        return Parametrized(model)

    def mask(self, weight: Any, seed: str) -> Any:
        """1 where a weight is kept: all but exactly ``floor(share * number)``, and as many in every row, within one."""
        import torch

        outputs, inputs = weight.shape
        edges = outputs * inputs - int(self.share * outputs * inputs)
        rng = Random(f"graph_mask|{self.graph}|{seed}")
        degrees = [edges // outputs + (number < edges % outputs) for number in range(outputs)]
        mask = torch.zeros(outputs, inputs, dtype=weight.dtype)
        for number, row in enumerate(GRAPHS[self.graph](degrees, inputs, self.rewire, rng)):
            mask[number, list(row)] = 1.0
        return mask


def _erdos_renyi(degrees: Sequence[int], inputs: int, rewire: float, rng: Random) -> Iterator[Sequence[int]]:
    """Every output draws its inputs evenly."""
    for degree in degrees:
        yield rng.sample(range(inputs), degree)


def _watts_strogatz(degrees: Sequence[int], inputs: int, rewire: float, rng: Random) -> Iterator[Sequence[int]]:
    """Outputs and inputs stand on a ring; some edges to the inputs beside an output lead elsewhere."""
    for number, degree in enumerate(degrees):
        first = number * inputs // len(degrees) - (degree - 1) // 2
        row = [place % inputs for place in range(first, first + degree)]
        free = [place for place in range(inputs) if place not in row]
        for edge in range(degree):
            if free and rng.random() < rewire:
                other = rng.randrange(len(free))
                row[edge], free[other] = free[other], row[edge]
        yield row


def _barabasi_albert(degrees: Sequence[int], inputs: int, rewire: float, rng: Random) -> Iterator[Sequence[int]]:
    """Outputs come one by one, and draw their inputs with weights of one more than the edges that these have."""
    edges = [0] * inputs
    for degree in degrees:  # weighted draws without replacement: the largest u^(1/w) (Efraimidis and Spirakis 2006)
        keys = [rng.random() ** (1 / (1 + have)) for have in edges]
        row = sorted(range(inputs), key=keys.__getitem__, reverse=True)[:degree]
        for place in row:
            edges[place] += 1
        yield row


GRAPHS = {"erdos_renyi": _erdos_renyi, "watts_strogatz": _watts_strogatz, "barabasi_albert": _barabasi_albert}
