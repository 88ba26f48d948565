"""``robustrank init``: an audit file to start from, with one's own model and data, and limits from a pilot run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robustrank.core.errors import ConfigError, RobustRankError

if TYPE_CHECKING:
    from robustrank.auditing.pilot import Pilot
    from robustrank.core.types import Estimate
    from robustrank.results.red_flags import RedFlag

GATES = "# A gate holds when"
"""How the comment above the starter's gates begins."""


@click.command("init")
@click.argument("path", type=click.Path(path_type=Path), default=Path("robustness.audit.toml"))
@click.option("--model", help="Your ranker: a model folder, a hub id, a service's URL, or module:function.")
@click.option("--data", help="Your folder with documents, queries and judgments, or irds:ID of ir_datasets.")
@click.option("--no-pilot", is_flag=True, help="Measure nothing: the limits of the gates are examples then.")
def init(path: Path, model: str | None, data: str | None, no_pilot: bool) -> None:
    """Write a commented audit file to start from.

    PATH is robustness.audit.toml unless given. With --model and --data the file has your ranker and your collection in
    place of the bundled ones; --data is a folder in BEIR layout, or one with documents, queries and qrels files (CSV,
    JSON lines, Parquet, TREC). A pilot run of some queries, a minute or two, then proposes the limits of the gates and
    how many queries decide them.
    """
    if path.exists():
        raise ConfigError(f"{path}: exists already; give another path")
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
    pilot = None if no_pilot or (model is None and data is None) else _pilot(text, path)
    if pilot is not None:
        text = _with_proposals(text, pilot)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{path}: exists already; give another path") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error}") from error
    for line in _closing(path, pilot):
        click.echo(line)


def _pilot(text: str, path: Path) -> Pilot:
    """A pilot run of the file.

    Raises:
        RobustRankError: It cannot run; the message says how to get a file without it.
    """
    from robustrank.auditing import pilot
    from robustrank.config import audit_file
    from robustrank.core import plugin_spec
    from robustrank.plugins import registry
    from robustrank.report import terminal
    from robustrank.work.executors import DEFAULT

    click.echo(f"a pilot run of {pilot.QUERIES} queries proposes the limits (--no-pilot: none) ...", err=True)
    spec = audit_file.parse(text, where=str(path), folder=path.parent)
    try:
        with terminal.watching() as progress:
            return pilot.run(spec, lambda: registry.build("executor", plugin_spec.parse(DEFAULT)), progress)
    except RobustRankError as error:
        error.args = (f"{error}\nnothing was written; --no-pilot writes the file without a pilot run",)
        raise


def _with_proposals(text: str, pilot: Pilot) -> str:
    """The audit file with the pilot's gates in place of the starter's, and numbers of queries that decide them."""
    from robustrank.results.select import lead

    day, queries = pilot.summary.started[:10], pilot.summary.collections[0].queries
    lines = [
        f"# PROPOSED on {day} by a pilot run of {queries} queries: each limit is a bound of the pilot's figure, so the",
        "# gate holds today and fails when the ranker gets worse. Whether that is good enough is for you to say.",
    ]
    if not pilot.proposals:
        lines.append("# There is none: the pilot has no valid figure that a limit would guard.")
    lines += [f"# Red flag in the pilot: {json.dumps(flag.title, ensure_ascii=False)}." for flag in _serious(pilot)]
    for attack in pilot.unlimited:
        lines.append(f"# No limit on {json.dumps(attack.attack)}: {_rate(attack.success[lead(attack)])} in the pilot.")
    tables = [
        f"\n# in the pilot {_rate(each.estimate)}\n{each.text}" if each.estimate else each.text
        for each in pilot.proposals
    ]
    head = re.sub(r"(?m)(\[\[collection\]\](?:.*\n)+?queries = )\d+", rf"\g<1>{pilot.queries}", text, count=1)
    head = re.sub(r"(?m)(\[cases\](?:.*\n)+?queries = )\d+", rf"\g<1>{pilot.cases}", head, count=1)
    comment, _, _ = head[head.index(GATES) :].partition("[[gate]]")
    return head[: head.index(GATES)] + comment + "\n".join(lines) + "\n" + "".join(tables)


def _serious(pilot: Pilot) -> list[RedFlag]:
    """Flags that stand between a figure and a verdict."""
    return [flag for flag in pilot.summary.red_flags if flag.binds]


def _rate(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}], n={estimate.n}"


def _closing(path: Path, pilot: Pilot | None) -> list[str]:
    """What was written, what the pilot saw, and the next command with its time."""
    from robustrank.core.escaping import for_terminal

    command = f"robustrank audit {for_terminal(str(path))}"
    if pilot is None:
        return [f"wrote {for_terminal(str(path))}; run it with: {command}"]
    from robustrank.results.select import lead

    n = len(pilot.proposals)
    lines = [
        f"wrote {for_terminal(str(path))}: {pilot.queries} queries, {pilot.cases} of them attacked, {n} proposed "
        f"{'gate' if n == 1 else 'gates'}"
    ]
    for attack in pilot.unlimited:
        name = lead(attack)
        lines.append(
            f"in the pilot “{for_terminal(attack.attack)}” has {name} {_rate(attack.success[name])}: "
            "no limit is proposed for it"
        )
    lines += [f"red flag in the pilot: {for_terminal(flag.title)}" for flag in _serious(pilot)]
    return [*lines, f"next ({_about(pilot.minutes)}): {command}"]


def _about(minutes: float) -> str:
    return f"about {max(1, round(minutes))} min"


def _with_data(text: str, data: str, folder: Path) -> str:
    """The audit file with a collection in place of the bundled one, read once so that its sizes fit.

    Raises:
        DataError: It cannot be read.
    """
    from robustrank.api import tables
    from robustrank.core.plugin_spec import Plugin
    from robustrank.plugins import registry

    name, table = "my data", tables.of_data("my data", data, folder)
    paths = {k: str(folder / v) if k in tables.RELATIVE else v for k, v in table.items() if k not in ("use", "name")}
    read = registry.build("collection", Plugin(use=table["use"], params=paths)).load()
    queries, depth = min(30, len(read.queries)), min(20, len(read.documents))
    text = _table(text, "collection", "SciFact", table | {"name": name, "queries": queries, "depth": depth})
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
