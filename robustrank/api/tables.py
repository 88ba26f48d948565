"""What a user names or hands over, as tables of an audit file: models, services, functions, data in files or frames."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robustrank.api import frames
from robustrank.collections import jsonl, lines, validate
from robustrank.core.errors import ConfigError
from robustrank.core.interfaces import CollectionLoader, Ranker
from robustrank.core.types import Collection
from robustrank.plugins import given, registry
from robustrank.rankers.function import FunctionRanker
from robustrank.storage.hashing import digest

Table = dict[str, Any]

SERVICES = {
    "/v2/rerank": "cohere", "/v1/reranking": "mixedbread", "/v1/rerank": "cohere_v1", "/v1/score": "openai_score",
    "/rerank": "tei", "/score": "vllm_score",
}  # fmt: skip
"""End of a URL to the format that is most likely spoken there."""

CLASSES = {"SentenceTransformer": "bi_encoder", "SparseEncoder": "sparse_encoder", "CrossEncoder": "cross_encoder"}
"""Class that saved a folder to the ranker that audits it; further ones are for late interaction."""

PARTS = {"documents": ("documents", "docs", "corpus", "collection", "passages"), "topics": ("queries", "topics"),
         "qrels": ("qrels", "judgments", "judgements")}  # fmt: skip
"""Parameter of a collection to the names that its file may have, before the first dot."""

RELATIVE = ("path", *PARTS)
"""Parameters of a collection that are paths relative to the audit file."""

FRAMES = ("documents", "queries", "qrels")


def ranker(model: str, folder: Path) -> Table:
    """The table of a ranker that is named: of a URL a service, of ``module:function`` a function, else a model.

    Raises:
        ConfigError: A folder without a model.
    """
    if model.startswith(("http://", "https://")):
        end = next((end for end in SERVICES if model.rstrip("/").endswith(end)), "")
        url = model.rstrip("/").removesuffix(end)
        return {"use": "http", "url": url, "format": SERVICES.get(end, "cohere_v1")}
    if re.fullmatch(r"[\w./-]*\w:\w[\w.]*", model):
        return {"use": "callable", "function": model}
    where = Path(model)
    if not where.is_dir():
        bundled = {"all-MiniLM-L6-v2": "bi_encoder", "splade-tiny-msmarco": "sparse_encoder"}
        return {"use": bundled.get(model, "cross_encoder"), "model": model}
    settings, config = (_json(where / name) for name in ("config_sentence_transformers.json", "config.json"))
    path = {"model": f"./{os.path.relpath(where, folder)}"}
    if (where / "modules.json").is_file():
        return {"use": CLASSES.get(settings.get("model_type", "SentenceTransformer"), "late_interaction"), **path}
    kinds = " ".join(config.get("architectures") or ())
    if "ForSequenceClassification" in kinds or _json(where / "adapter_config.json").get("task_type") == "SEQ_CLS":
        return {"use": "cross_encoder", **path}
    if "HF_ColBERT" in kinds:
        return {"use": "late_interaction", **path}
    if "ForMaskedLM" in kinds:
        return {"use": "sparse_encoder", **path}
    if not config and not (where / "model.onnx").is_file():
        raise ConfigError(f"{where}: has neither config.json nor modules.json, so it is no model folder")
    return {"use": "bi_encoder", **path, "pooling": "mean"} if config else {"use": "cross_encoder", **path}


def collection(data: Path, folder: Path) -> Table:
    """The table of a collection in files: a folder in BEIR layout, or one with three files.

    Raises:
        ConfigError: It is no folder, or files are missing.
    """
    if not data.is_dir():
        raise ConfigError(f"{data}: no such folder; data is a folder with documents, queries and judgments")
    if list(data.glob("corpus.jsonl*")) and (data / "qrels").is_dir():
        splits = sorted(path.name.partition(".")[0] for path in (data / "qrels").iterdir())
        split = {} if "test" in splits or not splits else {"split": splits[0]}
        return {"use": "beir", "path": os.path.relpath(data, folder), **split}
    paths = {}
    for part, names in PARTS.items():
        here = [file for file in sorted(data.iterdir()) if file.name.lower().partition(".")[0] in names]
        if not here:
            wanted = "neither corpus.jsonl, queries.jsonl and qrels/, nor files documents.*, queries.* and qrels.*"
            raise ConfigError(f"{data}: has {wanted} ({part} is missing)")
        paths[part] = here[0]
    tables = all(lines.tabular(p) or lines.parquet(p) or ".jsonl" in p.name for p in paths.values())
    relative = {part: os.path.relpath(path, folder) for part, path in paths.items()}
    return {"use": "jsonl" if tables else "trec", **relative}


def of_ranker(name: str, value: Any, folder: Path) -> Table:
    """The table of a ranker that is handed over.

    Args:
        name: In reports.
        value: A table with ``use``; a ranker; a function of the query's text and a list of document texts; or, as text
            or path, what :func:`ranker` takes.
        folder: That paths are relative to.

    Raises:
        ConfigError: It is none of these.
    """
    if isinstance(value, Mapping):
        return {"name": name, **value}
    if isinstance(value, str | Path):
        return {"name": name, **ranker(str(value), folder)}
    if not isinstance(value, Ranker):
        if not callable(value):
            raise ConfigError(
                f"ranker {name!r} is a {type(value).__name__}; give a model's name or folder, a URL, a table with "
                "`use`, a function of a query and a list of texts that returns a score for each, or a ranker object"
            )
        value = FunctionRanker(value, name)
    return {"name": name, "use": "given", "key": given.keep(f"{name}-{value.card.fingerprint}", value)}


def of_data(name: str, value: Any, folder: Path) -> Table:
    """The table of a collection that is handed over.

    Args:
        name: In reports.
        value: A table with ``use``; a :class:`Collection`; the name of a bundled collection, or ``"irds:..."`` with an
            id of ir_datasets; a folder; or a mapping with the data frames ``documents``, ``queries`` and ``qrels``.
        folder: That paths are relative to.

    Raises:
        ConfigError: It is none of these.
        DataError: Something is wrong in the frames.
    """
    if isinstance(value, Mapping) and "use" in value:
        return {"name": name, **value}
    if isinstance(value, Mapping):
        value = of_frames(value)
    if isinstance(value, Collection):
        value = Held(value)
    if isinstance(value, Held | CollectionLoader):
        held = value if isinstance(value, Held) else Held(value.load())
        return {"name": name, "use": "given", "key": given.keep(f"collection-{held.collection.digest[:16]}", held)}
    if not isinstance(value, str | Path):
        raise ConfigError(
            f"data {name!r} is a {type(value).__name__}; give a folder, the name of a bundled collection, a "
            "Collection, or {'documents': frame, 'queries': frame, 'qrels': frame}"
        )
    if str(value).startswith("irds:"):
        return {"name": name, "use": "ir_datasets", "id": str(value).removeprefix("irds:")}
    if str(value) in registry.names("collection") and not Path(value).exists():
        return {"name": name, "use": str(value)}
    return {"name": name, **collection(Path(value), folder)}


class Held:
    """A loader of a collection that has been loaded."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection

    def load(self) -> Collection:
        """The collection."""
        return self.collection


