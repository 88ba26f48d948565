"""Checks that plug-ins of training must pass, on a small model with random weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from robustrank.core.errors import ContractError
from robustrank.core.training_types import Attached, ModelChange, Then, TrainingOptimizer, WithLoss
from robustrank.rankers.models import first_token, fitting
from robustrank.training.batches import Batch
from robustrank.training.losses import margin_mse
from robustrank.training.trainer import Schedule, optimizer_of, scores_of

STEPS = 6
CLOSE = 1e-5


def small_model(layers: int = 2) -> Any:
    """A BERT cross-encoder of a few thousand weights, the same in every process."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=32, num_labels=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        initializer_range=0.2,
    )  # fmt: skip
    return BertForSequenceClassification(config).eval()


def small_batch(lists: int = 4, places: int = 5, seed: int = 1) -> Batch:
    """Lists of pairs whose targets are the number of times that piece 7 occurs."""
    import torch

    rng = torch.Generator().manual_seed(seed)
    ids = torch.randint(4, 12, (lists * places, 10), generator=rng)
    ids[:, 0] = 2
    ones = torch.ones_like(ids)
    inputs = {"input_ids": ids, "attention_mask": ones, "token_type_ids": (torch.arange(10) > 3) * ones}
    targets = 2.0 * (ids == 7).sum(dim=1).reshape(lists, places)
    return Batch(inputs, targets, learning=True)


def check_change(change: ModelChange, *, starts_as_parent: bool = True, keeps_parts: bool = True) -> None:
    """Check an adapter or a compressor.

    Args:
        change: The plug-in.
        starts_as_parent: Attached, and before any training, it gives the logits of the parent.
        keeps_parts: The merged model has the parts of the parent.

    Raises:
        ContractError: What does not hold: the start; that attached and merged model agree whatever was learned; that
            the shortened last layer agrees with the model's own; that everything open to training gets a gradient and
            nothing else moves; or that a run that was cut off goes on to the same weights.
    """
    import torch

    parent, batch = small_model(), small_batch()
    names = parent.state_dict().keys()
    before = _logits(parent, batch)
    attached = change.attach(parent, 13)
    model = parent
    if starts_as_parent and not torch.allclose(_logits(model, batch), before, atol=1e-6):
        raise ContractError("attached and before any training, the model must score as its parent")
    _check_gradients(model, attached, batch)
    if any(each.requires_grad for each in model.parameters()):
        _scatter(model)
    attached.after_step(1, STEPS)
    learned = _logits(model, batch)
    if not torch.allclose(first_token.logits(model, batch.inputs).detach(), learned, atol=CLOSE):
        raise ContractError("first_token.logits and the attached model's own logits differ")
    merged = attached.merged().eval()
    if not torch.allclose(_logits(merged, batch), learned, atol=CLOSE):
        raise ContractError("the merged model must score as the attached one")
    if keeps_parts and merged.state_dict().keys() != names:
        raise ContractError("the merged model must have the parts of the parent, by name")

    def made() -> tuple[Any, Attached]:
        model = small_model()
        return model, change.attach(model, 13)

    _check_resumed(made, batch, None)


def check_optimizer(optimizer: TrainingOptimizer) -> None:
    """Check an optimizer.

    Args:
        optimizer: The plug-in.

    Raises:
        ContractError: Its state is not tensors alone, a run that was cut off does not go on to the same weights, or the
            loss does not fall.
    """
    _check_resumed(lambda: (small_model(), None), small_batch(), optimizer)
    model, batch = small_model(), small_batch()
    built = optimizer_of(model, Schedule(learning_rate=3e-3), optimizer, {})
    first = _step(model, built, batch, None, 0)
    for step in range(1, 30):
        last = _step(model, built, batch, None, step)
    for state in built.state.values():
        for name, value in state.items():
            if not hasattr(value, "shape"):
                raise ContractError(f"the optimizer's state {name!r} is no tensor, so a checkpoint cannot hold it")
    if not last < first:
        raise ContractError(f"the loss does not fall: {first} before, {last} after 30 steps")


def _check_gradients(model: Any, attached: Attached, batch: Batch) -> None:
    import torch

    open_ = {name: each for name, each in model.named_parameters() if each.requires_grad}
    if not open_:
        return
    frozen = {name: each.clone() for name, each in model.named_parameters() if name not in open_}
    reached = dict.fromkeys(open_, False)
    optimizer = torch.optim.AdamW(open_.values(), lr=1e-2, weight_decay=0.0)
    for step in range(3):  # where one factor starts at 0, the other has no gradient before the second step
        _loss(model, batch, attached).backward()
        for name, each in open_.items():
            reached[name] |= each.grad is not None and bool((each.grad != 0).any())
        optimizer.step()
        optimizer.zero_grad()
        attached.after_step(step + 1, STEPS)
    unmoved = {name for name in reached if not reached[name] and not name.endswith(("key.bias",))}
    if unmoved:
        raise ContractError(f"open to training, but without a gradient: {', '.join(sorted(unmoved))}")
    for name, weight in frozen.items():
        if not torch.equal(model.get_parameter(name), weight):
            raise ContractError(f"{name} is not open to training, and moved")


def _check_resumed(
    made: Callable[[], tuple[Any, Attached | None]], batch: Batch, plugin: TrainingOptimizer | None
) -> None:
    import torch

    def run(folder: Path, stop: int) -> Mapping[str, Any]:
        model, attached = made()
        if not any(each.requires_grad for each in model.parameters()):
            return {}
        optimizer = optimizer_of(model, Schedule(learning_rate=1e-2), plugin, {})
        checkpoint = fitting.Checkpoint(folder / "checkpoint.safetensors")
        start = int(checkpoint.restore(model, optimizer)["step"]) if checkpoint.exists else 0
        for step in range(start, stop):
            torch.manual_seed(step)
            _step(model, optimizer, batch, attached, step)
        checkpoint.save(model, optimizer, {"step": stop})
        weights: Mapping[str, Any] = model.state_dict()
        return weights

    with TemporaryDirectory() as whole, TemporaryDirectory() as cut:
        expected = run(Path(whole), STEPS)
        run(Path(cut), STEPS // 2)
        resumed = run(Path(cut), STEPS)
        different = [name for name in expected if not torch.equal(expected[name], resumed[name])]
    if different:
        raise ContractError(f"a run that was cut off goes on to other weights: {', '.join(different[:3])}")


def _step(model: Any, optimizer: Any, batch: Batch, attached: Attached | None, step: int) -> float:
    model.train()
    loss = _loss(model, batch._replace(share=step / STEPS), attached)
    fitting.descend(model, optimizer, loss, step=step)
    if attached is not None and attached.after_step(step + 1, STEPS) is not Then.GO_ON:
        optimizer.state.clear()
    return float(loss.detach())


def _loss(model: Any, batch: Batch, attached: Attached | None) -> Any:
    scores = scores_of(model, batch)
    loss = margin_mse(scores, batch.targets).mean()
    return loss + attached.extra(model, batch, scores) if isinstance(attached, WithLoss) else loss


def _logits(model: Any, batch: Batch) -> Any:
    import torch

    model.eval()
    with torch.no_grad():
        return model(**batch.inputs).logits


def _scatter(model: Any) -> None:
    import torch

    rng = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for each in model.parameters():
            if each.requires_grad:
                each.add_(0.1 * torch.randn(each.shape, generator=rng))
