"""Low-rank factors that a recurrent hypernetwork generates from the embedding of a task, for continual learning.

After dependency-preserving hypernetworks (Chandra et al. 2023), with the regulariser of von Oswald et al. 2020: what is
generated for earlier tasks shall stay as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, NamedTuple

from robustrank.core.errors import ConfigError, PluginError
from robustrank.core.training_types import LowRank
from robustrank.rankers.models.linear_maps import KINDS, linear_maps
from robustrank.training.parametrized import Parametrized, freeze, generator

NETWORK = "hypernetwork"
"""Name of the network beside the model's parts."""


class Learned(NamedTuple):
    """What a later stage goes on from."""

    network: Mapping[str, Any]
    """Weights of the hypernetwork."""
    tasks: Mapping[str, Any]
    """Task to embedding."""
    base: Mapping[str, Any]
    """Linear map to its weight before the first task."""
    left: Mapping[str, LowRank]
    """Linear map to the update in the model that was left behind."""


@dataclass(frozen=True, kw_only=True)
class Hypernetwork:
    """``W + scale * B (A_0 + A)`` whose factors are generated for one task after another; each stage is a task.

    ``h_i = LSTM([e_task; c_i], h_(i-1))`` and ``O h_i`` is the i-th chunk of all factors, one after the other. The
    network is trained, and the embedding of the stage's task; both go on from the stage before that used this adapter,
    and W is that from before the first. Added to the loss is ``beta / n`` times the sum, over the n earlier tasks, of
    the squared distance of what is generated for the task now from what was when this stage began. A_0 is random and
    not learned, and O begins at 0, so that the first task begins at the parent.

    The model that a stage leaves behind is that of one task, which ``model`` names: nothing of the network is in it,
    and it does not see which task a query belongs to. Queries of several tasks need a model for each.

    Args:
        task: Name of the stage's task; the same name again trains the same embedding on.
        model: Name of the task whose model the stage leaves behind, of this or an earlier stage; ``task`` without it.
        beta: Weight of the regulariser.
        rank: Of the update.
        scale: Of the update.
        embedding: Numbers of a task's embedding, and of a chunk's.
        hidden: Numbers of the LSTM's state.
        chunk: Numbers that are generated in one step.
        targets: Linear maps that are changed.
        head: Whether the classification head is trained too; it is one for all tasks, and not kept for earlier ones.

    Raises:
        ConfigError: A value below its least one, or an unknown target.
    """

    task: str
    model: str | None = None
    beta: float = 1.0
    rank: int = 4
    scale: float = 1.0
    embedding: int = 8
    hidden: int = 32
    chunk: int = 1024
    targets: tuple[str, ...] = KINDS
    head: bool = False

    def __post_init__(self) -> None:
        """Check the parameters."""
        if min(self.rank, self.embedding, self.hidden, self.chunk) < 1 or self.beta < 0:
            raise ConfigError("hypernetwork: rank, embedding, hidden and chunk must be at least 1, and beta at least 0")
        if not self.targets or set(self.targets) - set(KINDS):
            raise ConfigError(f"hypernetwork: targets are some of {', '.join(KINDS)}")

    def attach(self, model: Any, seed: int, /) -> Generated:
        """Freeze the model and add the generated updates of a first task."""
        return attached(self, model, seed, None)

    def going_on(self, learned: Learned, /) -> GoingOn:
        """The adapter of a later stage."""
        return GoingOn(self, learned)


@dataclass(frozen=True)
class GoingOn:
    """The adapter of a stage after others that used it."""

    rules: Hypernetwork
    learned: Learned

    def attach(self, model: Any, seed: int, /) -> Generated:
        """Put the weights from before the first task back, freeze them, and add the generated updates."""
        return attached(self.rules, model, seed, self.learned)


@dataclass(frozen=True)
class Generated(Parametrized):
    """A model whose updates are generated.

    Args:
        rules: The parameters.
        network: The hypernetwork, which is a part of the model until it is merged.
        places: Linear map to where its factors begin, and its fixed A_0.
        base: Linear map to its weight before the first task.
        tasks: Earlier task to embedding.
        kept: Earlier task to what was generated for it when the stage began.
        had: Linear map to the update in the model before the stage.
    """

    rules: Hypernetwork
    network: Any
    places: Mapping[str, tuple[int, Any]]
    base: Mapping[str, Any]
    tasks: Mapping[str, Any]
    kept: Mapping[str, Any]
    had: Mapping[str, LowRank]

    def extra(self, model: Any, batch: Any, scores: Any, /) -> Any:
        """The regulariser; 0 in a first task."""
        moved = [(self.network(self.tasks[name]) - before).square().sum() for name, before in self.kept.items()]
        return self.rules.beta * sum(moved) / len(moved) if moved else scores.new_zeros(())

    def factors(self, embedding: Any) -> dict[str, LowRank]:
        """Linear map to the update that is generated for a task."""
        numbers, made = self.network(embedding), {}
        for name, (start, first) in self.places.items():
            up, down = _factors(numbers, start, self.base[name].shape, self.rules.rank)
            made[name] = LowRank(up.detach(), (first + down).detach(), self.rules.scale)
        return made

    def updates(self) -> Mapping[str, LowRank]:
        """The update of the task whose model is left behind, less what the model had before the stage."""
        import torch

        made = self.factors(self._left())
        if not self.had:
            return made
        return {
            name: LowRank(
                torch.cat([each.up, -self.had[name].up], dim=1), torch.cat([each.down, self.had[name].down]), each.scale
            )
            for name, each in made.items()
        }

    def learned(self) -> Learned:
        """The network, embeddings of all tasks, and what the updates are added to."""
        tasks = {**self.tasks, self.rules.task: self.network.task.detach().clone()}
        network = {name: weight.clone() for name, weight in self.network.state_dict().items()}
        return Learned(network, tasks, self.base, self.factors(self._left()))

    def merged(self) -> Any:
        """The plain model of one task."""
        import torch

        with torch.no_grad():
            self.network.task.copy_(self._left())
        plain = super().merged()
        delattr(plain, NETWORK)
        return plain

    def _left(self) -> Any:
        name = self.rules.model or self.rules.task
        return self.network.task.detach() if name == self.rules.task else self.tasks[name]