def of_frames(parts: Mapping[str, Any]) -> Collection:
    """A collection out of data frames, with the column names that the loader ``jsonl`` knows.

    Raises:
        ConfigError: A frame is missing, or there is another one.
        DataError: Names frame, row and fix.
    """
    if set(parts) != set(FRAMES):
        raise ConfigError(
            f"data frames: needs exactly {', '.join(FRAMES)} (has: {', '.join(map(str, parts)) or 'none'})"
        )
    names = {part: Path(f"data frame {part!r}") for part in FRAMES}
    of = {part: frames.rows(parts[part], f"data frame {part!r}") for part in FRAMES}
    counts: Counter[str] = Counter()
    columns = jsonl.Columns()
    docs = validate.documents(jsonl.documents(names["documents"], counts, columns, of["documents"]), names["documents"])
    queries, types = jsonl.queries(names["queries"], "type", columns, of["queries"])
    judgments = jsonl.judgments(names["qrels"], columns, of["qrels"])
    return validate.collection(
        "frames", docs, queries, judgments, names["qrels"], query_types=types, warning_counts=counts
    )


def of_plugin(kind: str, value: Any, number: int) -> Table:
    """The table of an attack or a defense that is handed over: a table with ``use``, a plug-in's name, or an object.

    Raises:
        ConfigError: It is none of these.
    """
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, str):
        return {"use": value}
    if not hasattr(value, "perturb" if kind == "attack" else "wrap"):
        raise ConfigError(f"{kind} {number} is a {type(value).__name__}; give a table with `use`, a name or an object")
    name = type(value).__name__
    return {"name": name, "use": "given", "key": given.keep(f"{name}-{digest(repr(value))[:16]}", value)}


def _json(path: Path) -> Table:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
