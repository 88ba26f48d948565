"""The search that optimised documents share: word pieces are exchanged, and every trial is scored as the text it makes.

Gradients at the input embeddings propose pieces (HotFlip, Ebrahimi et al., ACL 2018). Published corpus attacks score
sequences of piece ids; read again from the text, many are other sequences. Here a trial is decoded, dropped where
reading it again gives another number of pieces, and scored by encoding the text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robustrank.plugin import StageOracle
from robustrank_attacks.corpus._texts import price

Vectors = NDArray[np.float32]


class Aim(NamedTuple):
    """What a document is to reach.

    Args:
        value: From embeddings of documents (documents x dimensions) to what is maximised.
        towards: From the embedding of one document to the direction in which ``value`` grows fastest.
        enough: A value that cannot be exceeded, at which the search ends.
    """

    value: Callable[[Vectors], NDArray[np.float64]]
    towards: Callable[[Vectors], Vectors]
    enough: float = float("inf")


def along(direction: Vectors) -> Aim:
    """The greatest inner product with a direction."""
    wide = direction.astype(np.float64)
    return Aim(lambda vectors: vectors.astype(np.float64) @ wide, lambda vector: direction)


def above(queries: Vectors, thresholds: NDArray[np.float64], margin: float) -> Aim:
    """A score above each query's threshold, by a margin: what is missing is the mean over queries."""
    wide = queries.astype(np.float64)

    def missing(vectors: Vectors) -> NDArray[np.float64]:
        return np.maximum(0.0, margin + thresholds - vectors.astype(np.float64) @ wide.T)

    def towards(vector: Vectors) -> Vectors:
        (short,) = missing(vector[None, :])
        mean: Vectors = (queries * (short > 0)[:, None]).mean(axis=0).astype(np.float32)
        return mean

    return Aim(lambda vectors: -missing(vectors).mean(axis=1), towards, 0.0)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a search spends its encodes.

    Args:
        iterations: Gradients, and sweeps after them.
        positions: Pieces that a sweep tries to exchange.
        candidates: Pieces tried at each of them: half of them the best by the gradient, half drawn from as many again.
        copies: Texts whose gradients are averaged; all but one have another piece somewhere.
    """

    iterations: int
    positions: int
    candidates: int
    copies: int = 1


def shared(plan: Plan, left: int | None, documents: int) -> Plan:
    """The plan with as many iterations as the encodes that are left pay for in each of the documents to come."""
    if left is None:
        return plan
    an_iteration = plan.copies + plan.positions * plan.candidates
    return replace(plan, iterations=min(plan.iterations, max(0, (left // documents - 1) // an_iteration)))


@dataclass(frozen=True)
class State:
    """A document under way.

    Args:
        prefix: Its beginning, which stays.
        ids: The pieces behind it.
        text: All of it.
        value: Of the aim.
        vector: Its embedding.
    """

    prefix: str
    ids: tuple[int, ...]
    text: str
    value: float
    vector: Vectors


def ascend(
    oracle: StageOracle, prefix: str, start: Sequence[int], aim: Aim, plan: Plan, rng: Random, words: int | None = None
) -> State:
    """Exchange pieces behind a prefix for others until the plan, the budget or the possible is spent.

    A sweep keeps what it has where no trial is better, so the value never falls.

    Args:
        oracle: The first stage, with access to weights.
        prefix: What the text begins with.
        start: Pieces to begin with; their number stays.
        aim: What is maximised.
        plan: How.
        rng: Of positions, copies and the drawn half of candidates.
        words: Most words of the text; longer trials are dropped.

    Returns:
        The best text.
    """
    state = begun(oracle, prefix, start, aim)
    usable = writable(oracle.vocabulary)
    for _ in range(plan.iterations):
        cost = plan.copies + plan.positions * plan.candidates
        left = oracle.affordable()
        if state.value >= aim.enough or not state.ids or (left is not None and left < min(cost, 1 + plan.candidates)):
            break
        gradient = _gradient(oracle, state, aim, usable, plan.copies, rng)
        positions = sorted(rng.sample(range(len(state.ids)), min(plan.positions, len(state.ids))))
        for position in positions:
            proposed = _proposed(gradient[position], oracle.embeddings, usable, plan.candidates, rng)
            state = _best(oracle, state, position, proposed, aim, words)
    return state


def begun(oracle: StageOracle, prefix: str, start: Sequence[int], aim: Aim) -> State:
    """The document as it is before any exchange; without a value where no encode is left."""
    text = _joined(prefix, oracle.text(list(start)))
    if oracle.affordable() == 0:
        return State(prefix, tuple(start), text, -float("inf"), np.zeros(0, dtype=np.float32))
    (vector,) = oracle.encode([text])
    return State(prefix, tuple(start), text, float(aim.value(vector[None, :])[0]), vector)


def writable(vocabulary: Sequence[str]) -> NDArray[np.intp]:
    """Ids of pieces of ASCII letters and digits, which make words."""
    bare = [piece.removeprefix("##").lstrip("▁Ġ") for piece in vocabulary]
    return np.array([i for i, piece in enumerate(bare) if piece.isascii() and piece.isalnum()], dtype=np.intp)


def steady(oracle: StageOracle, prefix: str, ids: Sequence[int], count: int) -> list[int]:
    """At most so many pieces whose text, read again behind the prefix, has these pieces and no others."""
    held = len(oracle.pieces(prefix)) if prefix else 0
    for _ in range(3):
        ids = list(oracle.pieces(_joined(prefix, oracle.text(list(ids)[:count]))))[held:]
    return list(ids)[:count]


def _joined(prefix: str, text: str) -> str:
    return f"{prefix} {text}".strip() if prefix else text


def _gradient(
    oracle: StageOracle, state: State, aim: Aim, usable: NDArray[np.intp], copies: int, rng: Random
) -> NDArray[np.float64]:
    """Positions x dimensions: the mean over copies that are read as they were meant, each position at the length 1."""
    variants = [state.ids]
    for _ in range(copies - 1):
        at = rng.randrange(len(state.ids))
        variants.append((*state.ids[:at], int(usable[rng.randrange(len(usable))]), *state.ids[at + 1 :]))
    left = oracle.affordable()
    variants = variants if left is None else variants[: max(1, left)]
    texts = [_joined(state.prefix, oracle.text(ids)) for ids in variants]
    told = oracle.piece_gradients(texts, aim.towards(state.vector))
    total = np.zeros((len(state.ids), told[0].gradient.shape[1]))
    for number, (each, ids) in enumerate(zip(told, variants, strict=True)):
        if number == 0 or tuple(each.pieces[-len(ids) :]) == ids:
            own = each.gradient[-len(ids) :].astype(np.float64)
            total[len(total) - len(own) :] += own  # pieces beyond the length that is read have none
    unit: NDArray[np.float64] = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    return unit


def _proposed(
    gradient: NDArray[np.float64], embeddings: Vectors, usable: NDArray[np.intp], count: int, rng: Random
) -> list[int]:
    """The best pieces by the gradient, and others drawn from as many again."""
    gains = embeddings[usable] @ gradient.astype(np.float32)
    first = (count + 1) // 2 if 2 * count < len(usable) else min(count, len(usable))
    pool = min(len(usable), 2 * count)
    top = usable[np.argsort(-gains, kind="stable")[:pool]].tolist()
    rest = top[first:]
    return [*top[:first], *rng.sample(rest, min(count - first, len(rest)))]


def _best(
    oracle: StageOracle, state: State, position: int, proposed: Sequence[int], aim: Aim, words: int | None
) -> State:
    """The best of the document and its trials at one position."""
    trials: dict[str, tuple[int, ...]] = {}
    held = len(oracle.pieces(state.prefix)) if state.prefix else 0
    for piece in proposed:
        ids = (*state.ids[:position], piece, *state.ids[position + 1 :])
        text = _joined(state.prefix, oracle.text(ids))
        read = tuple(oracle.pieces(text))[held:]
        if len(read) == len(ids) and text != state.text and (words is None or price(text) <= words):
            trials.setdefault(text, read)
    left = oracle.affordable()
    texts = list(trials) if left is None else list(trials)[:left]
    if not texts:
        return state
    vectors = oracle.encode(texts)
    values = aim.value(vectors)
    best = int(np.argmax(values))
    if values[best] <= state.value:
        return state
    return replace(state, ids=trials[texts[best]], text=texts[best], value=float(values[best]), vector=vectors[best])
