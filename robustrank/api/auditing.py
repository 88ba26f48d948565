"""``robustrank.audit``: run an audit from Python, of a file or of objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from robustrank.api import tables
from robustrank.api.result import AuditResult
from robustrank.auditing import run as auditing
from robustrank.auditing import state
from robustrank.auditing.session import Allowance
from robustrank.config import audit_file
from robustrank.config.specs import AuditSpec
from robustrank.config.writing import as_toml
from robustrank.core import plugin_spec
from robustrank.core.errors import ConfigError
from robustrank.core.progress import LOGGER, Progress
from robustrank.judging import checks
from robustrank.plugins import registry
from robustrank.report import terminal

ATTACKS: Sequence[Mapping[str, Any]] = (
    {"name": "query at the start", "use": "query_injection"},
    {"name": "template", "use": "template_sentence", "budget": {"edits": 16}},
    {"name": "word insertion", "use": "word_insertion", "access": "ranks", "budget": {"edits": 5, "calls": 100}},
    {"name": "control: neutral sentence", "use": "benign_insertion"},
)
"""Attacks where none are named: two that see nothing of the ranker, one that sees ranks, and a control."""


def audit(
    file: str | Path | None = None,
    *,
    ranker: Any = None,
    data: Any = None,
    queries: int | None = None,
    depth: int | None = None,
    attacks: Sequence[Any] | None = None,
    defenses: Sequence[Any] = (),
    gates: Sequence[Mapping[str, Any]] = (),
    suite: str | None = None,
    options: Mapping[str, Any] | None = None,
    out: str | Path = ".robustrank",
    executor: str = "serial",
    fresh: bool = False,
    tasks: int | None = None,
    pairs: int | None = None,
    minutes: float | None = None,
    progress: bool | Progress = True,
) -> AuditResult:
    """Run an audit, or resume it: of an audit file, or of a ranker and data that are handed over.

    Args:
        file: An audit file, or ``"quick"`` or ``"default"``. Without it, ``ranker`` and ``data`` are audited.
        ranker: A function of a query and a list of texts that returns one score for each; a ranker object; a model's
            name or folder; the URL of a service; a table as in an audit file; or a mapping of names to these.
        data: A folder (BEIR layout, or documents, queries and qrels as JSON lines, CSV, Parquet or TREC files); the
            name of a bundled collection, or ``"irds:..."``; a :class:`~robustrank.plugin.Collection`; a mapping with
            the data frames ``documents``, ``queries`` and ``qrels``; a table as in an audit file; or a mapping of names
            to these, of which the first is home and the others are out of distribution.
        queries: How many queries of each collection; default all. A table of ``data`` may have its own, here and below.
        depth: How many candidates of each query are ranked.
        attacks: Names of plug-ins, tables as in an audit file, or attack objects; default a few cheap ones
            (:data:`ATTACKS`), none with an empty list or with a ``suite``.
        defenses: Likewise; each is put around every ranker that is attacked, and attacked.
        gates: Tables as in an audit file, such as ``{"measure": "ASR@10", "max": 0.2}``.
        suite: A fixed set of attacks: ``"standard"``.
        options: Further keys and tables of an audit file, such as ``{"cases": {"queries": 20}, "baseline": "bm25"}``.
        out: The folder that holds audits.
        executor: Where tasks run, as on the command line. Objects of this process need ``"serial"`` or ``"threads"``.
        fresh: Put records of earlier runs aside first.
        tasks: Stop, resumable, after so many tasks.
        pairs: Stop, resumable, after so many scored pairs.
        minutes: Stop, resumable, after so many minutes.
        progress: Show it on stderr, or in a notebook; or a listener of your own.

    Returns:
        What was measured.

    Raises:
        RobustRankError: A wrong file, argument, plug-in or collection, a missing package, a folder in use.
    """
    if file is not None:
        if any(each is not None for each in (ranker, data, queries, depth, attacks)) or defenses or gates or options:
            raise ConfigError("give an audit file, or a ranker and data; the file has its own attacks and gates")
        spec = audit_file.load(file, suite=suite)
    else:
        sizes = {key: size for key, size in (("queries", queries), ("depth", depth)) if size is not None}
        spec = _spec(ranker, data, sizes, attacks, defenses, gates, suite, options or {})
    checks.check(spec)
    folder = auditing.folder(spec, Path(out))
    LOGGER.info("audit %s in %s", spec.name, folder)
    with _watched(progress) as listener:
        summary = auditing.run(
            spec, folder, executor=registry.build("executor", plugin_spec.parse(executor)), fresh=fresh,
            allowance=Allowance(tasks=tasks, pairs=pairs, minutes=minutes), progress=listener,
        )  # fmt: skip
    return AuditResult(summary, folder)


def load(folder: str | Path) -> AuditResult:
    """The result of an audit that ran before, as its records have it.

    Args:
        folder: Of the audit.

    Raises:
        StoreError: There is no audit in it, or it cannot be read.
    """
    current = state.current(Path(folder))
    if current.note:
        LOGGER.warning("%s", current.note)
    return AuditResult(current.summary, Path(folder))


def _spec(
    ranker: Any, data: Any, sizes: Mapping[str, int], attacks: Sequence[Any] | None, defenses: Sequence[Any],
    gates: Sequence[Mapping[str, Any]], suite: str | None, options: Mapping[str, Any],
) -> AuditSpec:  # fmt: skip
    if ranker is None or data is None:
        raise ConfigError("robustrank.audit needs an audit file, or both `ranker` and `data`")
    for key, argument in (("collection", "data"), ("ranker", "ranker"), ("suite", "suite")):
        if key in options:
            raise ConfigError(f"robustrank.audit: options has {key!r}; use the argument `{argument}`")
    here = Path.cwd()
    rankers = [tables.of_ranker(name, each, here) for name, each in _named(ranker, "ranker", "use").items()]
    handed = _named(data, "data", *tables.FRAMES, "use")
    collections = [{**sizes, **tables.of_data(name, each, here)} for name, each in handed.items()]
    chosen = (() if suite else ATTACKS) if attacks is None else attacks
    names = [each["name"] for each in rankers if each.get("attacked", True)]
    wrapped = [
        {"rankers": names, "attacked": True, **tables.of_plugin("defense", each, number)}
        for number, each in enumerate(defenses, 1)
    ]
    whole: dict[str, Any] = {
        "name": "audit", "seed": 13, "measures": ["nDCG@10"], **({"suite": suite} if suite else {}), **options,
        "collection": collections,
        "ranker": rankers,
        "attack": [*options.get("attack", ()), *(tables.of_plugin("attack", a, n) for n, a in enumerate(chosen, 1))],
        "defense": [*options.get("defense", ()), *wrapped],
        "gate": [*options.get("gate", ()), *({"name": _sentence(gate), **gate} for gate in gates)],
    }  # fmt: skip
    text = as_toml({key: value for key, value in whole.items() if value != []})
    return audit_file.parse(text, where="robustrank.audit", folder=here)


def _sentence(gate: Mapping[str, Any]) -> str:
    """What a gate without a name says: ``"ASR@10 at most 0.2 (ranker mine)"``."""
    limits = {"max": "at most", "min": "at least", "worse_by": "worse by at most"}
    parts = [f"{words} {gate[key]}" for key, words in limits.items() if key in gate]
    where = ", ".join(f"{key} {value}" for key, value in gate.get("where", {}).items())
    return f"{gate.get('measure')} {' and '.join(parts)}" + (f" ({where})" if where else "")


def _named(value: Any, name: str, *keys: str) -> Mapping[str, Any]:
    """Name to value; a single one, or a table that has one of the keys, is named after its kind."""
    if isinstance(value, Mapping) and not set(keys) & set(value):
        if not value:
            raise ConfigError(f"robustrank.audit: `{name}` is an empty mapping")
        return value
    return {name: value}


def _watched(progress: bool | Progress) -> AbstractContextManager[Progress | None]:
    if isinstance(progress, bool):
        return terminal.watching() if progress else nullcontext(None)
    return nullcontext(progress)
