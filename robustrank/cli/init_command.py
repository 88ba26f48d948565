"""``robustrank init``: an audit file to start from, with one's own model and data in it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from robustrank.core.errors import ConfigError

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


@click.command("init")
@click.argument("path", type=click.Path(path_type=Path), default=Path("robustness.audit.toml"))
@click.option("--model", help="Your ranker: a model folder, a hub id, a service's URL, or module:function.")
@click.option("--data", type=click.Path(path_type=Path), help="Your folder with documents, queries and judgments.")
def init(path: Path, model: str | None, data: Path | None) -> None:
    """Write a commented audit file to start from.

    PATH is robustness.audit.toml unless given. With --model and --data the file has your ranker and your collection in
    place of the bundled ones; --data is a folder in BEIR layout, or one with documents, queries and qrels files.
    """
    text = files("robustrank").joinpath("audits", "starter.toml").read_text(encoding="utf-8")
    folder = path.resolve().parent
    if data is not None:
        text = _with_data(text, data, folder)
    if model is not None:
        text = _table(text, "ranker", "cross-encoder", {"name": "mine"} | ranker(model, folder))
        text = text.replace('ranker = "cross-encoder"', 'ranker = "mine"').replace(
            "the cross-encoder ranks", "it ranks"
        )
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{path}: exists already; give another path") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error}") from error
    click.echo(f"wrote {path}; run it with: robustrank audit {path}")


def ranker(model: str, folder: Path) -> dict[str, Any]:
    """The table of a ranker: of a URL a service, of ``module:function`` a function, else a model.

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


def collection(data: Path, folder: Path) -> dict[str, Any]:
    """The table of a collection: a folder in BEIR layout, or one with three files.

    Raises:
        ConfigError: It is no folder, or files are missing.
    """
    if not data.is_dir():
        raise ConfigError(f"{data}: no such folder; --data is a folder with documents, queries and judgments")
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
    from robustrank.collections import lines

    tables = all(lines.tabular(p) or lines.parquet(p) or ".jsonl" in p.name for p in paths.values())
    relative = {part: os.path.relpath(path, folder) for part, path in paths.items()}
    return {"use": "jsonl" if tables else "trec", **relative}


def _with_data(text: str, data: Path, folder: Path) -> str:
    """The audit file with a collection in place of the bundled one, read once so that its sizes fit.

    Raises:
        DataError: It cannot be read.
    """
    from robustrank.core.plugin_spec import Plugin
    from robustrank.plugins import registry

    table = collection(data, folder)
    paths = {key: str(folder / value) for key, value in table.items() if key not in ("use", "split")}
    read = registry.build("collection", Plugin(use=table["use"], params={**paths, **_only(table, "split")})).load()
    queries, depth = min(30, len(read.queries)), min(20, len(read.documents))
    text = _table(text, "collection", "SciFact", {"name": "mine"} | table | {"queries": queries, "depth": depth})
    first = min(11, depth // 2 + 1)
    top = next(k for k in (10, 3, 1) if k < max(first, 2))
    text = text.replace("ASR@10", f"ASR@{top}").replace("into the top 10", f"into the top {top}")
    return text.replace("queries = 15\n", f"queries = {min(15, queries)}\n").replace('"11-20"', f'"{first}-{depth}"')


def _table(text: str, kind: str, name: str, values: Mapping[str, Any]) -> str:
    """The text with the keys of one of its tables replaced; the comment of the table's first line stays."""
    start = re.search(rf'(?m)^(\[\[{kind}\]\].*\n)name = "{name}"\n(?:.+\n)*', text)
    if start is None:
        raise ValueError(f"the starter has no {kind} {name!r}")
    lines = "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())
    return text[: start.start()] + start[1] + lines + text[start.end() :]


def _only(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {key: table[key]} if key in table else {}


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
