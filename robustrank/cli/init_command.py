"""``robustrank init``: an audit file to start from, with one's own model and data in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from robustrank.core.errors import ConfigError


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
        from robustrank.api import tables

        text = _table(text, "ranker", "cross-encoder", {"name": "mine"} | tables.ranker(model, folder))
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


def _with_data(text: str, data: Path, folder: Path) -> str:
    """The audit file with a collection in place of the bundled one, read once so that its sizes fit.

    Raises:
        DataError: It cannot be read.
    """
    from robustrank.api import tables
    from robustrank.core.plugin_spec import Plugin
    from robustrank.plugins import registry

    table = tables.collection(data, folder)
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
