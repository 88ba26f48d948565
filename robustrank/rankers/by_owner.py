"""What the library that owns a model folder computes, by its plainest calls: to compare a ranker of ours with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from robustrank.core.interfaces import Ranker
from robustrank.rankers.bi_encoder import BiEncoder
from robustrank.rankers.cross_encoder import BUNDLED_LENGTH, CrossEncoder
from robustrank.rankers.late_interaction import LateInteraction
from robustrank.rankers.models import weights
from robustrank.rankers.sparse_encoder import SparseEncoder

Folders = CrossEncoder | BiEncoder | SparseEncoder | LateInteraction
"""Rankers of model folders."""


def scores(ranker: Ranker, query: str, texts: Sequence[str]) -> list[float] | None:
    """The owner's scores; ``None`` where a ranker is no model folder, or its folder says not how it is used.

    Raises:
        PluginError: The folder cannot be loaded.
    """
    if not isinstance(ranker, Folders):
        return None
    where = weights.resolve(ranker.model)
    if weights.in_onnx(where, getattr(ranker, "file", None)):
        return None
    if isinstance(ranker, CrossEncoder):
        return _cross(ranker, query, texts)
    return _encoded(ranker, query, texts)


def _cross(ranker: CrossEncoder, query: str, texts: Sequence[str]) -> list[float]:
    from torch import nn

    model, folder = _loaded(ranker, "CrossEncoder")
    length = BUNDLED_LENGTH if ranker.max_length is None and ranker.model in weights.BUNDLED else ranker.max_length
    _limit(model, length, folder.what)
    rows = model.predict([(query, text) for text in texts], prompt=ranker.prompt, activation_fn=nn.Identity())
    flat = rows.reshape(len(texts), -1)
    return [float(row[0] if len(row) == 1 else row[1] - row[0]) for row in flat]


def _encoded(
    ranker: BiEncoder | SparseEncoder | LateInteraction, query: str, texts: Sequence[str]
) -> list[float] | None:
    kinds = {BiEncoder: "SentenceTransformer", SparseEncoder: "SparseEncoder", LateInteraction: "MultiVectorEncoder"}
    model, folder = _loaded(ranker, kinds[type(ranker)])
    if not folder.modules:
        return None
    prompts: list[dict[str, Any]] = [{}, {}]
    if isinstance(ranker, BiEncoder):
        prompts = [{"prompt": ranker.query_prompt}, {"prompt": ranker.document_prompt}]
    if isinstance(ranker, LateInteraction):
        lengths = {"document_length": ranker.max_length, "query_length": ranker.query_length}
        for name in [name for name, value in lengths.items() if value is not None]:
            setattr(model[0], name, lengths[name])
    else:
        _limit(model, ranker.max_length, folder.what)
    asked = model.encode_query([query], **prompts[0])
    row = model.similarity(asked, model.encode_document(list(texts), **prompts[1]))[0]
    return [float(score) for score in row.tolist()]


def _loaded(ranker: Folders, kind: str) -> tuple[Any, Any]:
    from robustrank.rankers.models import owners

    folder = owners.Folder(ranker.model, f"{kind} {ranker.model!r}")
    dimensions = getattr(ranker, "truncate_dim", None)
    arguments = {} if dimensions is None else {"truncate_dim": dimensions}
    if not folder.modules and kind != "CrossEncoder":
        return None, folder
    return owners.load(folder, kind, ranker.device, lambda model: [0.0, 1.0], arguments), folder


def _limit(model: Any, wanted: int | None, what: str) -> None:
    from robustrank.rankers.models import owners

    owners.max_length(model, wanted, what)