def attached(rules: Hypernetwork, model: Any, seed: int, learned: Learned | None) -> Generated:
    """A model with generated updates.

    Raises:
        ConfigError: The stage leaves the model of an unknown task, or its sizes are not those of the stages before.
        PluginError: Another stage changed the weights in between.
    """
    import torch
    from torch.nn.utils import parametrize

    maps = dict(linear_maps(model, tuple(rules.targets)))
    base = {name: module.weight.detach().clone() for name, module in maps.items()} if learned is None else learned.base
    tasks = {} if learned is None else {name: each for name, each in learned.tasks.items() if name != rules.task}
    if rules.model not in (None, rules.task, *tasks):
        raise ConfigError(
            f"hypernetwork: model {rules.model!r} is no task of this stage or one before "
            f"({', '.join((*tasks, rules.task))})"
        )
    had = {} if learned is None else _had(maps, learned)
    places, start = {}, 0
    for name, weight in base.items():
        outputs, inputs = weight.shape
        first = torch.randn((rules.rank, inputs), generator=generator(seed, name)) / inputs**0.5
        places[name], start = (start, first), start + rules.rank * (inputs + outputs)
    net = network(start, rules, seed)
    if learned is not None:
        try:
            net.load_state_dict(learned.network)
        except RuntimeError as error:
            raise ConfigError(
                "hypernetwork: rank, embedding, hidden, chunk and targets must be those of the stages before"
            ) from error
        with torch.no_grad():
            net.task.copy_(learned.tasks.get(rules.task, net.task))
    kept = {name: net(embedding).detach() for name, embedding in tasks.items()}  # as it is read in training, to the bit
    freeze(model, head=rules.head)
    for name, module in maps.items():
        module.weight.data.copy_(base[name])
        parametrize.register_parametrization(module, "weight", _generated(net, *places[name], rules))
    model.add_module(NETWORK, net)
    return Generated(model, rules, net, places, base, tasks, kept, had)


def _had(maps: Mapping[str, Any], learned: Learned) -> Mapping[str, LowRank]:
    """The update in the model's weights; none where it was kept apart."""
    import torch

    if maps.keys() == learned.base.keys():
        if all(torch.equal(module.weight, learned.base[name]) for name, module in maps.items()):
            return {}
        updated = {n: learned.base[n] + each.scale * (each.up @ each.down) for n, each in learned.left.items()}
        if all(torch.allclose(module.weight, updated[name], atol=1e-6) for name, module in maps.items()):
            return learned.left
    raise PluginError(
        "hypernetwork: since the stage before that used it, another one changed the weights, or the linear maps are "
        "others; put such stages before the first task, or after the last"
    )


def network(numbers: int, rules: Hypernetwork, seed: int) -> Any:
    """The hypernetwork: a task's embedding to all numbers; it has the embedding of the task that is trained."""
    import torch

    chunks = ceil(numbers / rules.chunk)

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.task = torch.nn.Parameter(torch.randn(rules.embedding))
            self.chunks = torch.nn.Parameter(torch.randn(chunks, rules.embedding))
            self.lstm = torch.nn.LSTM(2 * rules.embedding, rules.hidden, batch_first=True)
            self.out = torch.nn.Linear(rules.hidden, rules.chunk)
            torch.nn.init.zeros_(self.out.weight)
            torch.nn.init.zeros_(self.out.bias)

        def forward(self, embedding: Any) -> Any:
            read = torch.cat([embedding.expand(chunks, -1), self.chunks], dim=1)
            states, _ = self.lstm(read[None])
            return self.out(states)[0].flatten()[:numbers]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network()


def _factors(numbers: Any, start: int, shape: tuple[int, int], rank: int) -> tuple[Any, Any]:
    """B (outputs x rank) and A (rank x inputs) of one linear map."""
    (outputs, inputs), middle = shape, start + shape[0] * rank
    up = numbers[start:middle].reshape(outputs, rank)
    return up, numbers[middle : middle + rank * inputs].reshape(rank, inputs)


def _generated(net: Any, start: int, first: Any, rules: Hypernetwork) -> Any:
    """A parametrization that adds what the network generates for the task that is trained."""
    import torch

    class Update(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = (net,)  # no part of the map: a copy of the model has one network, too
            self.register_buffer("first", first, persistent=False)

        def forward(self, weight: Any) -> Any:
            numbers = self.net[0](self.net[0].task)
            up, down = _factors(numbers, start, weight.shape, rules.rank)
            return weight + rules.scale * (up @ (self.first + down))

    return Update()
