"""Objectives of robust training: what is learned from edited texts, and an adversary that makes the edits.

*Augmentation* (no ``[stage.invariance]``): the student reads edited texts and learns the targets of the unedited ones.
*Perturbation invariance* (after PIAT, Liu et al. 2023): the ranking loss of the unedited lists, and beside it the
divergence between the softmax over a list's unedited scores and that over its edited ones.

The *adversary* (after HotFlip, Ebrahimi et al. 2018) replaces words by synonyms where the student's gradient says that
the score moves most: upwards for documents that the teacher puts into the lower half of a list, downwards for others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from robustrank.core.errors import ConfigError
from robustrank.core.words import words
from robustrank.perturbations.substitutes import SubstituteTable
from robustrank.rankers.models.pairs import PairTokenizer
from robustrank.training import losses
from robustrank.training.batches import Batch
from robustrank.training.trainer import Loss, Objective, Outcome, Reduce, mean, scores_of

MOST = 16
"""Synonyms of a word that the adversary considers."""
CONTINUES = "##"
"""How a vocabulary of word pieces marks those that continue a word."""


@dataclass(frozen=True, kw_only=True)
class Invariance:
    """``[stage.invariance]``: the ranking loss is that of unedited lists, and edited ones must give the same order.

    Args:
        weight: Of the divergence.
        temperature: Of both distributions.
        detach: The unedited scores carry no gradient (as in self-teaching), so only edited readings are moved.
    """

    weight: float = 1.0
    temperature: float = 1.0
    detach: bool = False


@dataclass(frozen=True, kw_only=True)
class AdversarySpec:
    """``[stage.adversary]``: words of documents are replaced where the student's own gradients say it hurts.

    Args:
        words: Most words that are replaced in a document.
        steps: Gradients that are taken; each decides about its part of the words.
        share: Probability that a document is attacked.
        substitutes: Table of synonyms; words and synonyms of one word piece are used.
    """

    words: int = 5
    steps: int = 1
    share: float = 0.5
    substitutes: str = "counterfitted"


@dataclass(frozen=True)
class Adversary:
    """Replaces word pieces of a batch.

    Args:
        candidates: Pieces x :data:`MOST` ids, 0 where there is no candidate.
        joined: Pieces: whether a piece continues a word.
        spec: How much is replaced.
    """

    candidates: Any
    joined: Any
    spec: AdversarySpec

    def __call__(self, model: Any, batch: Batch) -> Batch:
        """The batch with attacked documents; the same tokens but for those replaced."""
        import torch

        generator = None if model.training else torch.Generator().manual_seed(0)  # the development set: always the same
        attacked = torch.rand(batch.targets.numel(), generator=generator) < self.spec.share
        ids = batch.inputs["input_ids"].clone()
        sign = _direction(batch.targets).reshape(-1)
        open_to = self._replaceable(batch.inputs) & attacked[:, None] & (sign != 0)[:, None]
        left = torch.full((len(ids),), self.spec.words)
        for step in range(self.spec.steps):
            gains, best = self._gains(model, batch.inputs | {"input_ids": ids}, sign)
            gains = gains.masked_fill(~open_to, 0.0)
            now = -(-left // (self.spec.steps - step))  # rounded up
            order = gains.argsort(dim=1, descending=True)
            ranks = order.argsort(dim=1)
            chosen = (ranks < now[:, None]) & (gains > 0)
            ids = torch.where(chosen, best, ids)
            open_to, left = open_to & ~chosen, left - chosen.sum(dim=1)
        return batch._replace(inputs=batch.inputs | {"input_ids": ids})

    def _replaceable(self, inputs: Mapping[str, Any]) -> Any:
        """Whole words of the document that have candidates: pairs x pieces."""
        ids = inputs["input_ids"]
        follows = self.joined[ids].roll(-1, dims=1)
        follows[:, -1] = False
        of_document = (inputs["token_type_ids"] == 1) & (inputs["attention_mask"] == 1)
        return of_document & (self.candidates[ids] != 0).any(dim=-1) & ~follows

    def _gains(self, model: Any, inputs: Mapping[str, Any], sign: Any) -> tuple[Any, Any]:
        """For every piece the best first-order gain of a candidate, in the direction of ``sign``, and which it is."""
        import torch

        from robustrank.rankers.models import first_token

        seen: list[Any] = []

        def watch(module: Any, args: Any, output: Any) -> Any:
            seen.append(output.detach().requires_grad_())
            return seen[0]

        training = model.training
        model.eval()  # no dropout in the adversary's gradients
        embedding = model.get_input_embeddings()
        hook = embedding.register_forward_hook(watch)
        try:
            with torch.enable_grad():
                scores = first_token.logits(model, inputs).reshape(-1)
                (gradient,) = torch.autograd.grad((scores * sign).sum(), seen[0])
        finally:
            hook.remove()
            model.train(training)
        with torch.no_grad():
            candidates = self.candidates[inputs["input_ids"]]
            moves = embedding.weight[candidates] - embedding.weight[inputs["input_ids"]][:, :, None]
            gains = (moves * gradient[:, :, None]).sum(dim=-1).masked_fill(candidates == 0, -torch.inf)
            best, which = gains.max(dim=-1)
            return best, candidates.gather(-1, which[:, :, None]).squeeze(-1)


def _direction(targets: Any) -> Any:
    """1 for documents in the lower half of their list by target, -1 for others, 0 where there is none."""
    import torch

    median = targets.nanmedian(dim=1, keepdim=True).values
    return torch.where(targets.isnan(), 0.0, torch.where(targets < median, 1.0, -1.0))


def adversary(spec: AdversarySpec, table: SubstituteTable, tokenizer: PairTokenizer) -> Adversary:
    """The adversary for a student's tokenizer.

    Raises:
        ConfigError: It has no word pieces, or none that is a word with a synonym.
    """
    import torch

    vocabulary = tokenizer.vocabulary()
    if not any(piece.startswith(CONTINUES) for piece in vocabulary):
        raise ConfigError("[stage.adversary] needs a student with WordPiece vocabulary, as BERT models have")
    candidates = torch.zeros((max(vocabulary.values()) + 1, MOST), dtype=torch.long)
    joined = torch.zeros(len(candidates), dtype=torch.bool)
    for piece, number in vocabulary.items():
        joined[number] = piece.startswith(CONTINUES)
        if len(words(piece)) == 1 and words(piece)[0].text == piece:
            ids = [vocabulary[other] for other in table.of(piece) if other in vocabulary][:MOST]
            candidates[number, : len(ids)] = torch.tensor(ids, dtype=torch.long)
    if not candidates.any():
        raise ConfigError(
            f"[stage.adversary]: no word of table {table.name!r} is one piece of the student's vocabulary"
        )
    return Adversary(candidates, joined, spec)


def objective(
    loss: Loss, opponent: Adversary | None, invariance: Invariance | None, reduce: Reduce = mean
) -> Objective:
    """The objective of a stage.

    Args:
        loss: The ranking loss.
        opponent: Attacks what is read, where there is one.
        invariance: Where it is missing, the ranking loss itself is that of what is read.
        reduce: How losses of lists become one.
    """
    attack: Callable[[Any, Batch], Batch] = opponent or (lambda model, batch: batch)

    def measured(model: Any, batch: Batch) -> Outcome:
        if invariance is None:
            scores = scores_of(model, attack(model, batch))
            return Outcome(reduce(loss(scores, batch.targets), batch), scores=scores)
        read = attack(model, batch if batch.twin is None else batch._replace(inputs=batch.twin))
        clean, edited = scores_of(model, batch), scores_of(model, read)
        reference = clean.detach() if invariance.detach else clean
        ranking = reduce(loss(clean, batch.targets), batch)
        divergence = losses.divergence(reference, edited, batch.targets, invariance.temperature)
        figures = {
            "ranking loss": ranking.item(),
            "divergence": divergence.item(),
            "spread of scores in a list": _spread(clean, batch.targets),
        }
        return Outcome(ranking + invariance.weight * divergence, figures, clean)

    return measured


def _spread(scores: Any, targets: Any) -> float:
    """Mean standard deviation of a list's scores: near 0, a constant score has minimised the divergence."""
    present = ~targets.isnan()
    return sum(float(row[here].std()) for row, here in zip(scores.detach(), present, strict=True)) / len(scores)
